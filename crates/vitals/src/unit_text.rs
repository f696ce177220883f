//! The unit of a reading as it was sent, before anything is known about it.

use std::fmt;

/// Longest unit in bytes. The longest units that devices and laboratories send, with annotations,
/// stay below 24 (`{CFU}/100.mL{dilution}`); 32 is the next power of two.
pub const UNIT_BYTES_MAX: usize = 32;

/// A unit as sent: at most [`UNIT_BYTES_MAX`] bytes without control characters. Whether it is UCUM
/// is [`crate::unit`]'s question. Small enough to be copied with its reading.
#[derive(Clone, Copy)]
pub struct UnitText {
    length: u8,
    bytes: [u8; UNIT_BYTES_MAX],
}

/// The text is too long for a unit or holds control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a unit has at most {UNIT_BYTES_MAX} bytes and no control characters")]
pub struct BadUnitText;

impl UnitText {
    /// Takes a text as it was sent.
    ///
    /// # Errors
    ///
    /// [`BadUnitText`] when it is too long or holds control characters.
    pub fn new(text: &str) -> Result<Self, BadUnitText> {
        let mut bytes = [0; UNIT_BYTES_MAX];
        let plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if !plain && text.chars().any(char::is_control) {
            return Err(BadUnitText);
        }
        bytes.get_mut(..text.len()).ok_or(BadUnitText)?.copy_from_slice(text.as_bytes());
        let length = u8::try_from(text.len()).map_err(|_| BadUnitText)?;
        Ok(Self { length, bytes })
    }

    /// The unit as it was sent.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let sent = self.bytes.get(..usize::from(self.length)).unwrap_or_default();
        // Made from a whole str of this length, so this never falls back.
        std::str::from_utf8(sent).unwrap_or_default()
    }
}

impl PartialEq for UnitText {
    fn eq(&self, other: &Self) -> bool {
        self.length == other.length && self.bytes == other.bytes
    }
}

impl Eq for UnitText {}

impl Ord for UnitText {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bytes.cmp(&other.bytes).then(self.length.cmp(&other.length))
    }
}

impl PartialOrd for UnitText {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl std::hash::Hash for UnitText {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl fmt::Display for UnitText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for UnitText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_short_and_printable_and_comes_back_as_sent() {
        check("mm[Hg]", true);
        check("", true);
        check("°C", true);
        check(&"g".repeat(32), true);
        check(&"g".repeat(33), false);
        check("m\ng", false);
        check("mg\0", false);
        check("mg\u{85}", false);
    }

    #[track_caller]
    fn check(text: &str, good: bool) {
        let unit = UnitText::new(text);
        assert_eq!(unit.is_ok(), good, "{text:?}");
        if let Ok(unit) = unit {
            assert_eq!(unit.as_str(), text);
        }
    }
}
