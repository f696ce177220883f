//! Short names that people and machines choose: devices, sites, a clinic's own patient numbers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Longest name in bytes. Serial numbers and record numbers of the field stay below 40; 64 leaves
/// room for a prefix and fits one line of a screen.
pub const SLUG_BYTES_MAX: usize = 64;

/// Why a text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadSlug {
    /// Nothing, or more than [`SLUG_BYTES_MAX`].
    #[error("a name has 1 to {SLUG_BYTES_MAX} characters")]
    Length,
    /// A character outside letters, digits and `. _ -`, or a first one that is no letter or digit.
    /// Such a name could start a formula in a spreadsheet or leave a folder in a path.
    #[error(
        "a name starts with a letter or digit and holds letters, digits, '.', '_' and '-' only"
    )]
    Character,
}

fn check(text: &str) -> Result<(), BadSlug> {
    if text.is_empty() || text.len() > SLUG_BYTES_MAX {
        return Err(BadSlug::Length);
    }
    let mut bytes = text.bytes();
    let first = bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if first && rest { Ok(()) } else { Err(BadSlug::Character) }
}

macro_rules! slug {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The name as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = BadSlug;

            fn from_str(text: &str) -> Result<Self, BadSlug> {
                check(text)?;
                Ok(Self(text.to_owned()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadSlug;

            fn try_from(text: String) -> Result<Self, BadSlug> {
                check(&text)?;
                Ok(Self(text))
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

slug! {
    /// What a clinic calls a device, unique at that clinic: `ward-06-mon`.
    DeviceName
}

slug! {
    /// What the hub's operator calls a clinic, unique at that hub: `north-valley`.
    SiteName
}

/// A clinic's own number for a patient: `ward-p100002`. It points at a person, so it prints as
/// `[redacted]` in debug output; [`as_str`](Self::as_str) is the way to read it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PatientRef(String);

impl PatientRef {
    /// The number as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PatientRef {
    type Err = BadSlug;

    fn from_str(text: &str) -> Result<Self, BadSlug> {
        check(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for PatientRef {
    type Error = BadSlug;

    fn try_from(text: String) -> Result<Self, BadSlug> {
        check(&text)?;
        Ok(Self(text))
    }
}

impl From<PatientRef> for String {
    fn from(name: PatientRef) -> Self {
        name.0
    }
}

impl fmt::Debug for PatientRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatientRef([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_plain_and_cannot_start_a_formula() {
        check_name("ward-06-mon", Ok(()));
        check_name("7", Ok(()));
        check_name("", Err(BadSlug::Length));
        check_name(&"a".repeat(64), Ok(()));
        check_name(&"a".repeat(65), Err(BadSlug::Length));
        check_name("=1+1", Err(BadSlug::Character));
        check_name("-5", Err(BadSlug::Character));
        check_name("../etc", Err(BadSlug::Character));
        check_name("bed 4", Err(BadSlug::Character));
        check_name("Bett-ö", Err(BadSlug::Character));
    }

    #[track_caller]
    fn check_name(text: &str, expected: Result<(), BadSlug>) {
        assert_eq!(text.parse::<DeviceName>().map(|_| ()), expected, "{text:?}");
    }

    #[test]
    fn a_patient_number_is_not_in_debug_output() {
        let number: PatientRef = "mrn-1881".parse().unwrap();
        assert!(!format!("{number:?}").contains("1881"));
    }
}
