//! Writing a file that only certain keys open.

use std::fmt;
use std::io::{self, Write};

use ring::aead::Aad;
use ring::error::Unspecified;
use ring::hmac;
use zeroize::Zeroizing;

use crate::header::{self, Stanza};
use crate::keys::{agree, share};
use crate::stream::{
    FILE_KEY_BYTES, PIECE_BYTES, Pieces, TAG_BYTES, aead_key, derive, header_key, only_nonce,
};
use crate::{RECIPIENTS_MAX, Recipient};

/// What the key of a recipient's way to the file's key is derived for.
pub(crate) const WRAP_PURPOSE: &[u8] = b"age-encryption.org/v1/X25519";

/// Seals what is written to it. Without [`finish`](Self::finish) the file cannot be opened to its end.
pub struct Sealer<W> {
    out: W,
    pieces: Pieces,
    piece: Vec<u8>,
}

impl<W> fmt::Debug for Sealer<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

impl<W: Write> Sealer<W> {
    /// Begins a file on `out` that each of `recipients` opens. `fill` gives random bytes.
    ///
    /// # Errors
    ///
    /// Those of `out`; no recipient, more than [`RECIPIENTS_MAX`], or one that nobody can be.
    pub fn new(
        mut out: W,
        recipients: &[Recipient],
        fill: &mut dyn FnMut(&mut [u8]),
    ) -> io::Result<Self> {
        if recipients.is_empty() || recipients.len() > RECIPIENTS_MAX {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut file_key = Zeroizing::new([0; FILE_KEY_BYTES]);
        fill(&mut *file_key);
        let mut stanzas = Vec::with_capacity(recipients.len());
        for recipient in recipients {
            let mut secret = Zeroizing::new([0; 32]);
            fill(&mut *secret);
            stanzas.push(stanza(recipient, &secret, &file_key).map_err(refused)?);
        }
        let covered = header::covered(&stanzas);
        let sum = hmac::sign(&header_key(&file_key).map_err(refused)?, &covered);
        let mut salt = [0; 16];
        fill(&mut salt);
        out.write_all(&covered)?;
        out.write_all(&header::sum_line(sum.as_ref()))?;
        out.write_all(&salt)?;
        let pieces = Pieces::new(&file_key, &salt).map_err(refused)?;
        Ok(Self { out, pieces, piece: Vec::with_capacity(PIECE_BYTES + TAG_BYTES) })
    }

    /// Writes the last piece, and gives back what was written to.
    ///
    /// # Errors
    ///
    /// Those of the writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.write_piece(true)?;
        Ok(self.out)
    }

    fn write_piece(&mut self, last: bool) -> io::Result<()> {
        self.pieces.seal(&mut self.piece, last).map_err(refused)?;
        self.out.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full piece waits: it may be the last.
        if self.piece.len() == PIECE_BYTES && !bytes.is_empty() {
            self.write_piece(false)?;
        }
        let taken = bytes.len().min(PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn stanza(
    recipient: &Recipient,
    secret: &[u8; 32],
    file_key: &[u8; FILE_KEY_BYTES],
) -> Result<Stanza, Unspecified> {
    let share = share(secret);
    let common = agree(secret, &recipient.0).ok_or(Unspecified)?;
    let key = aead_key(&*derive(&*common, &[share, recipient.0].concat(), WRAP_PURPOSE)?)?;
    let mut sealed = file_key.to_vec();
    key.seal_in_place_append_tag(only_nonce(), Aad::empty(), &mut sealed)?;
    Ok(Stanza { share, sealed_key: sealed.try_into().map_err(|_| Unspecified)? })
}

fn refused(_: Unspecified) -> io::Error {
    io::Error::other("the file cannot be sealed to this key")
}
