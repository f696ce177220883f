//! The checksum that every batch carries: `Content-Digest` of RFC 9530 over the bytes of the body.
//!
//! It finds damage on the way. It is no proof of who sent the batch; the device's key is.

use sfv::{BareItem, Dictionary, ListEntry, Parser};
use sha2::{Digest as _, Sha256};

/// Longest header that is looked at. A sha-256 member has 57 characters, a sha-512 member 101.
const HEADER_BYTES_MAX: usize = 512;

/// SHA-256 of a batch's body, computed here and equal to what the device computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyDigest([u8; 32]);

/// Why a body does not count as undamaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChecksumError {
    /// No header came with the body.
    #[error("the Content-Digest header is missing")]
    Missing,
    /// The header is no dictionary of byte sequences, or its sha-256 has another length.
    #[error("the Content-Digest header is not written as in RFC 9530")]
    Malformed,
    /// There are other digests only.
    #[error("the Content-Digest header has no sha-256")]
    NoSha256,
    /// The body is not what the device computed the digest of.
    #[error("the body does not have the digest that came with it")]
    Mismatch,
}

impl BodyDigest {
    /// Checks a body against its header.
    ///
    /// # Errors
    ///
    /// As [`ChecksumError`]; nothing of such a body may be used.
    pub fn verify(body: &[u8], header: Option<&str>) -> Result<Self, ChecksumError> {
        let sent = sent_sha256(header.ok_or(ChecksumError::Missing)?)?;
        let computed = Self::of(body);
        // Both sides are known to the sender, so there is no secret to compare in constant time.
        if computed.0 == sent { Ok(computed) } else { Err(ChecksumError::Mismatch) }
    }

    /// The digest of a body.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self(Sha256::digest(body).into())
    }

    /// The digest as it stands in tables.
    #[must_use]
    pub const fn bytes(self) -> [u8; 32] {
        self.0
    }

    /// Reads what [`bytes`](Self::bytes) gave.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

fn sent_sha256(header: &str) -> Result<[u8; 32], ChecksumError> {
    if header.len() > HEADER_BYTES_MAX {
        return Err(ChecksumError::Malformed);
    }
    let members: Dictionary = Parser::new(header).parse().map_err(|_| ChecksumError::Malformed)?;
    let Some(member) = members.get("sha-256") else { return Err(ChecksumError::NoSha256) };
    let ListEntry::Item(item) = member else { return Err(ChecksumError::Malformed) };
    let BareItem::ByteSequence(bytes) = &item.bare_item else {
        return Err(ChecksumError::Malformed);
    };
    bytes.as_slice().try_into().map_err(|_| ChecksumError::Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The example of RFC 9530, appendix B.1: `{"hello": "world"}` and a line feed.
    const BODY: &[u8] = b"{\"hello\": \"world\"}\n";
    const DIGEST: &str = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:";

    #[test]
    fn the_example_of_the_standard_holds() {
        check(Some(DIGEST), Ok(()));
    }

    #[test]
    fn other_digests_may_stand_beside_it() {
        check(Some(&format!("md5=:AAAA:, {DIGEST}")), Ok(()));
        check(Some(&format!("{DIGEST};a=1, unixsum=:AA==:")), Ok(()));
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        check(None, Err(ChecksumError::Missing));
        check(Some(""), Err(ChecksumError::NoSha256));
        check(Some("sha-512=:AAAA:"), Err(ChecksumError::NoSha256));
        check(Some("SHA-256=:AAAA:"), Err(ChecksumError::Malformed));
        check(Some("sha-256"), Err(ChecksumError::Malformed));
        check(Some("sha-256=:AAAA:"), Err(ChecksumError::Malformed));
        check(Some("sha-256=\"AAAA\""), Err(ChecksumError::Malformed));
        check(Some("sha-256=(:AAAA:)"), Err(ChecksumError::Malformed));
        check(Some("sha-256=:????:"), Err(ChecksumError::Malformed));
        check(Some(&format!("{DIGEST},{}", " ".repeat(600))), Err(ChecksumError::Malformed));
    }

    #[track_caller]
    fn check(header: Option<&str>, expected: Result<(), ChecksumError>) {
        assert_eq!(BodyDigest::verify(BODY, header).map(|_| ()), expected, "{header:?}");
    }

    proptest! {
        #[test]
        fn every_flipped_bit_is_noticed(at in 0..BODY.len(), bit in 0u8..8) {
            let mut body = BODY.to_vec();
            body[at] ^= 1 << bit;
            prop_assert_eq!(BodyDigest::verify(&body, Some(DIGEST)), Err(ChecksumError::Mismatch));
        }

        #[test]
        fn any_header_is_answered(header in ".{0,80}") {
            let _ = BodyDigest::verify(BODY, Some(&header));
        }
    }
}
