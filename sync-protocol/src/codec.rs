//! One meaning, one byte string: decoding refuses whatever encoding would not have written.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why bytes are not a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Not the shape of the type, or cut short.
    #[error("malformed message")]
    Malformed,
    /// Bytes after the end, or a number in a longer form than it needs.
    #[error("message is not in its canonical form")]
    NotCanonical,
    /// Longer than its limit.
    #[error("message is longer than its limit")]
    TooLong,
}

/// The bytes of `value`.
///
/// Our own types always encode; the empty answer for one that would not is refused by every reader.
#[must_use]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    postcard::to_allocvec(value).unwrap_or_default()
}

/// Reads the one value that encodes to exactly `bytes`.
///
/// # Errors
///
/// [`CodecError`] for anything else, trailing bytes and overlong numbers included.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let value: T = postcard::from_bytes(bytes).map_err(|_| CodecError::Malformed)?;
    // postcard takes overlong numbers and ignores what follows; writing it again shows both.
    if encode(&value) == bytes { Ok(value) } else { Err(CodecError::NotCanonical) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailing_bytes_overlong_numbers_and_cut_ones_are_refused() {
        assert_eq!(decode::<u32>(&[5]), Ok(5));
        assert_eq!(decode::<u32>(&[5, 0]), Err(CodecError::NotCanonical));
        assert_eq!(decode::<u32>(&[0x85, 0x00]), Err(CodecError::NotCanonical));
        assert_eq!(decode::<u32>(&[0x85]), Err(CodecError::Malformed));
        assert_eq!(decode::<u32>(&[]), Err(CodecError::Malformed));
    }
}
