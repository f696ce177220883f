//! The one byte form of a header: what is hashed to name an entry, and signed.
//!
//! | field | bytes |
//! |---|---|
//! | format version, 1 | 1 |
//! | origin | 32 |
//! | epoch | 8 |
//! | stream id | 20 |
//! | sseq | 4 |
//! | sprev | 32 |
//! | hlc | 8 |
//! | kind, schema | 2 + 2 |
//! | actor | 16 |
//! | flags | 2 |
//! | payload length | 4 |
//! | commitment | 32 |
//!
//! Numbers are big-endian. Every header has exactly one form and every accepted form one header.

use crate::entry::EntryId;
use crate::hlc::Hlc;
use crate::{Epoch, Flags, Header, NodeId, SeqNo, StreamId};

/// Length of a canonical header.
pub const HEADER_BYTES: usize = 163;

/// What stands in front of the canonical header when it is signed, so that no signature made for
/// another purpose can be taken for one over an entry.
pub const SIGNING_PREFIX: &[u8; 8] = b"entry/1\0";

const VERSION: u8 = 1;

const _: () =
    assert!(1 + 32 + 8 + StreamId::BYTES + 4 + 32 + 8 + 2 + 2 + 16 + 2 + 4 + 32 == HEADER_BYTES);

/// Why bytes are no header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// Not [`HEADER_BYTES`] long.
    #[error("a header has {HEADER_BYTES} bytes")]
    Length,
    /// A format version this program does not know.
    #[error("unknown header version {0}")]
    Version(u8),
    /// Position 0, a first entry with a predecessor, or a later one without.
    #[error("the position and the link of the header contradict each other")]
    Link,
}

/// The canonical bytes of `header`.
#[must_use]
pub fn encode(header: &Header) -> [u8; HEADER_BYTES] {
    let mut out = [0; HEADER_BYTES];
    let mut rest = out.as_mut_slice();
    put(&mut rest, &[VERSION]);
    put(&mut rest, &header.origin.0);
    put(&mut rest, &header.epoch.0.to_be_bytes());
    put(&mut rest, &header.stream.bytes());
    put(&mut rest, &header.sseq.0.to_be_bytes());
    put(&mut rest, &header.sprev.0);
    put(&mut rest, &header.hlc.0.to_be_bytes());
    put(&mut rest, &header.kind.to_be_bytes());
    put(&mut rest, &header.schema.to_be_bytes());
    put(&mut rest, &header.actor);
    put(&mut rest, &header.flags.0.to_be_bytes());
    put(&mut rest, &header.payload_len.to_be_bytes());
    put(&mut rest, &header.commitment);
    debug_assert!(rest.is_empty(), "the fields fill the header");
    out
}

fn put(rest: &mut &mut [u8], bytes: &[u8]) {
    if let Some((here, after)) = std::mem::take(rest).split_at_mut_checked(bytes.len()) {
        here.copy_from_slice(bytes);
        *rest = after;
    }
}

/// Reads canonical bytes back.
///
/// # Errors
///
/// [`HeaderError`] for anything [`encode`] would not write.
pub fn decode(bytes: &[u8]) -> Result<Header, HeaderError> {
    if bytes.len() != HEADER_BYTES {
        return Err(HeaderError::Length);
    }
    let mut rest = bytes;
    let [version] = take(&mut rest)?;
    if version != VERSION {
        return Err(HeaderError::Version(version));
    }
    let header = Header {
        origin: NodeId(take(&mut rest)?),
        epoch: Epoch(u64::from_be_bytes(take(&mut rest)?)),
        stream: StreamId::from_bytes(&take(&mut rest)?),
        sseq: SeqNo(u32::from_be_bytes(take(&mut rest)?)),
        sprev: EntryId(take(&mut rest)?),
        hlc: Hlc(u64::from_be_bytes(take(&mut rest)?)),
        kind: u16::from_be_bytes(take(&mut rest)?),
        schema: u16::from_be_bytes(take(&mut rest)?),
        actor: take(&mut rest)?,
        flags: Flags(u16::from_be_bytes(take(&mut rest)?)),
        payload_len: u32::from_be_bytes(take(&mut rest)?),
        commitment: take(&mut rest)?,
    };
    check_link(&header)?;
    Ok(header)
}

/// The epoch that bytes name at a header's place for it, whatever else is wrong with them: enough to
/// tell a sender which of its entries is refused.
pub(crate) fn claimed_epoch(bytes: &[u8]) -> Option<Epoch> {
    let (_, rest) = bytes.split_at_checked(1 + 32)?;
    rest.first_chunk().map(|epoch| Epoch(u64::from_be_bytes(*epoch)))
}

/// A first entry has no predecessor, every other one has.
pub(crate) fn check_link(header: &Header) -> Result<(), HeaderError> {
    let first = header.sseq == SeqNo(1);
    if header.sseq == SeqNo(0) || first != (header.sprev == EntryId::NONE) {
        return Err(HeaderError::Link);
    }
    Ok(())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], HeaderError> {
    let (here, after) = rest.split_first_chunk::<N>().ok_or(HeaderError::Length)?;
    *rest = after;
    Ok(*here)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn bytes_that_decode_encode_to_themselves(mut bytes in proptest::collection::vec(any::<u8>(), HEADER_BYTES)) {
            bytes[0] = VERSION;
            if let Ok(header) = decode(&bytes) {
                prop_assert_eq!(encode(&header).to_vec(), bytes);
            }
        }

        #[test]
        fn any_other_length_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if bytes.len() != HEADER_BYTES {
                prop_assert_eq!(decode(&bytes), Err(HeaderError::Length));
            }
        }
    }

    #[test]
    fn a_position_and_its_link_agree() {
        let mut bytes = [0; HEADER_BYTES];
        bytes[0] = VERSION;
        assert_eq!(decode(&bytes), Err(HeaderError::Link), "position 0");
        bytes[64] = 1;
        assert!(decode(&bytes).is_ok(), "first entry, no predecessor");
        bytes[65] = 1;
        assert_eq!(decode(&bytes), Err(HeaderError::Link), "first entry with a predecessor");
        bytes[64] = 2;
        assert!(decode(&bytes).is_ok(), "second entry with a predecessor");
        bytes[0] = 2;
        assert_eq!(decode(&bytes), Err(HeaderError::Version(2)));
    }
}
