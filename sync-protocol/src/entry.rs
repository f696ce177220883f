//! An entry: a signed header with its payload, or with the reason why that is not there.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::names::hex;
use crate::{Header, canonical};

/// blake3 of the canonical header. The signature is not part of it: a key owner can make several
/// valid signatures over one header, and they must not make several entries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntryId(pub [u8; 32]);

impl EntryId {
    /// The predecessor of a first entry.
    pub const NONE: Self = Self([0; 32]);

    /// Names the entry with this header.
    #[must_use]
    pub fn of(header: &Header) -> Self {
        Self(*blake3::hash(&canonical::encode(header)).as_bytes())
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EntryId({})", hex(self.0.first_chunk::<4>().map_or(&[], |b| b.as_slice())))
    }
}

/// Why a payload is not with its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WithheldReason {
    /// The receiver could not read it; it waits for an operator.
    Quarantined,
    /// The author may not write into the stream.
    NoAccess,
}

/// The content of an entry. Chains and digests are over headers, so they stay whole without it.
#[derive(Clone, PartialEq, Eq)]
pub enum Payload {
    /// Here it is, its own salt in front where the header says so.
    Present(Vec<u8>),
    /// Not given out.
    Withheld(WithheldReason),
    /// Erased by order.
    Erased,
}

impl Payload {
    /// The bytes, if they are here.
    #[must_use]
    pub fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Present(bytes) => Some(bytes),
            Self::Withheld(_) | Self::Erased => None,
        }
    }
}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Present(bytes) => write!(f, "Present({} bytes)", bytes.len()),
            Self::Withheld(reason) => write!(f, "Withheld({reason:?})"),
            Self::Erased => f.write_str("Erased"),
        }
    }
}

/// A header, a signature that claims to be its author's, and a payload that claims to be its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What is signed.
    pub header: Header,
    /// ed25519 over [`SIGNING_PREFIX`](canonical::SIGNING_PREFIX) and the canonical header.
    pub signature: [u8; 64],
    /// What the header commits to.
    pub payload: Payload,
}

impl Entry {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> EntryId {
        EntryId::of(&self.header)
    }
}
