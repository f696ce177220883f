//! The outside of an automerge chunk: magic, checksum, type, length.
//!
//! Of the four chunk types only a plain change (1) is let through. Documents (0) and compressed
//! changes (2) can inflate without a limit inside automerge, and bundles (3) are never sent.
//!
//! Source: automerge storage format, "Chunks"; <https://automerge.org/automerge-binary-format-spec>.

use sha2::{Digest as _, Sha256};

use crate::reader::Reader;
use crate::{ChangeId, Refused};

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const CHANGE: u8 = 1;

/// Checks that `bytes` are exactly one intact, plain change chunk; gives its id and its inside.
pub(crate) fn open(bytes: &[u8]) -> Result<(ChangeId, &[u8]), Refused> {
    let mut reader = Reader::new(bytes);
    if reader.array()? != MAGIC {
        return Err(Refused::Malformed("it is no automerge chunk"));
    }
    let checksum: [u8; 4] = reader.array()?;
    let start_of_hash = reader.rest();
    match reader.byte()? {
        CHANGE => {}
        0 => return Err(Refused::ForbiddenForm("a whole document")),
        2 => return Err(Refused::ForbiddenForm("a compressed change")),
        3 => return Err(Refused::ForbiddenForm("a bundle")),
        _ => return Err(Refused::Malformed("its chunk type is unknown")),
    }
    let length = reader.unsigned()?;
    let body = reader.bytes(length)?;
    if !reader.is_empty() {
        return Err(Refused::Malformed("bytes follow the change"));
    }
    // The hash covers type, length and body, which is everything after the checksum.
    let hash: [u8; 32] = Sha256::digest(start_of_hash).into();
    if hash.first_chunk::<4>() != Some(&checksum) {
        return Err(Refused::Malformed("its checksum does not match"));
    }
    Ok((ChangeId::from_bytes(hash), body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(kind: u8, body: &[u8]) -> Vec<u8> {
        let mut hashed = vec![kind, u8::try_from(body.len()).unwrap()];
        hashed.extend_from_slice(body);
        let hash: [u8; 32] = Sha256::digest(&hashed).into();
        [&MAGIC[..], &hash[..4], &hashed].concat()
    }

    #[test]
    fn only_one_intact_plain_change_is_let_through() {
        check(&build(1, b"inside"), Ok(&b"inside"[..]));
        check(&build(0, b"inside"), Err(Refused::ForbiddenForm("a whole document")));
        check(&build(2, b"inside"), Err(Refused::ForbiddenForm("a compressed change")));
        check(&build(3, b"inside"), Err(Refused::ForbiddenForm("a bundle")));
        check(&build(4, b"inside"), Err(Refused::Malformed("its chunk type is unknown")));
        let twice = build(1, b"inside").repeat(2);
        check(&twice, Err(Refused::Malformed("bytes follow the change")));
        check(b"", Err(Refused::Malformed("it ends too early")));
    }

    #[track_caller]
    fn check(bytes: &[u8], expected: Result<&[u8], Refused>) {
        assert_eq!(open(bytes).map(|(_, body)| body), expected);
    }

    #[test]
    fn any_flipped_bit_is_noticed() {
        let good = build(1, b"inside");
        for at in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[at / 8] ^= 1 << (at % 8);
            assert!(open(&bad).is_err(), "bit {at}");
        }
    }
}
