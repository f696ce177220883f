//! The end that asks: a command on the same machine, without an async runtime.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use serde::Serialize;

use super::wire::{BROKEN_OFF, HEADER_BYTES_MAX, Header, PIECE_BYTES_MAX};

/// How long the program may be silent before the client gives up. An export of a large database
/// starts within seconds.
const SILENCE_MAX: Duration = Duration::from_secs(60);

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AskError {
    /// No program answers at the socket; the caller may open the data folder itself.
    #[error("no program is running in this data folder")]
    NotRunning,
    /// The program said no, with this sentence; what was written before, if anything, is not whole.
    #[error("{0}")]
    Refused(String),
    /// The answer ended too early or is not of the agreed form; what was written so far is not
    /// whole.
    #[error("the answer was broken off")]
    BrokenOff(#[source] io::Error),
    /// What came could not be written on.
    #[error("writing the answer")]
    Output(#[source] io::Error),
}

/// Sends `question` to the program at the socket `path`, writes its answer to `output` and tells
/// how many bytes that were.
///
/// # Errors
///
/// [`AskError`].
pub fn ask(
    path: &Path,
    question: &impl Serialize,
    output: &mut dyn Write,
) -> Result<u64, AskError> {
    let nobody_there = [io::ErrorKind::NotFound, io::ErrorKind::ConnectionRefused];
    let stream = match UnixStream::connect(path) {
        Ok(stream) => stream,
        Err(error) if nobody_there.contains(&error.kind()) => return Err(AskError::NotRunning),
        Err(error) => return Err(AskError::BrokenOff(error)),
    };
    send(&stream, question).map_err(AskError::BrokenOff)?;
    read_answer(BufReader::new(stream), output)
}

/// Reads an answer, writes what is in its pieces to `output` and tells how many bytes that were.
///
/// # Errors
///
/// [`AskError`], [`NotRunning`](AskError::NotRunning) excepted.
pub fn read_answer(mut stream: impl BufRead, output: &mut dyn Write) -> Result<u64, AskError> {
    match read_header(&mut stream).map_err(AskError::BrokenOff)? {
        Header::Ok(_) => copy_pieces(&mut stream, output),
        Header::Error(sentence) => Err(AskError::Refused(sentence)),
    }
}

fn send(mut stream: &UnixStream, question: &impl Serialize) -> io::Result<()> {
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    stream.set_write_timeout(Some(SILENCE_MAX))?;
    let mut line = serde_json::to_vec(question)?;
    line.push(b'\n');
    stream.write_all(&line)
}

fn read_header(stream: &mut impl BufRead) -> io::Result<Header> {
    let mut line = Vec::new();
    stream.take(HEADER_BYTES_MAX).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(serde_json::from_slice(&line)?)
}

fn copy_pieces(stream: &mut impl BufRead, output: &mut dyn Write) -> Result<u64, AskError> {
    let mut written = 0;
    let mut piece = Vec::new();
    loop {
        let mut length = [0; 4];
        stream.read_exact(&mut length).map_err(AskError::BrokenOff)?;
        let length = u32::from_be_bytes(length);
        if length == 0 || length == BROKEN_OFF {
            output.flush().map_err(AskError::Output)?;
        }
        match length {
            0 => return Ok(written),
            BROKEN_OFF => {
                return Err(match read_header(stream).map_err(AskError::BrokenOff)? {
                    Header::Error(sentence) => AskError::Refused(sentence),
                    Header::Ok(_) => AskError::BrokenOff(io::ErrorKind::InvalidData.into()),
                });
            }
            _ => {}
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > PIECE_BYTES_MAX {
            return Err(AskError::BrokenOff(io::ErrorKind::InvalidData.into()));
        }
        piece.resize(length, 0);
        stream.read_exact(&mut piece).map_err(AskError::BrokenOff)?;
        output.write_all(&piece).map_err(AskError::Output)?;
        written += u64::try_from(length).unwrap_or(u64::MAX);
    }
}
