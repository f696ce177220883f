//! What a person decided, with who and why: kept beside what it was about.

use std::fmt;

/// Longest name of who decided, in bytes: one line of a screen, beside a time.
pub const BY_BYTES_MAX: usize = 64;

/// Longest reason, in bytes: a few sentences.
pub const WHY_BYTES_MAX: usize = 500;

/// A decision with its evidence. Both texts are one line each, without control characters; who decided
/// is what the person or their account says, not proved.
#[derive(Clone, PartialEq, Eq)]
pub struct Decision {
    by: String,
    why: String,
}

/// Why a decision is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDecision {
    /// Nobody is named, or not in one short line.
    #[error("whose decision it is has to be said, in one line of at most {BY_BYTES_MAX} bytes")]
    By,
    /// No reason is given, or not in one line.
    #[error("a reason is needed, of at most {WHY_BYTES_MAX} bytes, in one line")]
    Why,
}

impl Decision {
    /// Takes what was said; spaces around it do not count.
    ///
    /// # Errors
    ///
    /// [`BadDecision`].
    pub fn new(by: &str, why: &str) -> Result<Self, BadDecision> {
        let by = line(by, BY_BYTES_MAX).ok_or(BadDecision::By)?;
        let why = line(why, WHY_BYTES_MAX).ok_or(BadDecision::Why)?;
        Ok(Self { by, why })
    }

    /// Who decided.
    #[must_use]
    pub fn by(&self) -> &str {
        &self.by
    }

    /// Why.
    #[must_use]
    pub fn why(&self) -> &str {
        &self.why
    }
}

fn line(text: &str, bytes_max: usize) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= bytes_max && !text.contains(char::is_control);
    fits.then(|| text.to_owned())
}

impl fmt::Debug for Decision {
    /// Who and why stay out of logs: the reason may speak of a patient.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Decision([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(by: &str, why: &str, expected: Result<(&str, &str), BadDecision>) {
        let made = Decision::new(by, why);
        let shown = made.as_ref().map(|made| (made.by(), made.why())).map_err(|error| *error);
        assert_eq!(shown, expected, "{by:?} {why:?}");
    }

    #[test]
    fn a_decision_names_somebody_and_a_reason_in_a_line_each() {
        check(" ana ", " a test of the vendor's ", Ok(("ana", "a test of the vendor's")));
        for nobody in ["", " \t", "two\nnames", &"x".repeat(BY_BYTES_MAX + 1)] {
            check(nobody, "a reason", Err(BadDecision::By));
        }
        for nothing in ["", " \t", "two\nlines", &"x".repeat(WHY_BYTES_MAX + 1)] {
            check("ana", nothing, Err(BadDecision::Why));
        }
        let longest = ("x".repeat(BY_BYTES_MAX), "y".repeat(WHY_BYTES_MAX));
        check(&longest.0, &longest.1, Ok((&longest.0, &longest.1)));
    }

    #[test]
    fn debug_output_holds_no_word_of_it() {
        let shown = format!("{:?}", Decision::new("ana", "a test").unwrap());
        assert!(!shown.contains("ana") && !shown.contains("test"), "{shown}");
    }
}
