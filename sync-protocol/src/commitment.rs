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
