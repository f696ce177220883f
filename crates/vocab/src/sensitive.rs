//! A value about a person, kept out of logs by its type.

use std::fmt;

/// Wraps a value about a person. Debug output is `[redacted]`; [`reveal`](Self::reveal) is the one
/// way in, so that every use can be found by searching for the word.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Wraps `value`.
    pub const fn new(value: T) -> Self {
        Self(value)
    }

    /// The value, for storing it or showing it to somebody who may see it.
    pub const fn reveal(&self) -> &T {
        &self.0
    }

    /// The value itself.
    pub fn into_revealed(self) -> T {
        self.0
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_holds_nothing_of_the_value() {
        assert_eq!(format!("{:?}", Sensitive::new("Asha Devi")), "[redacted]");
    }
}
