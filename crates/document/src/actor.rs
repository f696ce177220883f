//! Who wrote a change, and what the change is called.

use std::fmt;

/// The sixteen bytes that automerge knows an author by.
///
/// Fresh for every start of every node: the first 16 bytes of `blake3("actor", node key, epoch)`,
/// computed by the caller. A restored backup or a cloned disk therefore never continues an actor
/// that another copy continues too, which would split the document for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActorSeed([u8; Self::BYTES]);

impl ActorSeed {
    /// Length of an actor id.
    pub const BYTES: usize = 16;

    /// Takes bytes derived elsewhere.
    #[must_use]
    pub const fn new(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(self) -> [u8; Self::BYTES] {
        self.0
    }

    pub(crate) fn to_automerge(self) -> automerge::ActorId {
        automerge::ActorId::from(self.0)
    }

    /// `None` for an actor that did not come through the gate.
    pub(crate) fn from_automerge(actor: &automerge::ActorId) -> Option<Self> {
        actor.to_bytes().try_into().ok().map(Self)
    }
}

/// The name of one change: the SHA-256 that automerge gives it. Other changes refer to it by this.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChangeId([u8; Self::BYTES]);

impl ChangeId {
    /// Length of a change id.
    pub const BYTES: usize = 32;

    /// Takes bytes written by [`bytes`](Self::bytes).
    #[must_use]
    pub const fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(self) -> [u8; Self::BYTES] {
        self.0
    }

    pub(crate) fn to_automerge(self) -> automerge::ChangeHash {
        automerge::ChangeHash(self.0)
    }
}

impl fmt::Debug for ChangeId {
    /// The first four bytes in hex: enough to find it, short enough for a log line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChangeId(")?;
        for byte in self.0.iter().take(4) {
            write!(f, "{byte:02x}")?;
        }
        f.write_str(")")
    }
}
