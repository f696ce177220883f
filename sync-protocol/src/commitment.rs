//! How a header binds its payload without giving it away.
//!
//! A bare hash of a short record can be guessed for ever, even after the record was erased. So the
//! hash is keyed: with 16 random bytes in front of the payload where a fact must be erasable alone,
//! or else with a key derived from the chain key. Destroying the salt or the key ends the guessing.

use crate::{ChainKey, Flags, Header};

/// Length of the salt that stands in front of a payload with [`Flags::OWN_SALT`].
pub const OWN_SALT_BYTES: usize = 16;

/// The commitment of `payload` under `header`'s position. `None` when the header says that the
/// payload begins with its own salt and it is too short to.
#[must_use]
pub fn commit(header: &Header, chain_key: &ChainKey, payload: &[u8]) -> Option<[u8; 32]> {
    if header.flags.has(Flags::OWN_SALT) {
        let (salt, content) = payload.split_first_chunk::<OWN_SALT_BYTES>()?;
        let mut key = [0; 32];
        key.first_chunk_mut::<OWN_SALT_BYTES>()?.copy_from_slice(salt);
        return Some(*blake3::keyed_hash(&key, content).as_bytes());
    }
    let mut position = [0; 32 + 8 + 4];
    position.get_mut(..32)?.copy_from_slice(&header.origin.0);
    position.get_mut(32..40)?.copy_from_slice(&header.epoch.0.to_be_bytes());
    position.get_mut(40..)?.copy_from_slice(&header.sseq.0.to_be_bytes());
    let salt = blake3::keyed_hash(&chain_key.0, &position);
    Some(*blake3::keyed_hash(salt.as_bytes(), payload).as_bytes())
}

/// Whether `payload` is what `header` commits to.
#[must_use]
pub fn holds(header: &Header, chain_key: &ChainKey, payload: &[u8]) -> bool {
    u32::try_from(payload.len()) == Ok(header.payload_len)
        && commit(header, chain_key, payload) == Some(header.commitment)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::EntryId;
    use crate::hlc::Hlc;
    use crate::{Epoch, NodeId, SeqNo, StreamId};

    const KEY: ChainKey = ChainKey([3; 32]);

    fn header(flags: Flags) -> Header {
        Header {
            origin: NodeId([1; 32]),
            epoch: Epoch(1),
            stream: StreamId { scope: 1, subject: [2; 16], compartment: 1, generation: 0 },
            sseq: SeqNo(1),
            sprev: EntryId::NONE,
            hlc: Hlc(0),
            kind: 1,
            schema: 1,
            actor: [0; 16],
            flags,
            payload_len: 0,
            commitment: [0; 32],
        }
    }

    #[test]
    fn the_same_content_at_two_places_commits_to_two_values() {
        let here = header(Flags::default());
        let other_author = Header { origin: NodeId([9; 32]), ..here };
        let other_epoch = Header { epoch: Epoch(2), ..here };
        let other_position = Header { sseq: SeqNo(2), ..here };
        let value = commit(&here, &KEY, b"content");
        for other in [other_author, other_epoch, other_position] {
            assert_ne!(commit(&other, &KEY, b"content"), value);
        }
        assert_ne!(
            commit(&here, &ChainKey([4; 32]), b"content"),
            value,
            "without the key, nothing"
        );
        assert_ne!(commit(&here, &KEY, b"Content"), value);
        assert_ne!(value, Some(*blake3::hash(b"content").as_bytes()), "never a bare hash");
    }

    #[test]
    fn a_salt_of_its_own_is_all_that_a_commitment_hangs_on() {
        let own = header(Flags::OWN_SALT);
        let value = commit(&own, &KEY, b"0123456789abcdefcontent");
        assert!(value.is_some());
        assert_eq!(commit(&own, &ChainKey([4; 32]), b"0123456789abcdefcontent"), value);
        assert_ne!(commit(&own, &KEY, b"0123456789abcdeFcontent"), value);
        assert_eq!(commit(&own, &KEY, b"0123456789abcde"), None, "shorter than its salt");
        assert!(commit(&own, &KEY, b"0123456789abcdef").is_some(), "a salt and no content");
    }

    #[test]
    fn a_payload_holds_with_its_length_and_its_value() {
        let mut header = header(Flags::default());
        header.payload_len = 7;
        header.commitment = commit(&header, &KEY, b"content").unwrap();
        assert!(holds(&header, &KEY, b"content"));
        assert!(!holds(&header, &KEY, b"conteNt"));
        assert!(!holds(&Header { payload_len: 8, ..header }, &KEY, b"content"));
        assert!(!holds(&header, &ChainKey([4; 32]), b"content"));
    }
}
