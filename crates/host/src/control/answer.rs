//! What a question gets: an answer, or a sentence that says why there is none.

use std::error::Error;
use std::io::{self, Write};

use serde::Serialize;
use store::Connection;
use tokio::sync::mpsc;

use super::PieceWriter;
use crate::database::{READ_REFUSED, Readers, WRITE_REFUSED};

/// Why there is no answer, as a sentence for the person who asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sentence}")]
pub struct Refusal {
    /// The sentence; holds nothing about a person.
    pub sentence: String,
}

impl Refusal {
    /// A refusal that says `sentence`.
    pub fn new(sentence: impl Into<String>) -> Self {
        Self { sentence: sentence.into() }
    }

    /// An error and its causes as one sentence. Our errors hold nothing about a person.
    pub fn because(error: impl Error) -> Self {
        let mut sentence = error.to_string();
        let mut cause = error.source();
        // That the database said no for a use case is no news to a person; why is.
        if sentence == WRITE_REFUSED || sentence == READ_REFUSED {
            sentence = cause.map(ToString::to_string).unwrap_or(sentence);
            cause = cause.and_then(Error::source);
        }
        while let Some(inner) = cause {
            sentence.push_str(": ");
            sentence.push_str(&inner.to_string());
            cause = inner.source();
        }
        Self { sentence }
    }
}

/// What is sent back.
#[derive(Debug)]
pub enum Answer {
    /// All of it.
    Whole(Vec<u8>),
    /// Piece by piece, for an export that does not fit into memory.
    Pieces(Pieces),
}

/// The pieces of a long answer. Dropping the sender ends the answer; sending a [`Refusal`] breaks
/// it off, so that the client knows that it is not whole.
pub type Pieces = mpsc::Receiver<Result<Vec<u8>, Refusal>>;

/// Why an answer was not written out whole.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    /// It was broken off.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It could not be written on.
    #[error("writing the answer")]
    Output(#[from] io::Error),
}

impl Answer {
    /// One JSON object and the end of its line.
    ///
    /// # Errors
    ///
    /// A value that JSON cannot hold.
    pub fn json(value: &impl Serialize) -> Result<Self, Refusal> {
        let mut text = serde_json::to_string(value).map_err(Refusal::because)?;
        text.push('\n');
        Ok(Self::from(text))
    }

    /// What `write` writes about one state of the database, sent on while it is written.
    pub fn streamed<E: Error + Send + 'static>(
        readers: &Readers,
        write: impl FnOnce(&Connection, PieceWriter) -> Result<(), E> + Send + 'static,
    ) -> Self {
        let (out, answer, break_off) = PieceWriter::new();
        let readers = readers.clone();
        tokio::spawn(async move {
            if let Err(error) = readers.read(move |conn| write(conn, out)).await {
                break_off.because(Refusal::because(error)).await;
            }
        });
        answer
    }

    /// Writes all of it to `out`.
    ///
    /// # Errors
    ///
    /// [`NotWritten`]; what was written so far is not whole.
    pub async fn write_to(self, out: &mut impl Write) -> Result<(), NotWritten> {
        match self {
            Self::Whole(bytes) => out.write_all(&bytes)?,
            Self::Pieces(mut pieces) => {
                while let Some(piece) = pieces.recv().await {
                    out.write_all(&piece?)?;
                }
            }
        }
        Ok(out.flush()?)
    }
}

impl From<String> for Answer {
    fn from(text: String) -> Self {
        Self::Whole(text.into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::{ReadError, WriteError};

    #[derive(Debug, thiserror::Error)]
    #[error("no patient has this number")]
    struct Unknown(#[source] io::Error);

    #[test]
    fn a_refusal_names_the_cause_and_not_that_the_database_passed_it_on() {
        let cause = || Unknown(io::Error::other("row 7"));
        for said in [
            Refusal::because(cause()),
            Refusal::because(WriteError::Refused(cause())),
            Refusal::because(ReadError::Refused(cause())),
        ] {
            assert_eq!(said.sentence, "no patient has this number: row 7");
        }
        let stopped = Refusal::because(WriteError::<Unknown>::Stopped);
        assert_eq!(stopped.sentence, "the database is closed");
    }
}
