//! The keys that are derived, and the pieces that a file's content is sealed in.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::{error::Unspecified, hmac};
use zeroize::Zeroizing;

/// Bytes of content in a piece.
pub(crate) const PIECE_BYTES: usize = 64 * 1024;

/// Bytes that sealing adds to a piece.
pub(crate) const TAG_BYTES: usize = 16;

/// Bytes of the key that a file's content is sealed with.
pub(crate) const FILE_KEY_BYTES: usize = 16;

/// 32 bytes from `secret`, for `purpose` alone.
pub(crate) fn derive(
    secret: &[u8],
    salt: &[u8],
    purpose: &[u8],
) -> Result<Zeroizing<[u8; 32]>, Unspecified> {
    let mut key = Zeroizing::new([0; 32]);
    Salt::new(HKDF_SHA256, salt)
        .extract(secret)
        .expand(&[purpose], HKDF_SHA256)?
        .fill(&mut *key)?;
    Ok(key)
}

/// The key of the sum over a header.
pub(crate) fn header_key(file_key: &[u8; FILE_KEY_BYTES]) -> Result<hmac::Key, Unspecified> {
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &*derive(file_key, b"", b"header")?))
}

/// A key for ChaCha20-Poly1305.
pub(crate) fn aead_key(bytes: &[u8; 32]) -> Result<LessSafeKey, Unspecified> {
    Ok(LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, bytes)?))
}

/// The nonce of what a key seals alone.
pub(crate) fn only_nonce() -> Nonce {
    Nonce::assume_unique_for_key([0; NONCE_LEN])
}

/// Seals and opens the pieces of one file, in their order.
pub(crate) struct Pieces {
    key: LessSafeKey,
    number: u64,
}

impl Pieces {
    /// The pieces of the file with this key; `salt` is what stands before the first.
    pub(crate) fn new(
        file_key: &[u8; FILE_KEY_BYTES],
        salt: &[u8; 16],
    ) -> Result<Self, Unspecified> {
        Ok(Self { key: aead_key(&*derive(file_key, salt, b"payload")?)?, number: 0 })
    }

    pub(crate) const fn is_first(&self) -> bool {
        self.number == 0
    }

    /// Seals the next piece where it stands.
    pub(crate) fn seal(&mut self, piece: &mut Vec<u8>, last: bool) -> Result<(), Unspecified> {
        self.key.seal_in_place_append_tag(self.nonce(last), Aad::empty(), piece)?;
        self.number += 1;
        Ok(())
    }

    /// Opens the next piece where it stands; what it held before is lost if it is not what was sealed.
    pub(crate) fn open(&mut self, piece: &mut Vec<u8>, last: bool) -> Result<(), Unspecified> {
        let length = self.key.open_in_place(self.nonce(last), Aad::empty(), piece)?.len();
        piece.truncate(length);
        self.number += 1;
        Ok(())
    }

    /// Eleven bytes of counter, of which eight are enough for any file, and whether it is the last.
    fn nonce(&self, last: bool) -> Nonce {
        let [a, b, c, d, e, f, g, h] = self.number.to_be_bytes();
        Nonce::assume_unique_for_key([0, 0, 0, a, b, c, d, e, f, g, h, u8::from(last)])
    }
}
