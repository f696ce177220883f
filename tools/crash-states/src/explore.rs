//! Many disks that power cuts can leave of one recording, each opened and checked.

use std::collections::BTreeMap;

use tests::network::Dice;

use crate::disk::{Disk, Rule};
use crate::plant::Plant;
use crate::promises::{Promises, Told, check};
use crate::record::{HUB, NORTH, Recording, SOUTH};
use crate::reopen::{Bench, Program, database, said};
use crate::store as questions;
use crate::trace::{Call, Event};

/// Which node loses power, doing what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Subject {
    /// A clinic that takes batches from devices.
    Ingest,
    /// A hub that applies what clinics send.
    ApplyHub,
    /// A clinic that applies what the hub sends.
    ApplyEdge,
}

impl Subject {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Ingest, Self::ApplyHub, Self::ApplyEdge];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::ApplyHub => "apply-hub",
            Self::ApplyEdge => "apply-edge",
        }
    }

    const fn node(self) -> (&'static str, Program) {
        match self {
            Self::Ingest => (NORTH, Program::Edge),
            Self::ApplyHub => (HUB, Program::Hub),
            Self::ApplyEdge => (SOUTH, Program::Edge),
        }
    }

    fn events(self, recording: &Recording) -> &[Event] {
        match self {
            Self::Ingest => &recording.north,
            Self::ApplyHub => &recording.hub,
            Self::ApplyEdge => &recording.south,
        }
    }
}

/// What to look at.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How many states.
    pub states: u64,
    /// Decides which.
    pub seed: u64,
    /// One of them only, by its number.
    pub only: Option<u64>,
    /// A break to be found.
    pub plant: Option<Plant>,
}

/// A state in which something is not as promised.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Number of the state.
    pub state: u64,
    /// Number of the call before which the power was cut.
    pub cut: usize,
    /// When names are on the disk.
    pub rule: Rule,
    /// What is wrong.
    pub what: String,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Findings {
    /// States that were opened.
    pub states: u64,
    /// Places at which the power was cut.
    pub cuts: usize,
    /// Receipts in the whole recording.
    pub receipts: usize,
    /// States that do not keep a promise, in order.
    pub violations: Vec<Violation>,
}

/// Looks at states of `subject`, by both rules at the same time.
///
/// # Panics
///
/// When states cannot be laid out.
#[must_use]
pub fn explore(recording: &Recording, subject: Subject, plan: &Plan) -> Findings {
    let whole = subject.events(recording);
    let root = &recording.root;
    let events =
        plan.plant.map_or_else(|| whole.to_vec(), |plant| plant.without_syncs(whole, root));
    let promises = Promises::of(&events, root, plan.plant);
    let cuts = cuts(whole, root);
    let mut by_cut: BTreeMap<(usize, u64), (Rule, Dice)> = BTreeMap::new();
    for state in (0..plan.states).filter(|state| plan.only.is_none_or(|only| only == *state)) {
        let mut dice = Dice::new(Dice::new(plan.seed).roll() ^ Dice::new(state).roll());
        let at = usize::try_from(dice.below(cuts.len() as u64)).unwrap_or_default();
        let rule = if state.is_multiple_of(2) { Rule::Strict } else { Rule::Ordered };
        by_cut.insert((cuts.get(at).copied().unwrap_or_default(), state), (rule, dice));
    }
    let states = by_cut.len() as u64;
    let mut violations: Vec<Violation> = std::thread::scope(|scope| {
        let halves = [Rule::Strict, Rule::Ordered].map(|rule| {
            let all = by_cut.iter();
            let own: Vec<_> = all
                .filter(|(_, (of, _))| *of == rule)
                .map(|((cut, state), (_, dice))| (*cut, *state, dice.clone()))
                .collect();
            let walk =
                Walk { recording, subject, plan, rule, events: &events, promises: &promises };
            scope.spawn(move || walk.run(own))
        });
        halves.into_iter().flat_map(|half| half.join().expect("a walk")).collect()
    });
    violations.sort_by_key(|violation| violation.state);
    Findings { states, cuts: cuts.len(), receipts: promises.receipts(), violations }
}

