//! The name that a device gives to a batch.

use std::fmt;
use std::str::FromStr;

use vocab::BadSlug;
use vocab::slug::SLUG_BYTES_MAX;

/// A batch's name, unique for its device. The same name again with the same body is answered with
/// the same receipt.
///
/// Written as other names are: 1 to 64 letters, digits, `.`, `_`, `-`, the first a letter or digit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(Box<str>);

impl BatchId {
    /// The name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BatchId {
    type Err = BadSlug;

    fn from_str(text: &str) -> Result<Self, BadSlug> {
        if text.is_empty() || text.len() > SLUG_BYTES_MAX {
            return Err(BadSlug::Length);
        }
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        let rest = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
        if first && rest { Ok(Self(text.into())) } else { Err(BadSlug::Character) }
    }
}

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_named_as_devices_are() {
        check("2026-06-12T17-22.a_1", Ok(()));
        check("", Err(BadSlug::Length));
        check(&"b".repeat(64), Ok(()));
        check(&"b".repeat(65), Err(BadSlug::Length));
        check("-1", Err(BadSlug::Character));
        check("a\"b", Err(BadSlug::Character));
        check("a/b", Err(BadSlug::Character));
    }

    #[track_caller]
    fn check(text: &str, expected: Result<(), BadSlug>) {
        assert_eq!(text.parse::<BatchId>().map(|_| ()), expected, "{text:?}");
        assert_eq!(text.parse::<vocab::DeviceName>().map(|_| ()), expected, "{text:?}");
    }
}
