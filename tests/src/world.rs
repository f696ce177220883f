//! A hub and clinics living through a seeded storm and the calm after it.

use std::collections::{BTreeMap, BTreeSet};

use replication::edge::EdgeDesk;
use replication::hub::HubDesk;
use store::Connection;
use sync_protocol::exchange::{EdgeExchange, EdgeOp, EdgeReply, HubExchange, HubOp};
use sync_protocol::{Class, EntryId, NodeId, StreamId};
use vocab::{Compartment, PatientId, SiteId};
use workflows::erase::{What, Whose};

use crate::clinic::{Backup, Clinic};
use crate::decisions::Decisions;
use crate::disk::{Database, DiskCopy, Medium};
use crate::faults::{Fault, Figures, Plan};
use crate::hub::BoxHub;
use crate::network::{Dice, Weather, Wire};
use hostile::Captured;

pub use still::Tapped;

mod acts;
mod deaths;
mod hostile;
mod remains;
mod still;
mod watch;

/// Milliseconds of the storm.
const STORM_MS: u64 = 60_000;

/// Milliseconds after which the calm must have brought everything where it belongs: more than the
/// longest pause before something is sent again.
const CALM_MS: u64 = 1_800_000;

/// Frames for each clinic, after which nobody expects an end any more; most storms need a few hundred.
const FRAMES_PER_CLINIC_MAX: u64 = 50_000;

/// A broken invariant, by its number in the sync design.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invariant {invariant} is broken: {what}")]
pub struct Broken {
    /// Its number.
    pub invariant: u32,
    /// What was seen.
    pub what: String,
}

