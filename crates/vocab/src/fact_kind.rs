//! What an entry's payload is. The sync protocol carries the number and does not look inside.

/// The kind of a payload, by its number on the wire. Numbers are only ever added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u16)]
pub enum FactKind {
    /// Readings of one device for one patient, sealed in columns.
    Segment = 1,
    /// Alerts raised by one batch for one patient.
    Alerts = 2,
    /// Changes of one automerge document.
    DocumentChange = 3,
    /// A consent grant.
    ConsentGrant = 4,
    /// A consent revocation.
    ConsentRevoke = 5,
    /// A site with its keys, signed by the hub.
    NodeCertificate = 6,
    /// An order of the hub to erase.
    EraseOrder = 7,
    /// What a node signed when it had carried one out.
    EraseReceipt = 8,
    /// A record was opened in an emergency.
    EmergencyAccess = 9,
}

impl FactKind {
    /// Every kind this version understands.
    pub const ALL: [Self; 9] = [
        Self::Segment,
        Self::Alerts,
        Self::DocumentChange,
        Self::ConsentGrant,
        Self::ConsentRevoke,
        Self::NodeCertificate,
        Self::EraseOrder,
        Self::EraseReceipt,
        Self::EmergencyAccess,
    ];

    /// The number on the wire.
    #[must_use]
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The word for lists.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Segment => "readings",
            Self::Alerts => "alerts",
            Self::DocumentChange => "record change",
            Self::ConsentGrant => "consent grant",
            Self::ConsentRevoke => "consent revocation",
            Self::NodeCertificate => "node certificate",
            Self::EraseOrder => "order to erase",
            Self::EraseReceipt => "receipt of an erasure",
            Self::EmergencyAccess => "emergency access",
        }
    }

    /// The kind with this number; `None` for one that a newer version wrote.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.number() == number)
    }
}
