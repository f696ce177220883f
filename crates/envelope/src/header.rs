//! What stands before a file's content: for whom it is, as text.
//!
//! Every line has one written form, and the sum at the end covers all of them, so a header that was
//! changed opens nothing.

use std::io::{self, Read};

use data_encoding::BASE64_NOPAD;

use crate::OpenError;

/// The first line.
const VERSION_LINE: &[u8] = b"age-encryption.org/v1";

/// Longest header: [`RECIPIENTS_MAX`](crate::RECIPIENTS_MAX) keys take 2 KiB; other programs' kinds of
/// recipients are longer, the longest some 1,500 bytes.
const HEADER_BYTES_MAX: usize = 32 * 1024;

/// Characters of a full line of a body.
const COLUMNS: usize = 64;

/// What introduces a recipient, and the kind that is known here.
const RECIPIENT: &[u8] = b"-> ";
const X25519: &[u8] = b"X25519";
const END: &[u8] = b"---";

/// One way to the file's key.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Stanza {
    pub(crate) share: [u8; 32],
    pub(crate) sealed_key: [u8; 32],
}

/// A header as it was read.
#[derive(Debug)]
pub(crate) struct Header {
    /// The ways of the kind that is known here.
    pub(crate) stanzas: Vec<Stanza>,
    /// Everything that the sum covers.
    pub(crate) covered: Vec<u8>,
    pub(crate) sum: [u8; 32],
}

/// The lines that the sum covers.
pub(crate) fn covered(stanzas: &[Stanza]) -> Vec<u8> {
    let mut text = VERSION_LINE.to_vec();
    text.push(b'\n');
    for Stanza { share, sealed_key } in stanzas {
        text.extend_from_slice(RECIPIENT);
        text.extend_from_slice(X25519);
        text.push(b' ');
        text.extend_from_slice(BASE64_NOPAD.encode(share).as_bytes());
        text.push(b'\n');
        text.extend_from_slice(BASE64_NOPAD.encode(sealed_key).as_bytes());
        text.push(b'\n');
    }
    text.extend_from_slice(END);
    text
}

/// The line's end after what the sum covers.
pub(crate) fn sum_line(sum: &[u8]) -> Vec<u8> {
    format!(" {}\n", BASE64_NOPAD.encode(sum)).into_bytes()
}

/// Reads a header to its end and no byte further.
pub(crate) fn read(input: &mut impl Read) -> Result<Header, OpenError> {
    let mut lines = Lines { input, left: HEADER_BYTES_MAX };
    let mut covered = lines.next()?;
    if covered != VERSION_LINE {
        return Err(OpenError::NotSealed);
    }
    let mut stanzas = Vec::new();
    loop {
        let line = lines.next()?;
        covered.push(b'\n');
        if let Some(sum) = line.strip_prefix(END) {
            let sum = sum.strip_prefix(b" ").and_then(bytes).ok_or(OpenError::Damaged)?;
            covered.extend_from_slice(END);
            return Ok(Header { stanzas, covered, sum });
        }
        let kind = line.strip_prefix(RECIPIENT).ok_or(OpenError::Damaged)?;
        let share = kind.strip_prefix(X25519).and_then(|rest| rest.strip_prefix(b" "));
        covered.extend_from_slice(&line);
        let mut body = Vec::new();
        loop {
            let part = lines.next()?;
            if part.len() > COLUMNS {
                return Err(OpenError::Damaged);
            }
            covered.push(b'\n');
            covered.extend_from_slice(&part);
            body.extend_from_slice(&part);
            if part.len() < COLUMNS {
                break;
            }
        }
        if let Some(share) = share {
            let (share, sealed_key) = bytes(share).zip(bytes(&body)).ok_or(OpenError::Damaged)?;
            stanzas.push(Stanza { share, sealed_key });
        }
    }
}

fn bytes(text: &[u8]) -> Option<[u8; 32]> {
    BASE64_NOPAD.decode(text).ok()?.try_into().ok()
}

struct Lines<'a, R> {
    input: &'a mut R,
    left: usize,
}

impl<R: Read> Lines<'_, R> {
    /// The next line without its end. Byte by byte: what follows the header is not text.
    fn next(&mut self) -> Result<Vec<u8>, OpenError> {
        let mut line = Vec::new();
        let mut byte = [0];
        loop {
            self.left = self.left.checked_sub(1).ok_or(OpenError::NotSealed)?;
            match self.input.read_exact(&mut byte) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Err(OpenError::NotSealed);
                }
                Err(error) => return Err(OpenError::Read(error)),
            }
            match byte {
                [b'\n'] => return Ok(line),
                [byte] => line.push(byte),
            }
        }
    }
}
