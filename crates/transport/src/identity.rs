//! A node's TLS key: the one it proves when a link is made. It signs no records.
//!
//! On the wire a key travels as a `SubjectPublicKeyInfo` (RFC 8410), which for ed25519 is twelve
//! fixed bytes and the key; nothing else is accepted, so no X.509 parser sees a peer's bytes.

use std::fmt;
use std::sync::Arc;

use ed25519_dalek::VerifyingKey;
use ring::hmac;
use rustls::crypto::ring::sign::any_eddsa_type;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;
use zeroize::Zeroizing;

/// Bytes of an ed25519 public key.
pub const KEY_BYTES: usize = 32;

/// Bytes of [`encode_spki`]'s result.
pub const SPKI_BYTES: usize = SPKI_PREFIX.len() + KEY_BYTES;

/// SEQUENCE { SEQUENCE { OID 1.3.101.112 }, BIT STRING of 32 bytes }, up to the key.
const SPKI_PREFIX: [u8; 12] =
    [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// PKCS #8 version 1 around an ed25519 seed (RFC 8410 §7), up to the seed.
const PKCS8_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Why bytes are not a usable key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// Not an ed25519 key in a `SubjectPublicKeyInfo`: an X.509 certificate, another algorithm.
    #[error("not an ed25519 public key as RFC 8410 writes it")]
    Encoding,
    /// Not a point of the curve, or one of the few that anybody can sign for.
    #[error("the public key is weak or no point of the curve")]
    WeakKey,
    /// The library refused the private key.
    #[error("the TLS key cannot be used")]
    PrivateKey,
}

/// The key pair a node proves on every link.
#[derive(Clone)]
pub struct TlsIdentity {
    certified: Arc<CertifiedKey>,
    public_key: [u8; KEY_BYTES],
    after_restart: AfterRestart,
}

/// What a listener needs to tell a client that it has forgotten their connection: the same after
/// every start, so that the client believes it at once instead of waiting for a silence to grow
/// long enough.
#[derive(Clone)]
pub(crate) struct AfterRestart {
    /// Makes the word that ends a connection, known to its client since it began.
    pub(crate) reset_key: hmac::Key,
    /// Tells names of connections that this listener gave out from noise.
    pub(crate) connection_ids: u64,
}

impl AfterRestart {
    /// Two values that tell nothing of the seed or of each other.
    fn of(seed: &[u8; KEY_BYTES]) -> Self {
        let seed = hmac::Key::new(hmac::HMAC_SHA256, seed);
        let reset = hmac::sign(&seed, b"cairn forgotten connection 1");
        let names = hmac::sign(&seed, b"cairn connection names 1");
        let names = names.as_ref().first_chunk().copied().unwrap_or_default();
        Self {
            reset_key: hmac::Key::new(hmac::HMAC_SHA256, reset.as_ref()),
            connection_ids: u64::from_be_bytes(names),
        }
    }
}

impl TlsIdentity {
    /// The key pair of a 32-byte ed25519 seed. The seed is not kept in any other place than the
    /// library's key.
    ///
    /// # Errors
    ///
    /// [`IdentityError::PrivateKey`]; no seed is known to cause it.
    pub fn from_seed(seed: &[u8; KEY_BYTES]) -> Result<Self, IdentityError> {
        let mut pkcs8 = Zeroizing::new([0; PKCS8_PREFIX.len() + KEY_BYTES]);
        let (prefix, secret) = pkcs8.split_at_mut(PKCS8_PREFIX.len());
        prefix.copy_from_slice(&PKCS8_PREFIX);
        secret.copy_from_slice(seed);

        let signing = any_eddsa_type(&PrivatePkcs8KeyDer::from(pkcs8.as_slice()))
            .map_err(|_| IdentityError::PrivateKey)?;
        let spki = signing.public_key().ok_or(IdentityError::PrivateKey)?;
        let public_key = decode_spki(spki.as_ref())?;
        let spki = CertificateDer::from(spki.as_ref().to_vec());
        let certified = Arc::new(CertifiedKey::new(vec![spki], signing));
        Ok(Self { certified, public_key, after_restart: AfterRestart::of(seed) })
    }

