//! The line before an answer, and its pieces.

use serde::{Deserialize, Serialize};

/// Bytes of a question, with its line end. The longest is a device or a patient to be added, far
/// below a kilobyte; a registration file travels as many questions.
pub(super) const QUESTION_BYTES_MAX: u64 = 64 * 1024;

/// Bytes of the line before an answer: a sentence.
pub(super) const HEADER_BYTES_MAX: u64 = 8 * 1024;

/// Bytes of one piece; a longer one is split.
pub(super) const PIECE_BYTES_MAX: usize = 1024 * 1024;

/// Stands for a length where the answer was broken off; an error line follows.
pub(super) const BROKEN_OFF: u32 = u32::MAX;

/// What the answer will be.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Header {
    /// The answer follows.
    Ok(bool),
    /// There is none; the sentence says why.
    Error(String),
}

impl Header {
    /// The header as one line.
    pub(super) fn line(&self) -> Vec<u8> {
        // A bool or a string always has a JSON form.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_the_documented_lines() {
        assert_eq!(Header::Ok(true).line(), b"{\"ok\":true}\n");
        let error = Header::Error("no such device".to_owned());
        assert_eq!(error.line(), b"{\"error\":\"no such device\"}\n");
    }
}
