//! Writing a long answer piece by piece from a thread that may wait.

use std::io::{self, Write};

use tokio::sync::mpsc;

use super::answer::{Answer, Refusal};

/// Bytes of one piece.
const PIECE_BYTES: usize = 64 * 1024;

/// Pieces that wait for a slow reader.
const PIECES_MAX: usize = 4;

/// Gathers what is written and sends it as pieces of an answer. Blocks while the reader is slow, so
/// it belongs on a thread that may; [`flush`](Write::flush) it at the end.
#[derive(Debug)]
pub struct PieceWriter {
    pieces: mpsc::Sender<Result<Vec<u8>, Refusal>>,
    buffer: Vec<u8>,
}

/// Breaks a long answer off, so that the reader knows that it is not whole.
#[derive(Debug)]
pub struct BreakOff(mpsc::Sender<Result<Vec<u8>, Refusal>>);

impl PieceWriter {
    /// A writer, the answer that it writes, and the way to break that off.
    #[must_use]
    pub fn new() -> (Self, Answer, BreakOff) {
        let (pieces, receiver) = mpsc::channel(PIECES_MAX);
        let break_off = BreakOff(pieces.clone());
        (Self { pieces, buffer: Vec::new() }, Answer::Pieces(receiver), break_off)
    }
}

impl BreakOff {
    /// Breaks the answer off with a sentence. Whoever asked may be gone already.
    pub async fn because(self, refusal: Refusal) {
        let _ = self.0.send(Err(refusal)).await;
    }
}

impl Write for PieceWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let piece = std::mem::take(&mut self.buffer);
        self.pieces.blocking_send(Ok(piece)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}
