//! Seven classes of traffic, so that what is urgent never waits behind what is long.

use serde::{Deserialize, Serialize};

/// A class of the scheduler; lower numbers go first. A stream belongs to exactly one class, so
/// overtaking never breaks a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Class {
    /// Conversation control and acknowledgements.
    Control = 0,
    /// What a person must see now.
    Urgent = 1,
    /// Policy, permissions and their withdrawal.
    Policy = 2,
    /// Records.
    Records = 3,
    /// Fresh bulk data.
    Fresh = 4,
    /// Backfill of whole streams and reconciliation.
    Backfill = 5,
    /// Attachments.
    Blobs = 6,
}

impl Class {
    /// How many classes there are.
    pub const COUNT: usize = 7;

    /// Every class, most urgent first.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Control,
        Self::Urgent,
        Self::Policy,
        Self::Records,
        Self::Fresh,
        Self::Backfill,
        Self::Blobs,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The class with this number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }

    /// Position in tables of [`COUNT`](Self::COUNT) rows.
    #[must_use]
    pub const fn index(self) -> usize {
        self as usize
    }
}
