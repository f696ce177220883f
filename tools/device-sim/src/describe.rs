//! Errors as sentences.

use std::error::Error;

/// The error with what caused it, as one sentence.
#[must_use]
pub fn describe(error: &dyn Error) -> String {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some errors already hold the text of their cause.
        if !sentence.ends_with(&text) {
            sentence.push_str(": ");
            sentence.push_str(&text);
        }
        cause = error.source();
    }
    sentence
}
