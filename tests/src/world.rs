//! A hub and clinics living through a seeded storm and the calm after it.

mod losses;

use std::collections::BTreeSet;

use replication::edge::EdgeDesk;
use replication::hub::HubDesk;
use replication::streams::{Topic, topic};
use sync_protocol::exchange::{HubOp, HubReply, Run};
use sync_protocol::{Class, EntryId, NodeId};
use vocab::{PatientId, SiteId};
use workflows::erase::{What, Whose};

use crate::clinic::{Backup, Clinic};
use crate::decisions::Decisions;
use crate::hub::BoxHub;
use crate::network::{Dice, Weather, Wire};

/// Clinics in the world.
pub const CLINICS: usize = 3;

/// Milliseconds of the storm.
const STORM_MS: u64 = 60_000;

/// Milliseconds after which the calm must have brought everything where it belongs: more than the
/// longest pause before something is sent again.
const CALM_MS: u64 = 1_800_000;

/// A broken invariant, by its number in the sync design.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invariant {invariant} is broken: {what}")]
pub struct Broken {
    /// Its number.
    pub invariant: u32,
    /// What was seen.
    pub what: String,
}

/// What happened, in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Frames put on their way.
    pub frames: u64,
    /// Connections cut.
    pub cuts: u64,
    /// Processes killed.
    pub kills: u64,
    /// Clinics' disks put back from an older copy.
    pub restores: u64,
    /// The hub's database brought back from a backup.
    pub hub_restores: u64,
    /// Entries that hubs have from others than their authors in the end.
    pub resupplied: u64,
    /// Virtual milliseconds.
    pub virtual_ms: u64,
}

impl Figures {
    /// Adds those of another world.
    pub fn add(&mut self, other: &Self) {
        self.frames += other.frames;
        self.cuts += other.cuts;
        self.kills += other.kills;
        self.restores += other.restores;
        self.hub_restores += other.hub_restores;
        self.resupplied += other.resupplied;
        self.virtual_ms += other.virtual_ms;
    }
}

/// The world.
pub struct World {
    /// What decides everything.
    pub seed: u64,
    /// The hub.
    pub hub: BoxHub,
    /// The clinics.
    pub clinics: Vec<Clinic>,
    wires: Vec<Option<(Wire, Wire)>>,
    redial_at: Vec<u64>,
    dice: Dice,
    weather: Weather,
    now: u64,
    next_act: u64,
    counter: u64,
    decisions: Decisions,
    backups: Vec<Option<Backup>>,
    hub_backup: Option<store::Connection>,
    hub_restored_at: u64,
    /// Sites that a patient ever allowed something.
    pub ever_allowed: BTreeSet<(PatientId, SiteId)>,
    /// Whether patients and parts of their records are erased in the storm.
    pub erases: bool,
    /// Patients of whom something was erased.
    pub erased: BTreeSet<PatientId>,
    /// Of these, those of whom everything was.
    pub erased_whole: BTreeSet<PatientId>,
    /// The clinic that never comes back.
    gone: Option<usize>,
    /// Entries that were held somewhere after the last loss.
    left: BTreeSet<EntryId>,
    /// Which clinics went on from an older copy of their disk.
    pub restored: BTreeSet<usize>,
    trace: blake3::Hasher,
    /// Invariants seen broken on the way.
    pub broken: Vec<Broken>,
    /// What happened.
    pub figures: Figures,
}