/// The world.
pub struct World {
    /// What decides everything.
    pub seed: u64,
    /// The hub.
    pub hub: BoxHub,
    /// The clinics.
    pub clinics: Vec<Clinic>,
    /// What may go wrong.
    pub plan: Plan,
    wires: Vec<Option<(Wire, Wire)>>,
    redial_at: Vec<u64>,
    dice: Dice,
    weather: Weather,
    now: u64,
    /// While it lasts things go wrong.
    storms: bool,
    next_act: u64,
    counter: u64,
    /// Until when the hub's storage answers nothing.
    hub_slow_until: u64,
    captured: Captured,
    tapped: Option<Vec<Tapped>>,
    /// The highest version of each node's subscription to each stream that the hub ever said.
    versions: BTreeMap<(NodeId, StreamId), u32>,
    decisions: Decisions,
    backups: Vec<Vec<Backup>>,
    hub_backups: Vec<DiskCopy>,
    hub_restored_at: u64,
    /// Sites that a patient ever allowed something.
    pub ever_allowed: BTreeSet<(PatientId, SiteId)>,
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
    /// A world that `seed` decides, in memory.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::on(Medium::Memory, seed)
    }

    /// A world that `seed` decides, with databases of this kind.
    #[must_use]
    pub fn on(medium: Medium, seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let plan = Plan::roll(&mut dice);
        Self::with(seed, dice, plan, |number| of(medium, number))
    }

    /// The same over empty databases of the caller's, the hub's first. A disk that is put back is
    /// another one.
    #[must_use]
    pub fn over(seed: u64, database: impl Fn(usize) -> Connection) -> Self {
        let mut dice = Dice::new(seed);
        let plan = Plan::roll(&mut dice);
        Self::with(seed, dice, plan, |number| match number {
            HUB => Database::hub_over(database(HUB)),
            clinic => Database::edge_over(database(clinic)),
        })
    }

    fn with(seed: u64, mut dice: Dice, plan: Plan, database: impl Fn(usize) -> Database) -> Self {
        let mut hub = BoxHub::on(database(HUB), dice.roll());
        let clinics: Vec<Clinic> = (0..plan.clinics)
            .map(|number| {
                let byte = u8::try_from(number + 1).unwrap_or(u8::MAX);
                let site = SiteId::from_bytes([byte; 16]);
                let clinic = Clinic::on(database(number + 1), site, dice.roll(), hub.key);
                hub.enrol(clinic.site, &format!("clinic-{number}"), clinic.key);
                clinic
            })
            .collect();
        Self {
            seed,
            hub,
            plan,
            wires: clinics.iter().map(|_| None).collect(),
            redial_at: clinics.iter().map(|_| 0).collect(),
            backups: clinics.iter().map(|_| Vec::new()).collect(),
            figures: Figures { clinics: clinics.len() as u64, ..Figures::default() },
            clinics,
            dice,
            weather: plan.weather,
            now: 0,
            storms: true,
            next_act: 0,
            counter: 0,
            hub_slow_until: 0,
            captured: Captured::default(),
            tapped: None,
            versions: BTreeMap::new(),
            decisions: Decisions::default(),
            hub_backups: Vec::new(),
            hub_restored_at: 0,
            ever_allowed: BTreeSet::new(),
            erased: BTreeSet::new(),
            erased_whole: BTreeSet::new(),
            gone: None,
            left: BTreeSet::new(),
            restored: BTreeSet::new(),
            trace: blake3::Hasher::new(),
            broken: Vec::new(),
        }
    }

    /// The storm, then the calm. Answers a hash of everything that passed over the wires.
    pub fn run(&mut self) -> [u8; 32] {
        while self.now < STORM_MS && !self.is_endless() {
            self.step();
        }
        self.storms = false;
        self.lose_author();
        self.calm();
        self.figures.virtual_ms = self.now;
        self.figures.resupplied = replication::hub::resupplied(&self.hub.conn).unwrap_or(0);
        *self.trace.finalize().as_bytes()
    }

    /// An operator has everything about a patient erased, or one part; answers whether it was not
    /// refused.
    pub fn erase(&mut self, patient: PatientId, part: Option<Compartment>) -> bool {
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

    fn calm(&mut self) {
        self.weather = Weather::FAIR;
        self.hub_slow_until = 0;
        self.cut_off_liars();
        for clinic in &mut self.clinics {
            clinic.clock_off_ms = 0;
            clinic.slow_until = 0;
            clinic.flush(self.now);
            if let Some(exchange) = &mut clinic.exchange {
                exchange.local_change(self.now);
            }
        }
        let end = self.now + CALM_MS;
        while self.now < end && !self.is_idle() && !self.is_endless() {
            self.step();
        }
        if !self.is_idle() {
            let what =
                format!("the calm did not bring everything where it belongs: {}", self.waits());
            self.break_(6, what);
        }
    }

    /// Whether two sides talk without getting anywhere; they are never idle then.
    fn is_endless(&self) -> bool {
        self.figures.frames > FRAMES_PER_CLINIC_MAX * self.clinics.len() as u64
    }

    /// Who still waits for something.
    fn waits(&self) -> String {
        let mut who = Vec::new();
        for (at, clinic) in self.there() {
            let edge = clinic.exchange.as_ref();
            let hub = self.hub.exchanges.get(&clinic.key);
            if !edge.is_some_and(EdgeExchange::is_idle) {
                who.push(format!("clinic {at}"));
            }
            if edge.is_some_and(EdgeExchange::has_left_alone) {
                who.push(format!("clinic {at} for what goes before"));
            }
            if !hub.is_some_and(HubExchange::is_idle) {
                who.push(format!("the hub for clinic {at}"));
            }
        }
        who.join(", ")
    }

    fn is_idle(&self) -> bool {
        let edges = self.there().all(|(_, clinic)| {
            clinic
                .exchange
                .as_ref()
                .is_some_and(|exchange| exchange.is_idle() && !exchange.has_left_alone())
        });
        let hubs = self.there().all(|(_, clinic)| {
            let exchange = self.hub.exchanges.get(&clinic.key);
            exchange.is_some_and(HubExchange::is_idle)
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
    fn step(&mut self) {
        self.now = self.next_event();
        if self.storms && self.now >= self.next_act {
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

    fn next_event(&self) -> u64 {
        let mut next = if self.storms { self.next_act } else { self.now + 1_000 };
        let slow = self.clinics.iter().map(|clinic| clinic.slow_until).chain([self.hub_slow_until]);
        next = slow.filter(|until| *until > self.now).fold(next, u64::min);
        for (at, wires) in self.wires.iter().enumerate() {
            match wires {
                Some((up, down)) => {
                    let clinic = self.clinics.get(at);
                    let edge = clinic.and_then(|clinic| clinic.exchange.as_ref());
                    let hub = clinic.and_then(|clinic| self.hub.exchanges.get(&clinic.key));
                    let times = [
                        up.next_arrival().filter(|_| hub.is_none_or(HubExchange::takes_frames)),
                        down.next_arrival().filter(|_| edge.is_none_or(EdgeExchange::takes_frames)),
                        edge.and_then(EdgeExchange::poll_timeout),
                        hub.and_then(HubExchange::poll_timeout),
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
        if let (Some(clinic), Some(wires), Some(redial)) =
            (self.clinics.get_mut(at), self.wires.get_mut(at), self.redial_at.get_mut(at))
        {
            clinic.exchange = None;
            self.hub.exchanges.remove(&clinic.key);
            self.figures.count_many(Fault::Cut, u64::from(wires.is_some()));
            *wires = None;
            self.captured.forget_answers(at);
            *redial = self.now + 500 + self.dice.below(5_000);
        }
    }

    fn cut_all(&mut self) {
        (0..self.clinics.len()).for_each(|at| self.cut(at));
    }

    fn deliver(&mut self, at: usize) {
        let Some(Some((up, down))) = self.wires.get_mut(at) else { return };
        let Some(clinic) = self.clinics.get_mut(at) else { return };
        while let Some(exchange) = &mut clinic.exchange
            && exchange.takes_frames()
            && let Some((class, frame)) = down.receive(self.now)
        {
            exchange.receive(self.now, class, &frame);
        }
        while let Some(exchange) = self.hub.exchanges.get_mut(&clinic.key)
            && exchange.takes_frames()
            && let Some((class, frame)) = up.receive(self.now)
        {
            exchange.receive(self.now, class, &frame);
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
        while !self.is_endless() {
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
        if clinic.slow_until > self.now {
            return false;
        }
        let ops = urgent_first(|| exchange.poll_store(), EdgeDesk::is_urgent);
        let any = !ops.is_empty();
        for op in ops {
            if self.dies_here() {
                self.kill(at);
                return true;
            }
            let reply = self.perform_at_edge(at, op);
            if self.dies_here() {
                self.kill(at);
                return true;
            }
            if let Some(exchange) =
                self.clinics.get_mut(at).and_then(|clinic| clinic.exchange.as_mut())
            {
                exchange.stored(self.now, reply);
            }
        }
        any
    }

    fn perform_at_edge(&mut self, at: usize, op: EdgeOp) -> EdgeReply {
        let purged = if let EdgeOp::Purge(order) = &op { Some(order.stream) } else { None };
        let before = purged.map(|stream| self.own_in(at, &stream));
        let Some(clinic) = self.clinics.get_mut(at) else { return EdgeReply::Failed };
        let reply = clinic.perform(self.now, op);
        if let Some((stream, before)) = purged.zip(before) {
            self.check_own_stays(at, &stream, &before);
        }
        reply
    }

    fn store_at_hub(&mut self, key: NodeId) -> bool {
        let Some(exchange) = self.hub.exchanges.get_mut(&key) else { return false };
        if self.hub_slow_until > self.now {
            return false;
        }
        let ops = urgent_first(|| exchange.poll_store(), HubDesk::is_urgent);
        let any = !ops.is_empty();
        for op in ops {
            if self.dies_here() {
                self.kill_hub();
                return true;
            }
            if !self.perform_at_hub(key, op) {
                return true;
            }
        }
        any
    }

    /// Lets the hub do what it was asked; `false` when it died over it.
    fn perform_at_hub(&mut self, key: NodeId, op: HubOp) -> bool {
        let ingests = matches!(op, HubOp::Ingest(_));
        let performed = self.hub.perform(self.now, key, op);
        if ingests {
            self.note_decisions();
        }
        if self.dies_here() {
            self.kill_hub();
            return false;
        }
        self.check_reply(key, performed.reply.as_ref());
        if let (Some(reply), Some(exchange)) = (performed.reply, self.hub.exchanges.get_mut(&key)) {
            exchange.stored(self.now, reply);
        }
        for node in performed.wake {
            if let Some(exchange) = self.hub.exchanges.get_mut(&node) {
                exchange.wake();
            }
        }
        for (node, streams) in performed.brought {
            if let Some(exchange) = self.hub.exchanges.get_mut(&node) {
                exchange.brought(&streams.into_iter().collect::<Vec<_>>());
            }
        }
        true
    }

    fn transmit(&mut self, at: usize) {
        let Some(Some((up, down))) = self.wires.get_mut(at) else { return };
        let Some(clinic) = self.clinics.get_mut(at) else { return };
        let ready = |_: Class| true;
        let (mut sent, mut arriving) = (0, (0, 0));
        let mut count = |copies: u64| {
            sent += 1;
            arriving.0 += u64::from(copies == 0);
            arriving.1 += u64::from(copies == 2);
        };
        let captures = self.storms && self.plan.hostile;
        while let Some((class, frame)) =
            clinic.exchange.as_mut().and_then(|exchange| exchange.poll_transmit(ready))
        {
            self.trace.update(&frame);
            count(up.send(self.now, self.weather, &mut self.dice, class, &frame));
            if captures {
                self.captured.keep(&mut self.dice, (at, true), class, frame);
            } else if let Some(tapped) = &mut self.tapped {
                tapped.push(((at, true), class, frame));
            }
        }
        while let Some((class, frame)) =
            self.hub.exchanges.get_mut(&clinic.key).and_then(|e| e.poll_transmit(ready))
        {
            self.trace.update(&frame);
            count(down.send(self.now, self.weather, &mut self.dice, class, &frame));
            if captures {
                self.captured.keep(&mut self.dice, (at, false), class, frame);
            } else if let Some(tapped) = &mut self.tapped {
                tapped.push(((at, false), class, frame));
            }
        }
        self.figures.frames += sent;
        self.figures.count_many(Fault::Lost, arriving.0);
        self.figures.count_many(Fault::Repeated, arriving.1);
    }

    fn break_(&mut self, invariant: u32, what: String) {
        self.broken.push(Broken { invariant, what });
    }
}

/// The hub's number among the databases; the clinics' follow.
const HUB: usize = 0;

fn of(medium: Medium, number: usize) -> Database {
    match number {
        HUB => Database::hub(medium),
        _ => Database::edge(medium),
    }
}

/// What storage was asked, in the order in which the programs do it.
fn urgent_first<Op>(poll: impl FnMut() -> Option<Op>, is_urgent: impl Fn(&Op) -> bool) -> Vec<Op> {
    let mut ops: Vec<Op> = std::iter::from_fn(poll).collect();
    ops.sort_by_key(|op| !is_urgent(op));
    ops
}
