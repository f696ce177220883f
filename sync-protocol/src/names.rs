//! What replicas call nodes, streams, epochs and positions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A node's ed25519 verification key: its name in every header it signs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NodeId(pub [u8; 32]);

impl NodeId {
    /// The first eight hex digits, for logs and lists.
    #[must_use]
    pub fn short(&self) -> String {
        hex(self.0.first_chunk::<4>().map_or(&[], |bytes| bytes.as_slice()))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({})", self.short())
    }
}

/// All entries about one subject and compartment, from every author.
///
/// Opaque here: `scope`, `compartment` and `subject` mean something only to the layer above.
/// `generation` rises when a stream is started anew, for erasure or to shrink its history.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StreamId {
    /// Which family of streams.
    pub scope: u8,
    /// What the stream is about.
    pub subject: [u8; 16],
    /// Which part of it.
    pub compartment: u8,
    /// How often the stream was started anew.
    pub generation: u16,
}

impl StreamId {
    /// Length of [`bytes`](Self::bytes).
    pub const BYTES: usize = 20;

    /// `scope | subject | compartment | generation`, big-endian: the form in headers and tables.
    #[must_use]
    pub fn bytes(&self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        let [scope, rest @ ..] = &mut out;
        *scope = self.scope;
        if let Some((subject, rest)) = rest.split_first_chunk_mut::<16>() {
            *subject = self.subject;
            if let [compartment, generation @ ..] = rest {
                *compartment = self.compartment;
                generation.copy_from_slice(&self.generation.to_be_bytes());
            }
        }
        out
    }

    /// Reads what [`bytes`](Self::bytes) wrote.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let [
            scope,
            s0,
            s1,
            s2,
            s3,
            s4,
            s5,
            s6,
            s7,
            s8,
            s9,
            s10,
            s11,
            s12,
            s13,
            s14,
            s15,
            rest @ ..,
        ] = *bytes;
        let [compartment, high, low] = rest;
        Self {
            scope,
            subject: [s0, s1, s2, s3, s4, s5, s6, s7, s8, s9, s10, s11, s12, s13, s14, s15],
            compartment,
            generation: u16::from_be_bytes([high, low]),
        }
    }
}

impl fmt::Debug for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}.{}", self.scope, hex(&self.subject), self.compartment, self.generation)
    }
}

/// 64 random bits drawn at every process start, before the first write.
///
/// A restored backup or a cloned disk always implies a start, so two runs of one identity never
/// write under the same epoch; the same (author, epoch, position) with two contents is an alarm.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Epoch(pub u64);

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A position within one author's chain of a stream; the first entry has 1.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct SeqNo(pub u32);

impl SeqNo {
    /// The position after this one; `None` at the end of the range.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

/// 32 random bytes per author and stream. They salt the commitments of payloads that carry no salt
/// of their own; whoever may read the chain gets them, and destroying them everywhere erases it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChainKey(pub [u8; 32]);

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChainKey([redacted])")
    }
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_stream_id_survives_its_bytes(bytes in any::<[u8; 20]>()) {
            prop_assert_eq!(StreamId::from_bytes(&bytes).bytes(), bytes);
        }
    }

    #[test]
    fn the_bytes_of_a_stream_id_stand_in_the_documented_order() {
        let id = StreamId { scope: 1, subject: [7; 16], compartment: 3, generation: 0x0102 };
        let mut expected = vec![1];
        expected.extend([7; 16]);
        expected.extend([3, 1, 2]);
        assert_eq!(id.bytes().to_vec(), expected);
    }
}