impl World {
    /// A world that `seed` decides.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::on(seed, |_| store::open_in_memory().expect("memory"))
    }

    /// The same with databases of the caller's, the hub's first.
    #[must_use]
    pub fn on(seed: u64, mut database: impl FnMut(usize) -> store::Connection) -> Self {
        let mut dice = Dice::new(seed);
        let mut hub = BoxHub::on(database(0), dice.roll());
        let clinics: Vec<Clinic> = (0..CLINICS)
            .map(|number| {
                let byte = u8::try_from(number + 1).unwrap_or(u8::MAX);
                let site = SiteId::from_bytes([byte; 16]);
                let clinic = Clinic::on(database(number + 1), site, dice.roll(), hub.key);
                hub.enrol(clinic.site, &format!("clinic-{number}"), clinic.key);
                clinic
            })
            .collect();
        let weather = Weather {
            loss: dice.below(31),
            repeat: dice.below(21),
            delay_ms_max: 1 + dice.below(800),
        };
        Self {
            seed,
            hub,
            wires: clinics.iter().map(|_| None).collect(),
            redial_at: clinics.iter().map(|_| 0).collect(),
            clinics,
            dice,
            weather,
            now: 0,
            next_act: 0,
            counter: 0,
            decisions: Decisions::default(),
            hub_backup: None,
            hub_restored_at: 0,
            backups: (0..CLINICS).map(|_| None).collect(),
            ever_allowed: BTreeSet::new(),
            gone: None,
            left: BTreeSet::new(),
            restored: BTreeSet::new(),
            erases: false,
            erased: BTreeSet::new(),
            erased_whole: BTreeSet::new(),
            trace: blake3::Hasher::new(),
            broken: Vec::new(),
            figures: Figures::default(),
        }
    }

    /// The storm, then the calm. Answers a hash of everything that passed over the wires.
    pub fn run(&mut self) -> [u8; 32] {
        while self.now < STORM_MS {
            self.step(true);
        }
        self.calm();
        self.figures.virtual_ms = self.now;
        self.figures.resupplied = replication::hub::resupplied(&self.hub.conn).unwrap_or(0);
        *self.trace.finalize().as_bytes()
    }

    /// An operator has everything about a patient erased, or one part; answers whether it was not refused.
    pub fn erase(&mut self, patient: PatientId, part: Option<vocab::Compartment>) -> bool {
        let whose = Whose::Id(patient);
        let what = match part {
            None => What::Patient(whose),
            Some(part) => What::Compartment(whose, part),
        };
        let Some(done) = self.hub.erase(self.now, &what) else { return false };
        self.erased.insert(patient);
        if part.is_none() {
            self.erased_whole.insert(patient);
        }
        for node in done.wake {
            if let Some(exchange) = self.hub.exchanges.get_mut(&node) {
                exchange.wake();
            }
        }
        true
    }

    /// Whom each patient allows their record, by all that was decided and is not lost.
    #[must_use]
    pub fn allowed_now(&self) -> BTreeSet<(PatientId, SiteId)> {
        self.decisions.allowed_now()
    }

    /// Lets everything come where it belongs.
    pub fn calm(&mut self) {
        self.lose_author();
        self.weather = Weather::FAIR;
        for clinic in &mut self.clinics {
            clinic.clock_off_ms = 0;
            clinic.flush(self.now);
            if let Some(exchange) = &mut clinic.exchange {
                exchange.local_change(self.now);
            }
        }
        let end = self.now + CALM_MS;
        while self.now < end && !self.is_idle() {
            self.step(false);
        }
        if !self.is_idle() {
            self.break_(6, "the calm did not bring everything where it belongs".to_owned());
        }
    }

    fn is_idle(&self) -> bool {
        let there = || self.clinics.iter().enumerate().filter(|(at, _)| self.is_there(*at));
        let edges = there().all(|(_, clinic)| {
            clinic
                .exchange
                .as_ref()
                .is_some_and(|exchange| exchange.is_idle() && !exchange.has_left_alone())
        });
        let hubs = there().all(|(_, clinic)| {
            let exchange = self.hub.exchanges.get(&clinic.key);
            exchange.is_some_and(sync_protocol::exchange::HubExchange::is_idle)
        });
        let wires = self
            .wires
            .iter()
            .flatten()
            .all(|(up, down)| up.next_arrival().is_none() && down.next_arrival().is_none());
        let safe_mode = replication::hub::is_in_safe_mode(&self.hub.conn).unwrap_or(true);
        edges && hubs && wires && !safe_mode
    }

    /// Moves time to the next thing that happens, and lets it happen.
    fn step(&mut self, storm: bool) {
        self.now = self.next_event(storm);
        if storm && self.now >= self.next_act {
            self.act();
            self.next_act = self.now + 20 + self.dice.below(400);
        }
        for at in 0..self.clinics.len() {
            self.keep_connected(at);
            self.deliver(at);
            self.tick(at);
            self.pump(at);
        }
    }

    fn next_event(&self, storm: bool) -> u64 {
        let mut next = if storm { self.next_act } else { self.now + 1_000 };
        for (at, wires) in self.wires.iter().enumerate() {
            match wires {
                Some((up, down)) => {
                    let clinic = self.clinics.get(at);
                    let edge = clinic.and_then(|clinic| clinic.exchange.as_ref());
                    let hub = clinic.and_then(|clinic| self.hub.exchanges.get(&clinic.key));
                    let times = [
                        up.next_arrival(),
                        down.next_arrival(),
                        edge.and_then(sync_protocol::exchange::EdgeExchange::poll_timeout),
                        hub.and_then(sync_protocol::exchange::HubExchange::poll_timeout),
                    ];
                    next = times.into_iter().flatten().fold(next, u64::min);
                }
                None if self.is_there(at) => {
                    next = next.min(self.redial_at.get(at).copied().unwrap_or(next));
                }
                None => {}
            }
        }
        next.max(self.now + 1)
    }

    fn keep_connected(&mut self, at: usize) {
        let Some(clinic) = self.clinics.get_mut(at) else { return };
        let open = clinic.exchange.as_ref().is_some_and(|exchange| exchange.closed().is_none())
            && self.hub.exchanges.get(&clinic.key).is_some_and(|e| e.closed().is_none());
        let connected = self.wires.get(at).is_some_and(Option::is_some);
        if connected && !open {
            self.cut(at);
        } else if !connected
            && self.gone != Some(at)
            && self.redial_at.get(at).is_some_and(|&when| when <= self.now)
        {
            let Some(clinic) = self.clinics.get_mut(at) else { return };
            clinic.dial(self.now);
            self.hub.answer(self.now, clinic.key);
            if let Some(wires) = self.wires.get_mut(at) {
                *wires = Some((Wire::default(), Wire::default()));
            }
        }
    }

    /// The connection is gone with everything on it.
    fn cut(&mut self, at: usize) {
        self.figures.cuts += 1;
        if let (Some(clinic), Some(wires), Some(redial)) =
            (self.clinics.get_mut(at), self.wires.get_mut(at), self.redial_at.get_mut(at))
        {
            clinic.exchange = None;
            self.hub.exchanges.remove(&clinic.key);
            *wires = None;
            *redial = self.now + 500 + self.dice.below(5_000);
        }
    }

    fn deliver(&mut self, at: usize) {
        let Some(Some((up, down))) = self.wires.get_mut(at) else { return };
        let Some(clinic) = self.clinics.get_mut(at) else { return };
        while let Some((class, frame)) = down.receive(self.now) {
            if let Some(exchange) = &mut clinic.exchange {
                exchange.receive(self.now, class, &frame);
            }
        }
        while let Some((class, frame)) = up.receive(self.now) {
            if let Some(exchange) = self.hub.exchanges.get_mut(&clinic.key) {
                exchange.receive(self.now, class, &frame);
            }
        }
    }

    fn tick(&mut self, at: usize) {
        let Some(clinic) = self.clinics.get_mut(at) else { return };
        if let Some(exchange) = &mut clinic.exchange
            && exchange.poll_timeout().is_some_and(|when| when <= self.now)
        {
            exchange.timeout(self.now);
        }
        if let Some(exchange) = self.hub.exchanges.get_mut(&clinic.key)
            && exchange.poll_timeout().is_some_and(|when| when <= self.now)
        {
            exchange.timeout(self.now);
        }
    }

    /// Lets both sides store and send until they have nothing more to give.
    fn pump(&mut self, at: usize) {
        let Some(key) = self.clinics.get(at).map(|clinic| clinic.key) else { return };
        loop {
            let stored_here = self.store_at_edge(at);
            let stored_there = self.store_at_hub(key);
            self.transmit(at);
            if !stored_here && !stored_there {
                return;
            }
        }
    }

    fn store_at_edge(&mut self, at: usize) -> bool {
        let Some(clinic) = self.clinics.get_mut(at) else { return false };
        let Some(exchange) = &mut clinic.exchange else { return false };
        let ops = urgent_first(|| exchange.poll_store(), EdgeDesk::is_urgent);
        let any = !ops.is_empty();
        for op in ops {
            let reply = clinic.perform(self.now, op);
            if let Some(exchange) = &mut clinic.exchange {
                exchange.stored(self.now, reply);
            }
        }
        any
    }

    fn store_at_hub(&mut self, key: NodeId) -> bool {
        let Some(exchange) = self.hub.exchanges.get_mut(&key) else { return false };
        let ops = urgent_first(|| exchange.poll_store(), HubDesk::is_urgent);
        let any = !ops.is_empty();
        ops.into_iter().for_each(|op| self.perform_at_hub(key, op));
        any
    }

    fn perform_at_hub(&mut self, key: NodeId, op: HubOp) {
        let ingests = matches!(op, HubOp::Ingest(_));
        let performed = self.hub.perform(self.now, key, op);
        if ingests {
            self.note_decisions();
        }
        if let Some(HubReply::Runs(runs)) = &performed.reply {
            self.check_released(key, runs);
        }
        if let (Some(reply), Some(exchange)) = (performed.reply, self.hub.exchanges.get_mut(&key)) {
            exchange.stored(self.now, reply);
        }
        for node in performed.wake {
            if let Some(exchange) = self.hub.exchanges.get_mut(&node) {
                exchange.wake();
            }
        }
    }

    fn transmit(&mut self, at: usize) {
        let Some(Some((up, down))) = self.wires.get_mut(at) else { return };
        let Some(clinic) = self.clinics.get_mut(at) else { return };
        let ready = |_: Class| true;
        while let Some((class, frame)) =
            clinic.exchange.as_mut().and_then(|exchange| exchange.poll_transmit(ready))
        {
            self.trace.update(&frame);
            self.figures.frames += 1;
            up.send(self.now, self.weather, &mut self.dice, class, &frame);
        }
        while let Some((class, frame)) =
            self.hub.exchanges.get_mut(&clinic.key).and_then(|e| e.poll_transmit(ready))
        {
            self.trace.update(&frame);
            self.figures.frames += 1;
            down.send(self.now, self.weather, &mut self.dice, class, &frame);
        }
    }

    /// Which decisions of patients the hub has by now.
    fn note_decisions(&mut self) {
        let conn = &self.hub.conn;
        self.decisions.note_at_hub(|event| consent::store::has(conn, event).unwrap_or(false));
    }

    /// Nothing of a patient is released to a clinic that the patient did not allow it, judged by a
    /// model of its own.
    fn check_released(&mut self, key: NodeId, runs: &[Run]) {
        let Some(site) = self.hub.nodes.get(&key).map(|node| node.site) else { return };
        let safe_mode = replication::hub::is_in_safe_mode(&self.hub.conn).unwrap_or(true);
        for run in runs {
            let Topic::Patient(patient, compartment) = topic(&run.stream) else { continue };
            let home = self.clinics.iter().any(|c| c.site == site && c.own.contains(&patient));
            let allowed = self.decisions.allowed_at_hub(patient, site);
            let released = allowed && compartment != vocab::Compartment::Consent;
            if safe_mode && !home {
                self.break_(27, format!("{compartment:?} was released in safe mode"));
            }
            if !home && !released {
                self.break_(7, format!("{compartment:?} was released without permission"));
            }
        }
    }

    /// Somebody does something, or something goes wrong.
    fn act(&mut self) {
        self.counter += 1;
        let at = usize::try_from(self.dice.below(CLINICS as u64)).unwrap_or(0);
        if self.erases && self.dice.percent(4) {
            self.erase_something(at);
        }
        match self.dice.below(100) {
            0..=9 => self.register(at),
            10..=19 => self.edit(at),
            20..=29 => self.decide(at, true),
            30..=34 => self.decide(at, false),
            35..=74 => self.measure(at),
            75..=79 => self.repeat_batch(at),
            80..=84 => self.with_clinic(at, |clinic, now| clinic.flush(now)),
            85..=88 => self.cut(at),
            89..=90 => self.back_up(at),
            91..=93 => self.kill(at),
            94 if self.loses_all() && self.dice.percent(50) => self.restore_hub(),
            94 if self.loses_hub() => self.restore_hub(),
            94 => self.restore(at),
            95..=96 => self.kill_hub(),
            _ => self.jump_clock(at),
        }
        self.with_clinic(at, |clinic, now| {
            if let Some(exchange) = &mut clinic.exchange {
                exchange.local_change(now);
            }
        });
    }

    fn with_clinic(&mut self, at: usize, act: impl FnOnce(&mut Clinic, u64)) {
        if let Some(clinic) = self.clinics.get_mut(at) {
            act(clinic, self.now);
        }
    }

    fn register(&mut self, at: usize) {
        let number = self.counter;
        self.with_clinic(at, |clinic, now| {
            clinic.register(now, number);
        });
    }

    fn some_patient(&mut self, of: usize) -> Option<PatientId> {
        let own = &self.clinics.get(of)?.own;
        let at = usize::try_from(self.dice.below(own.len().max(1) as u64)).ok()?;
        own.get(at).copied()
    }

    fn erase_something(&mut self, at: usize) {
        let whole = self.dice.percent(50);
        let Some(patient) = self.some_patient(at) else { return };
        self.erase(patient, (!whole).then_some(vocab::Compartment::Vitals));
    }

    fn edit(&mut self, at: usize) {
        let of = usize::try_from(self.dice.below(CLINICS as u64)).unwrap_or(0);
        let number = self.counter;
        if let Some(patient) = self.some_patient(of) {
            self.with_clinic(at, |clinic, now| clinic.edit(now, patient, number));
        }
    }

    fn decide(&mut self, at: usize, grants: bool) {
        let other = (at + 1 + usize::try_from(self.dice.below(2)).unwrap_or(0)) % CLINICS;
        let (Some(patient), Some(site)) =
            (self.some_patient(at), self.clinics.get(other).map(|clinic| clinic.site))
        else {
            return;
        };
        let now = self.now;
        let Some(clinic) = self.clinics.get_mut(at).filter(|clinic| clinic.knows(patient)) else {
            return;
        };
        let home = clinic.site;
        let event = if grants {
            self.ever_allowed.insert((patient, site));
            clinic.grant(now, patient, site)
        } else {
            clinic.revoke(now, patient, site)
        };
        self.decisions.add(home, (patient, site), event);
    }

    fn measure(&mut self, at: usize) {
        let Some(patient) = self.some_patient(at) else { return };
        let count = 1 + self.dice.below(20);
        let late = self.dice.percent(50);
        let mut readings = Vec::new();
        for number in 0..count {
            let value = 60 + self.dice.below(80);
            let Some(clinic) = self.clinics.get(at) else { return };
            let ago = if late { 3_600_000 } else { 0 };
            let time = clinic.wall(self.now).plus_seconds(-i64::try_from(number).unwrap_or(0));
            let time = vocab::Timestamp::from_millis(time.millis() - ago);
            readings.push(format!(
                r#"{{"patient":"{patient}","code":"8867-4","unit":"/min","time":"{time}","value":{value}}}"#
            ));
        }
        let body =
            format!(r#"{{"batch_id":"b-{}","readings":[{}]}}"#, self.counter, readings.join(","));
        self.with_clinic(at, |clinic, now| {
            clinic.receive_batch(now, "mon", &body);
            clinic.bodies.push(body);
        });
    }

    /// A device that missed its receipt sends the batch again: the receipt is the same.
    fn repeat_batch(&mut self, at: usize) {
        let Some(clinic) = self.clinics.get_mut(at) else { return };
        let bound = clinic.bodies.len().max(1) as u64;
        let which = usize::try_from(self.dice.below(bound)).unwrap_or(0);
        let Some(body) = clinic.bodies.get(which).cloned() else { return };
        let first = clinic.receive_batch(self.now, "mon", &body);
        let second = clinic.receive_batch(self.now, "mon", &body);
        if first.is_none() || first != second {
            self.break_(12, "a repeated batch got another receipt".to_owned());
        }
    }

    fn kill(&mut self, at: usize) {
        self.figures.kills += 1;
        self.cut(at);
        self.with_clinic(at, |clinic, _| clinic.restart());
    }

    /// Whether it is the hub that is put back in this storm, or clinics. What both lost is lost.
    const fn loses_hub(&self) -> bool {
        self.seed.is_multiple_of(3)
    }

    fn back_up(&mut self, at: usize) {
        if self.loses_hub() || self.loses_all() {
            self.hub_backup = Some(self.hub.backup());
        }
        if let (Some(clinic), Some(backup)) = (self.clinics.get(at), self.backups.get_mut(at)) {
            *backup = Some(clinic.backup());
        }
    }

    /// The clinic's disk is lost and replaced by the last copy of it.
    fn restore(&mut self, at: usize) {
        let Some(Some(backup)) = self.backups.get_mut(at).map(Option::take) else { return };
        self.figures.restores += 1;
        self.cut(at);
        self.restored.insert(at);
        // The hub may have readings of a patient whose name was lost on the way.
        let (elsewhere, patients) = self.elsewhere(at);
        let (hub, known) = (&self.hub.conn, |patient| patients.contains(&patient));
        if let Some(clinic) = self.clinics.get_mut(at) {
            clinic.restore(&backup, &elsewhere, known);
            let conn = &clinic.conn;
            self.decisions.keep(clinic.site, |event| {
                [hub, conn].iter().any(|conn| consent::store::has(conn, event).unwrap_or(false))
            });
        }
        if let Some(place) = self.backups.get_mut(at) {
            *place = Some(backup);
        }
        self.note_what_is_left();
    }

    fn restore_hub(&mut self) {
        // Nobody brings a backup back twice within two seconds.
        if self.now < self.hub_restored_at + 2_000 {
            return;
        }
        let Some(backup) = self.hub_backup.take() else { return };
        self.hub_restored_at = self.now;
        self.figures.hub_restores += 1;
        (0..CLINICS).for_each(|at| self.cut(at));
        self.hub.restore(self.now, &backup);
        let conn = &self.hub.conn;
        self.decisions.hub_restored(|event| consent::store::has(conn, event).unwrap_or(false));
        self.hub_backup = Some(backup);
        self.note_what_is_left();
    }

    fn kill_hub(&mut self) {
        self.figures.kills += 1;
        (0..CLINICS).for_each(|at| self.cut(at));
    }

    fn jump_clock(&mut self, at: usize) {
        let years = i64::try_from(self.dice.below(21)).unwrap_or(0) - 10;
        self.with_clinic(at, |clinic, _| clinic.clock_off_ms = years * 365 * 86_400_000);
    }

    fn break_(&mut self, invariant: u32, what: String) {
        self.broken.push(Broken { invariant, what });
    }
}

/// What storage was asked, in the order in which the programs do it.
fn urgent_first<Op>(poll: impl FnMut() -> Option<Op>, is_urgent: impl Fn(&Op) -> bool) -> Vec<Op> {
    let mut ops: Vec<Op> = std::iter::from_fn(poll).collect();
    ops.sort_by_key(|op| !is_urgent(op));
    ops
}
