//! What an author signs about an entry.

use crate::entry::EntryId;
use crate::hlc::Hlc;
use crate::{Epoch, NodeId, SeqNo, StreamId};

/// Bits of a header. Unknown bits are kept as they are: a newer author may have set them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Flags(pub u16);

impl Flags {
    /// The first 16 bytes of the payload are its own salt, so that it can be erased alone.
    pub const OWN_SALT: Self = Self(1);
    /// The author's clock was confirmed by a peer within a day.
    pub const CLOCK_SYNCED: Self = Self(1 << 1);
    /// Somebody must see this now.
    pub const URGENT: Self = Self(1 << 2);

    /// Whether all bits of `other` are set.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The bits of both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// The signed part of an entry; [`canonical`](crate::canonical) gives its 163 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Whose chain this is; the key that signs.
    pub origin: NodeId,
    /// The author's process start under which it was written.
    pub epoch: Epoch,
    /// The stream it belongs to.
    pub stream: StreamId,
    /// Position in the author's chain of that stream.
    pub sseq: SeqNo,
    /// The author's previous entry in the stream; [`EntryId::NONE`] for the first.
    pub sprev: EntryId,
    /// When, as the author's hybrid clock had it.
    pub hlc: Hlc,
    /// What the payload is; opaque here.
    pub kind: u16,
    /// Version of that kind's form; opaque here.
    pub schema: u16,
    /// The person who acted, zero where none did; opaque here.
    pub actor: [u8; 16],
    /// See [`Flags`].
    pub flags: Flags,
    /// Length of the payload in bytes, its own salt included.
    pub payload_len: u32,
    /// See [`commitment`](crate::commitment).
    pub commitment: [u8; 32],
}