/// Before each call that touches the disk, and at the end.
fn cuts(events: &[Event], root: &str) -> Vec<usize> {
    let touches = |call: &Call| match call {
        Call::Write { path, bytes, .. } => {
            path.starts_with(root) || bytes.starts_with(b"HTTP/1.1 200")
        }
        Call::Open { path, creates, empties, .. } => {
            path.starts_with(root) && (*creates || *empties)
        }
        Call::Truncate { path, .. }
        | Call::Sync { path, .. }
        | Call::FailedSync { path, .. }
        | Call::Unlink { path }
        | Call::MakeFolder { path }
        | Call::Link { to: path, .. }
        | Call::Rename { to: path, .. } => path.starts_with(root),
        Call::Nothing => false,
    };
    let all = events.iter().enumerate().filter(|(_, event)| touches(&event.call));
    // After it, so that an answer that was given is among what was promised.
    all.map(|(at, _)| at + 1).collect()
}

struct Walk<'a> {
    recording: &'a Recording,
    subject: Subject,
    plan: &'a Plan,
    rule: Rule,
    events: &'a [Event],
    promises: &'a Promises,
}

impl Walk<'_> {
    /// `states` are in the order of their cuts.
    fn run(&self, states: Vec<(usize, u64, Dice)>) -> Vec<Violation> {
        let (name, program) = self.subject.node();
        let root = &self.recording.root;
        let bench = Bench::new();
        let mut disk = Disk::new(self.rule, root);
        let mut applied = 0;
        let mut others = self.others();
        let mut violations = Vec::new();
        for (cut, state, mut dice) in states {
            for event in self.events.get(applied..cut).unwrap_or_default() {
                disk.apply(&event.call);
            }
            applied = cut;
            let image = disk.crash(&mut dice);
            let folder = bench.lay_out(&image, root, name);
            let early = self.plan.plant.map_or(0, Plant::early_micros);
            let now = self.events.get(cut.saturating_sub(1)).map_or(0, |event| event.answered);
            let mut told = Told::default();
            for other in &mut others {
                other.look(&bench, root, now + early, &mut told);
            }
            if let Err(what) = check(&bench, program, &folder, self.promises, cut, &told) {
                violations.push(Violation { state, cut, rule: self.rule, what });
            }
        }
        violations
    }

    fn others(&self) -> Vec<Other<'_>> {
        let other = |name, events| Other {
            name,
            events,
            next: 0,
            disk: Disk::new(Rule::Ordered, &self.recording.root),
            told: Told::default(),
            is_stale: true,
        };
        match self.subject {
            Subject::Ingest => Vec::new(),
            Subject::ApplyHub => vec![
                other(NORTH, self.recording.north.as_slice()),
                other(SOUTH, self.recording.south.as_slice()),
            ],
            Subject::ApplyEdge => vec![other(HUB, self.recording.hub.as_slice())],
        }
    }
}

/// A node that keeps its power, and what it had been told.
struct Other<'a> {
    name: &'static str,
    events: &'a [Event],
    next: usize,
    disk: Disk,
    told: Told,
    is_stale: bool,
}

impl Other<'_> {
    /// Adds what it knew at `now`, microseconds since 1970.
    fn look(&mut self, bench: &Bench, root: &str, now: u64, told: &mut Told) {
        while let Some(event) = self.events.get(self.next).filter(|event| event.asked <= now) {
            self.disk.apply(&event.call);
            self.is_stale |=
                matches!(&event.call, Call::Write { path, .. } if path.ends_with("-wal"));
            self.next += 1;
        }
        if std::mem::take(&mut self.is_stale) {
            let folder = bench.lay_out(&self.disk.as_seen(), root, self.name);
            // Before its database is complete it knows nothing.
            self.told = self.read(&folder).unwrap_or_default();
        }
        told.entries.extend(self.told.entries.iter().copied());
        told.held.extend(self.told.held.clone());
        told.gone.extend(self.told.gone.clone());
    }

    fn read(&self, folder: &std::path::Path) -> Result<Told, String> {
        if !folder.join("data.db").exists() {
            return Err("it has no database yet".to_owned());
        }
        let conn = database(folder)?;
        let asked = match self.name {
            HUB => questions::told(&conn, SOUTH).map(|(held, gone)| Told {
                held,
                gone,
                ..Told::default()
            }),
            NORTH => {
                questions::acknowledged(&conn).map(|entries| Told { entries, ..Told::default() })
            }
            _ => questions::entries(&conn).map(|entries| Told { entries, ..Told::default() }),
        };
        asked.map_err(|error| said(&error))
    }
}
