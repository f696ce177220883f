//! What is left of a chain key whose stream was erased: enough to know the chain by, too little to
//! guess a payload with.
//!
//! A commitment is a hash under a key that is derived from the chain key. With the key gone, nobody can
//! try out what a payload was. But the chain is filed under its key, and what of it comes again, from
//! an old disk or a clinic that was away, has to find its place. So the key makes room for a mark and
//! half a hash of it.

use sync_protocol::ChainKey;

/// No key begins with it but once in 2^128.
const MARK: [u8; 16] = *b"cairn: erased/1\0";

/// The mark with half a hash of `key`; a tombstone is its own.
pub(crate) fn of(key: &ChainKey) -> ChainKey {
    if is(key) {
        return *key;
    }
    let hash = blake3::keyed_hash(&key.0, &MARK);
    let mut bytes = [0; 32];
    let (mark, rest) = bytes.split_at_mut(MARK.len());
    mark.copy_from_slice(&MARK);
    rest.copy_from_slice(hash.as_bytes().first_chunk::<16>().map_or(&[0; 16], |half| half));
    ChainKey(bytes)
}

/// Whether this stands for a key that is gone.
pub(crate) fn is(key: &ChainKey) -> bool {
    key.0.starts_with(&MARK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tombstone_tells_chains_apart_and_holds_nothing_of_the_key() {
        let (one, other) = (ChainKey([1; 32]), ChainKey([2; 32]));
        assert!(!is(&one) && is(&of(&one)));
        assert_eq!(of(&of(&one)), of(&one));
        assert_ne!(of(&one), of(&other));
        assert!(!of(&one).0.windows(4).any(|bytes| bytes == [1; 4]));
    }
}
