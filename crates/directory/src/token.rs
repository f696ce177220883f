//! The secret of an invitation.

use std::fmt;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// What lets one node in, once: 128 random bits. Debug output is `[redacted]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Zeroizing<[u8; 16]>);

impl Token {
    /// Takes 16 bytes drawn at random elsewhere, or read from an invitation.
    #[must_use]
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The 16 bytes, for the invitation and the request.
    pub(crate) fn bytes(&self) -> &[u8; 16] {
        &self.0
    }

    /// What the hub keeps of it. At this length nobody can guess a token, so a plain SHA-256 is safe
    /// to keep; and a look-up by the hash takes a time that says nothing about the token.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_slice()).into()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_plain_sha_256() {
        assert_eq!(
            data_encoding::HEXLOWER.encode(&Token::new([0; 16]).digest()),
            "374708fff7719dd5979ec875d56cd2286f6d3cf7ec317a3b25632aab28ec37bb"
        );
    }

    #[test]
    fn no_debug_output_holds_the_token() {
        assert_eq!(format!("{:?}", Token::new([7; 16])), "Token([redacted])");
    }
}
