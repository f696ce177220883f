//! Keys that files are sealed to, and the secrets that open them.
//!
//! A node's key is made from the one that it signs with, by the map between the two forms of the curve
//! (as `age` does with ed25519 keys of ssh). So whoever knows a node can seal a file to it, nothing has
//! to be handed over that somebody could exchange on the way, and a node that comes back from a backup
//! opens what was sealed to it before. A sealed file is never a signed statement: the signing key signs
//! behind prefixes, and what is agreed on here goes through HKDF.

use std::fmt;
use std::str::FromStr;

use curve25519_dalek::MontgomeryPoint;
use curve25519_dalek::edwards::CompressedEdwardsY;
use sha2::{Digest as _, Sha512};
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::bech32;

const RECIPIENT_PREFIX: &str = "age";
const IDENTITY_PREFIX: &str = "age-secret-key-";

/// A text is no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is no age key: it begins with age1 and has 62 characters; one of them may be mistyped"
)]
pub struct BadKey;

/// A public key that files can be sealed to. Its text begins with `age1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recipient(pub(crate) [u8; 32]);

impl Recipient {
    /// That of the node that signs with this ed25519 key; `None` when no node can.
    #[must_use]
    pub fn of_signing_key(key: &[u8; 32]) -> Option<Self> {
        let point = CompressedEdwardsY(*key).decompress()?;
        (!point.is_small_order()).then(|| Self(point.to_montgomery().0))
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&bech32::write(RECIPIENT_PREFIX, &self.0))
    }
}

impl FromStr for Recipient {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        bech32::read(RECIPIENT_PREFIX, text).map(Self).ok_or(BadKey)
    }
}

/// The secret of a [`Recipient`].
#[derive(Clone)]
pub struct Identity(Zeroizing<[u8; 32]>);

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity([redacted])")
    }
}

impl Identity {
    /// That of the node whose signing key has this seed.
    #[must_use]
    pub fn of_signing_seed(seed: &[u8; 32]) -> Self {
        let hash = Zeroizing::new(<[u8; 64]>::from(Sha512::digest(seed)));
        let mut secret = Zeroizing::new([0; 32]);
        secret.iter_mut().zip(hash.iter()).for_each(|(to, from)| *to = *from);
        Self(secret)
    }

    /// What files are sealed to so that this opens them.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        Recipient(MontgomeryPoint::mul_base_clamped(*self.0).0)
    }

    /// The text that the `age` program takes as an identity; begins with `AGE-SECRET-KEY-1`.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(bech32::write(IDENTITY_PREFIX, &self.0).to_ascii_uppercase())
    }

    /// What this and the owner of `share` have in common; `None` for a share that has nothing in
    /// common with anybody.
    pub(crate) fn agree(&self, share: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
        agree(&self.0, share)
    }
}

/// X25519, without the shares that give the same to everybody.
pub(crate) fn agree(secret: &[u8; 32], share: &[u8; 32]) -> Option<Zeroizing<[u8; 32]>> {
    let common = Zeroizing::new(MontgomeryPoint(*share).mul_clamped(*secret).0);
    let is_nothing: bool = common.ct_eq(&[0; 32]).into();
    (!is_nothing).then_some(common)
}

/// The share that goes with a secret.
pub(crate) fn share(secret: &[u8; 32]) -> [u8; 32] {
    MontgomeryPoint::mul_base_clamped(*secret).0
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7748, section 6.1.
    #[test]
    fn two_agree_as_the_standard_says() {
        let bytes = |hex: &str| -> [u8; 32] {
            data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap()
        };
        let alice = bytes("8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
        let bob = bytes("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
        let common = bytes("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
        assert_eq!(agree(&bob, &alice).as_deref(), Some(&common));
        let public = bytes("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
        assert_eq!(share(&bob), public);
        assert_eq!(agree(&bob, &[0; 32]), None);
    }

    #[test]
    fn who_knows_a_signing_key_seals_to_its_owner() {
        let seed = [9; 32];
        let identity = Identity::of_signing_seed(&seed);
        let signer = ed25519_of(&seed);
        assert_eq!(Recipient::of_signing_key(&signer), Some(identity.recipient()));
        assert_eq!(identity.recipient().to_string().parse(), Ok(identity.recipient()));
        assert_eq!(format!("{identity:?}"), "Identity([redacted])");
        // A point of small order, and no point at all.
        assert_eq!(Recipient::of_signing_key(&[0; 32]), None);
        assert_eq!(Recipient::of_signing_key(&[2; 32]), None);
    }

    fn ed25519_of(seed: &[u8; 32]) -> [u8; 32] {
        use ring::signature::{Ed25519KeyPair, KeyPair as _};
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).unwrap();
        pair.public_key().as_ref().try_into().unwrap()
    }
}