    /// The public half, by which the other end knows this node.
    #[must_use]
    pub const fn public_key(&self) -> &[u8; KEY_BYTES] {
        &self.public_key
    }

    pub(crate) const fn after_restart(&self) -> &AfterRestart {
        &self.after_restart
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TlsIdentity({})", short(&self.public_key))
    }
}

/// The first bytes of a key in hexadecimal, for logs.
#[must_use]
pub fn short(key: &[u8; KEY_BYTES]) -> String {
    let [a, b, c, d, ..] = key;
    format!("{a:02x}{b:02x}{c:02x}{d:02x}")
}

/// `key` as a `SubjectPublicKeyInfo`.
#[must_use]
pub fn encode_spki(key: &[u8; KEY_BYTES]) -> [u8; SPKI_BYTES] {
    let mut spki = [0; SPKI_BYTES];
    let (prefix, rest) = spki.split_at_mut(SPKI_PREFIX.len());
    prefix.copy_from_slice(&SPKI_PREFIX);
    rest.copy_from_slice(key);
    spki
}

/// The key in a `SubjectPublicKeyInfo`.
///
/// # Errors
///
/// [`IdentityError::Encoding`] unless the bytes are exactly [`encode_spki`]'s form;
/// [`IdentityError::WeakKey`] for a key under which signatures prove nothing.
pub fn decode_spki(spki: &[u8]) -> Result<[u8; KEY_BYTES], IdentityError> {
    let key = spki.strip_prefix(&SPKI_PREFIX).ok_or(IdentityError::Encoding)?;
    let key: [u8; KEY_BYTES] = key.try_into().map_err(|_| IdentityError::Encoding)?;
    let point = VerifyingKey::from_bytes(&key).map_err(|_| IdentityError::WeakKey)?;
    if point.is_weak() { Err(IdentityError::WeakKey) } else { Ok(key) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 8032 §7.1, test 1.
    const SEED: [u8; 32] = [
        0x9d, 0x61, 0xb1, 0x9d, 0xef, 0xfd, 0x5a, 0x60, 0xba, 0x84, 0x4a, 0xf4, 0x92, 0xec, 0x2c,
        0xc4, 0x44, 0x49, 0xc5, 0x69, 0x7b, 0x32, 0x69, 0x19, 0x70, 0x3b, 0xac, 0x03, 0x1c, 0xae,
        0x7f, 0x60,
    ];
    const PUBLIC: [u8; 32] = [
        0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07,
        0x3a, 0x0e, 0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07,
        0x51, 0x1a,
    ];

    #[test]
    fn a_seed_gives_the_key_of_the_standard() {
        let identity = TlsIdentity::from_seed(&SEED).unwrap();
        assert_eq!(identity.public_key(), &PUBLIC);
        assert_eq!(format!("{identity:?}"), "TlsIdentity(d75a9801)");
        assert_eq!(decode_spki(&encode_spki(&PUBLIC)), Ok(PUBLIC));
    }

    #[test]
    fn only_a_strong_key_in_its_one_form_is_read() {
        let good = encode_spki(&PUBLIC);
        check(&good[..43], IdentityError::Encoding);
        check(&[&good[..], &[0]].concat(), IdentityError::Encoding);
        let mut x25519 = good;
        x25519[8] = 0x6e;
        check(&x25519, IdentityError::Encoding);
        // The neutral element: any message has a valid signature under it.
        let mut neutral = [0; 32];
        neutral[0] = 1;
        check(&encode_spki(&neutral), IdentityError::WeakKey);
        check(&encode_spki(&[0; 32]), IdentityError::WeakKey);
    }

    #[track_caller]
    fn check(spki: &[u8], expected: IdentityError) {
        assert_eq!(decode_spki(spki), Err(expected));
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused_or_are_the_one_form(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(key) = decode_spki(&bytes) {
                prop_assert_eq!(&encode_spki(&key)[..], &bytes[..]);
            }
        }

        #[test]
        fn every_seed_has_a_key(seed in any::<[u8; 32]>()) {
            prop_assert!(TlsIdentity::from_seed(&seed).is_ok());
        }
    }
}
