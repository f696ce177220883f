//! Asking a running program: one question over a Unix socket that only its owner can reach.
//!
//! The client sends one line of JSON. The server answers with one line, `{"ok":true}` or
//! `{"error":"a sentence"}`, and after an `ok` with the answer itself in pieces: a length of four
//! bytes, most significant first, then that many bytes. A length of zero ends it; one of all ones says
//! that it was broken off, and a line with the reason follows. So a client can tell a whole answer from
//! one that a crash cut off, which matters for an export.

mod answer;
mod client;
mod notes;
mod piece_writer;
mod server;
mod wire;

pub use answer::{Answer, NotWritten, Pieces, Refusal};
pub use client::{AskError, ask, read_answer};
pub use notes::{Notes, note};
pub use piece_writer::{BreakOff, PieceWriter};
pub use server::Control;

#[cfg(test)]
mod tests;
