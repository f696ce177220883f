//! Reading a file that was sealed to this node.

use std::fmt;
use std::io::{self, Read};

use ring::aead::Aad;
use ring::error::Unspecified;
use ring::hmac;
use zeroize::Zeroizing;

use crate::Identity;
use crate::header::{self, Stanza};
use crate::seal::WRAP_PURPOSE;
use crate::stream::{
    FILE_KEY_BYTES, PIECE_BYTES, Pieces, TAG_BYTES, aead_key, derive, header_key, only_nonce,
};

/// Why a file is not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// It does not begin as a sealed file does.
    #[error("this is no sealed file")]
    NotSealed,
    /// None of those it is for is here.
    #[error("it is sealed for somebody else")]
    NotForUs,
    /// A byte of it was changed, or its end is missing.
    #[error("it is damaged or not whole")]
    Damaged,
    /// The system refused.
    #[error("reading it")]
    Read(#[source] io::Error),
}

/// Opens what it reads. Everything it gives was sealed so; that nothing is missing is known at its end
/// only, which is an error of kind [`InvalidData`](io::ErrorKind::InvalidData) when it is not.
pub struct Opener<R> {
    input: R,
    pieces: Pieces,
    piece: Vec<u8>,
    read: usize,
    ended: bool,
}

impl<R> fmt::Debug for Opener<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Opener")
    }
}

impl<R: Read> Opener<R> {
    /// Reads who may open `input` and opens it with `identity`. Give it a reader that buffers.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn new(mut input: R, identity: &Identity) -> Result<Self, OpenError> {
        let header = header::read(&mut input)?;
        let me = identity.recipient().0;
        let mut ways = header.stanzas.iter().filter_map(|way| unwrap(way, identity, &me).ok());
        let file_key = ways.next().ok_or(OpenError::NotForUs)?;
        let key = header_key(&file_key).map_err(|Unspecified| OpenError::Damaged)?;
        hmac::verify(&key, &header.covered, &header.sum).map_err(|_| OpenError::Damaged)?;
        let mut salt = [0; 16];
        input.read_exact(&mut salt).map_err(|error| {
            let is_cut = error.kind() == io::ErrorKind::UnexpectedEof;
            if is_cut { OpenError::Damaged } else { OpenError::Read(error) }
        })?;
        let pieces = Pieces::new(&file_key, &salt).map_err(|Unspecified| OpenError::Damaged)?;
        Ok(Self { input, pieces, piece: Vec::new(), read: 0, ended: false })
    }

    /// Reads and opens the next piece.
    fn next(&mut self) -> io::Result<()> {
        let first = self.pieces.is_first();
        self.piece.clear();
        self.read = 0;
        let full = PIECE_BYTES + TAG_BYTES;
        let limit = u64::try_from(full).unwrap_or(u64::MAX);
        self.input.by_ref().take(limit).read_to_end(&mut self.piece)?;
        let sealed = self.piece.len();
        // Only a full piece can have another one behind it.
        let is_last = sealed < full || {
            let mut copy = self.piece.clone();
            if self.pieces.open(&mut copy, false).is_ok() {
                self.piece = copy;
                return Ok(());
            }
            true
        };
        self.pieces.open(&mut self.piece, is_last).map_err(|_| damaged())?;
        self.ended = true;
        // One that holds nothing is written for an empty file only; and nothing follows the last.
        let is_odd = self.piece.is_empty() && !first;
        if is_odd || self.input.read(&mut [0])? != 0 {
            self.piece.clear();
            return Err(damaged());
        }
        Ok(())
    }
}

impl<R: Read> Read for Opener<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if target.is_empty() {
            return Ok(0);
        }
        while self.read == self.piece.len() {
            if self.ended {
                return Ok(0);
            }
            self.next()?;
        }
        let mut left = self.piece.get(self.read..).unwrap_or_default();
        let taken = left.read(target)?;
        self.read += taken;
        Ok(taken)
    }
}

fn damaged() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, OpenError::Damaged)
}

fn unwrap(
    way: &Stanza,
    identity: &Identity,
    me: &[u8; 32],
) -> Result<Zeroizing<[u8; FILE_KEY_BYTES]>, Unspecified> {
    let common = identity.agree(&way.share).ok_or(Unspecified)?;
    let key = aead_key(&*derive(&*common, &[way.share, *me].concat(), WRAP_PURPOSE)?)?;
    let mut sealed = Zeroizing::new(way.sealed_key);
    let opened = key.open_in_place(only_nonce(), Aad::empty(), &mut *sealed)?;
    Ok(Zeroizing::new((&*opened).try_into().map_err(|_| Unspecified)?))
}
