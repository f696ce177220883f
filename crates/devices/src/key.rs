//! The secret that a device shows with every batch.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};
use zeroize::Zeroizing;

/// What every key begins with, so that a key that leaked into a repository or a ticket can be found
/// by a search.
const PREFIX: &str = "cairn-dev-";

/// Characters after the prefix: 256 bits at 5 bits each, rounded up.
const CODE_CHARS: usize = 256_usize.div_ceil(5);

/// The key of a device: 256 random bits. Debug output is `[redacted]`.
///
/// At this length nobody can guess it, so its plain SHA-256 is safe to keep and cheap to check.
#[derive(Clone)]
pub struct DeviceKey(Zeroizing<[u8; 32]>);

/// The text is no device key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a device key")]
pub struct BadKey;

/// What is kept of a key.
#[derive(Clone, Copy)]
pub struct KeyDigest([u8; 32]);

impl DeviceKey {
    /// Takes 32 bytes drawn at random elsewhere.
    #[must_use]
    pub fn new(random: [u8; 32]) -> Self {
        Self(Zeroizing::new(random))
    }

    /// The key as its owner copies it: `cairn-dev-` and 52 lower-case letters and digits.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len() + CODE_CHARS));
        text.push_str(PREFIX);
        let code = Zeroizing::new(BASE32_NOPAD.encode(self.0.as_slice()));
        text.extend(code.chars().map(|letter| letter.to_ascii_lowercase()));
        text
    }

    /// Reads a key as [`to_text`](Self::to_text) writes it; letters may be upper-case.
    ///
    /// # Errors
    ///
    /// [`BadKey`] for anything else; it does not say where.
    pub fn parse(text: &str) -> Result<Self, BadKey> {
        let code = text.strip_prefix(PREFIX).ok_or(BadKey)?;
        let code = Zeroizing::new(code.to_ascii_uppercase());
        let bytes = Zeroizing::new(BASE32_NOPAD.decode(code.as_bytes()).map_err(|_| BadKey)?);
        Ok(Self::new(bytes.as_slice().try_into().map_err(|_| BadKey)?))
    }

    /// What is kept of it.
    #[must_use]
    pub fn digest(&self) -> KeyDigest {
        KeyDigest(Sha256::digest(self.0.as_slice()).into())
    }
}

impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DeviceKey([redacted])")
    }
}

impl KeyDigest {
    /// Takes a digest that was read from the registry.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes, as the registry keeps them.
    #[must_use]
    pub const fn bytes(self) -> [u8; 32] {
        self.0
    }

    /// Whether both are of the same key, in a time that does not tell how much of them agrees.
    #[must_use]
    pub fn matches(self, other: Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

/// A digest is no secret, but nothing is gained from having it in a log either.
impl fmt::Debug for KeyDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyDigest(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_is_long_plain_and_known_by_its_beginning() {
        let text = DeviceKey::new([0xa7; 32]).to_text();
        assert_eq!(text.as_str(), "cairn-dev-u6t2pj5hu6t2pj5hu6t2pj5hu6t2pj5hu6t2pj5hu6t2pj5hu6tq");
    }

    #[test]
    fn what_is_not_exactly_a_key_is_refused() {
        let good = DeviceKey::new([0xa7; 32]).to_text();
        check(&good, true);
        check(&good.replace("u6t2", "U6T2"), true);
        check("", false);
        check("cairn-dev-", false);
        check(&good[1..], false);
        check(&good[..good.len() - 1], false);
        check(&format!("{}a", good.as_str()), false);
        check(&format!(" {}", good.as_str()), false);
        check(&good.replace("cairn", "Cairn"), false);
        // The last character carries one bit of the key; its other four bits have to be zero.
        check(&good.replace("u6tq", "u6tr"), false);
        check(&good.replace("u6tq", "u6t1"), false);
        check(&good.replace("u6tq", "u6é"), false);
    }

    #[track_caller]
    fn check(text: &str, good: bool) {
        assert_eq!(DeviceKey::parse(text).is_ok(), good, "{text:?}");
    }

    #[test]
    fn the_digest_is_plain_sha_256() {
        let digest = DeviceKey::new([0; 32]).digest();
        assert_eq!(
            data_encoding::HEXLOWER.encode(&digest.bytes()),
            "66687aadf862bd776c8fc18b8e9f8e20089714856ee233b3902a591d0d5f2925"
        );
    }

    #[test]
    fn no_debug_output_holds_the_key() {
        let key = DeviceKey::new([0xa7; 32]);
        assert_eq!(format!("{key:?} {:?}", key.digest()), "DeviceKey([redacted]) KeyDigest(..)");
    }

    proptest! {
        #[test]
        fn the_text_of_a_key_leads_back_to_it(random in any::<[u8; 32]>()) {
            let key = DeviceKey::new(random);
            let read = DeviceKey::parse(&key.to_text()).unwrap();
            prop_assert!(bool::from(read.digest().matches(key.digest())));
        }

        #[test]
        fn two_keys_that_differ_in_one_bit_do_not_match(random in any::<[u8; 32]>(), bit in 0..256usize) {
            let mut other = random;
            other[bit / 8] ^= 1 << (bit % 8);
            let (key, other) = (DeviceKey::new(random), DeviceKey::new(other));
            prop_assert!(!bool::from(key.digest().matches(other.digest())));
        }

        /// All of a digest is compared, not only its beginning.
        #[test]
        fn two_digests_that_differ_in_one_bit_do_not_match(bytes in any::<[u8; 32]>(), bit in 0..256usize) {
            let mut other = bytes;
            other[bit / 8] ^= 1 << (bit % 8);
            let [digest, other] = [bytes, other].map(KeyDigest::from_bytes);
            prop_assert!(bool::from(digest.matches(digest)));
            prop_assert!(!bool::from(digest.matches(other)));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            let _ = DeviceKey::parse(&text);
            let _ = DeviceKey::parse(&format!("{PREFIX}{text}"));
        }
    }
}
