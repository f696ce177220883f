//! What goes wrong in a storm: which kinds a seed lets happen, and how often each did.

use std::collections::BTreeMap;

use crate::network::{Dice, Weather};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// A frame did not arrive.
    Lost,
    /// A frame arrived twice.
    Repeated,
    /// A connection was cut.
    Cut,
    /// A clinic's process was killed between two things it did.
    ClinicKilled,
    /// The hub's process was killed between two things it did.
    HubKilled,
    /// A process was killed after storage was asked and before it answered, or before its answer was
    /// heard.
    KilledAtStorage,
    /// A clinic's storage took its time.
    ClinicSlow,
    /// The hub's storage took its time.
    HubSlow,
    /// A clinic's wall clock jumped by up to ten years.
    ClockJumped,
    /// A clinic's disk was put back from an older copy.
    ClinicRestored,
    /// The hub's database was brought back from a backup.
    HubRestored,
    /// A clinic's machine was lost for good.
    ClinicGone,
    /// Bytes that mean nothing arrived.
    NoFrame,
    /// A frame arrived cut short.
    Truncated,
    /// A frame of this conversation or an older one arrived again.
    Replayed,
    /// A frame arrived on the lane of another class.
    WrongLane,
    /// A frame of another clinic's conversation arrived.
    Foreign,
    /// A message had something behind its last field.
    Trailing,
    /// A message of a type that this version does not know arrived.
    UnknownMessage,
    /// An entry of a kind that this version does not know was written.
    UnknownKind,
    /// An entry with a signature that only a check of many at once takes was offered.
    MixedSignature,
}

impl Fault {
    /// The word for lists.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Repeated => "repeated",
            Self::Cut => "cut",
            Self::ClinicKilled => "clinic_killed",
            Self::HubKilled => "hub_killed",
            Self::KilledAtStorage => "killed_at_storage",
            Self::ClinicSlow => "clinic_slow",
            Self::HubSlow => "hub_slow",
            Self::ClockJumped => "clock_jumped",
            Self::ClinicRestored => "clinic_restored",
            Self::HubRestored => "hub_restored",
            Self::ClinicGone => "clinic_gone",
            Self::NoFrame => "no_frame",
            Self::Truncated => "truncated",
            Self::Replayed => "replayed",
            Self::WrongLane => "wrong_lane",
            Self::Foreign => "foreign",
            Self::Trailing => "trailing",
            Self::UnknownMessage => "unknown_message",
            Self::UnknownKind => "unknown_kind",
            Self::MixedSignature => "mixed_signature",
        }
    }
}

/// What happened, in figures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Clinics that took part.
    pub clinics: u64,
    /// Frames put on their way.
    pub frames: u64,
    /// Entries that hubs have in the end from others than their authors.
    pub resupplied: u64,
    /// Virtual milliseconds.
    pub virtual_ms: u64,
    /// Faults by their kind.
    pub faults: BTreeMap<Fault, u64>,
}

impl Figures {
    /// Adds those of another world.
    pub fn add(&mut self, other: &Self) {
        self.clinics += other.clinics;
        self.frames += other.frames;
        self.resupplied += other.resupplied;
        self.virtual_ms += other.virtual_ms;
        for (fault, times) in &other.faults {
            *self.faults.entry(*fault).or_default() += times;
        }
    }

    /// How often it happened.
    #[must_use]
    pub fn times(&self, fault: Fault) -> u64 {
        self.faults.get(&fault).copied().unwrap_or_default()
    }

    pub(crate) fn count(&mut self, fault: Fault) {
        self.count_many(fault, 1);
    }

    pub(crate) fn count_many(&mut self, fault: Fault, times: u64) {
        if times > 0 {
            *self.faults.entry(fault).or_default() += times;
        }
    }
}

/// What may go wrong in one storm. Not everything in each: a fault that is always there hides others.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How many clinics: mostly three, in some storms up to [`CLINICS_MAX`](Self::CLINICS_MAX).
    pub clinics: usize,
    /// What the network does.
    pub weather: Weather,
    /// Storage takes its time now and then.
    pub slow: bool,
    /// Processes are killed while they talk to storage.
    pub kills_at_storage: bool,
    /// Somebody sends what no honest peer sends.
    pub hostile: bool,
    /// Some clinics run a newer version.
    pub newer: bool,
    /// Clinics' disks are put back.
    pub loses_clinics: bool,
    /// The hub's database is put back.
    pub loses_hub: bool,
    /// After the storm the hub is put back once more, and one clinic never comes back.
    pub loses_author: bool,
    /// Patients and parts of their records are erased.
    pub erases: bool,
}

impl Plan {
    /// The most clinics of a storm.
    pub const CLINICS_MAX: u64 = 50;

    /// Nothing goes wrong.
    pub(crate) const STILL: Self = Self {
        clinics: 1,
        weather: Weather::FAIR,
        slow: false,
        kills_at_storage: false,
        hostile: false,
        newer: false,
        loses_clinics: false,
        loses_hub: false,
        loses_author: false,
        erases: false,
    };

    /// What `dice` decide.
    pub(crate) fn roll(dice: &mut Dice) -> Self {
        let clinics = match dice.below(100) {
            0..=79 => 3,
            80..=91 => 2 + dice.below(5),
            92..=97 => 7 + dice.below(9),
            _ => 16 + dice.below(Self::CLINICS_MAX - 15),
        };
        let weather = Weather {
            loss: dice.below(31),
            repeat: dice.below(21),
            delay_ms_max: 1 + dice.below(800),
        };
        let (loses_clinics, loses_hub) = match dice.below(3) {
            0 => (true, false),
            1 => (false, true),
            _ => (true, true),
        };
        Self {
            clinics: usize::try_from(clinics).unwrap_or(3),
            weather,
            slow: dice.percent(50),
            kills_at_storage: dice.percent(50),
            hostile: dice.percent(40),
            newer: dice.percent(50),
            loses_clinics,
            loses_hub,
            loses_author: loses_hub && dice.percent(20),
            erases: false,
        }
    }
}
