//! The devices' keys, as `edge-node device import` prints them: CSV `device_id,key`.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Bytes of a list of keys: ten thousand devices at 120 bytes each, rounded up.
const KEYS_BYTES_MAX: u64 = 2 << 20;

const HEADER: [&str; 2] = ["device_id", "key"];

/// Each device's key.
#[derive(Clone, Default)]
pub struct Keys(BTreeMap<String, String>);

/// Why there are no keys. The keys themselves are never said.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The file cannot be read.
    #[error("reading {}", path.display())]
    Read {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The first line is not the header.
    #[error("line 1 of the keys is not the header device_id,key")]
    Header,
    /// A line has another number of fields, or a key cannot stand in a header.
    #[error("line {line} of the keys is not device_id,key")]
    Line {
        /// Counted from 1, the header being the first.
        line: u64,
    },
}

impl Keys {
    /// Reads a file of keys.
    ///
    /// # Errors
    ///
    /// As [`KeysError`].
    pub fn open(path: &Path) -> Result<Self, KeysError> {
        let mut text = String::new();
        File::open(path)
            .and_then(|file| file.take(KEYS_BYTES_MAX).read_to_string(&mut text))
            .map_err(|source| KeysError::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Reads keys from text.
    ///
    /// # Errors
    ///
    /// [`KeysError::Header`] or [`KeysError::Line`].
    pub fn parse(text: &str) -> Result<Self, KeysError> {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
        let mut records = reader.records();
        let header = records.next().and_then(Result::ok);
        if header.is_none_or(|header| header != HEADER[..]) {
            return Err(KeysError::Header);
        }
        let mut keys = BTreeMap::new();
        for record in records {
            let record = record.map_err(|error| KeysError::Line {
                line: error.position().map_or(0, csv::Position::line),
            })?;
            let line = record.position().map_or(0, csv::Position::line);
            // A long list is made in parts, each with its own header.
            if record == HEADER[..] {
                continue;
            }
            match (record.get(0), record.get(1)) {
                (Some(device), Some(key)) if is_key(key) => {
                    keys.insert(device.to_owned(), key.to_owned());
                }
                _ => return Err(KeysError::Line { line }),
            }
        }
        Ok(Self(keys))
    }

    /// The key of `device`, where it has one.
    #[must_use]
    pub fn of(&self, device: &str) -> Option<&str> {
        self.0.get(device).map(String::as_str)
    }
}

/// Visible ASCII: what a header may carry after `Bearer`.
fn is_key(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl fmt::Debug for Keys {
    /// Keys stay out of logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({} devices)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_the_key_of_its_line() {
        let keys = Keys::parse("device_id,key\na-mon,k1\nb-mon,k2\n").unwrap();
        assert_eq!(keys.of("b-mon"), Some("k2"));
        assert_eq!(keys.of("c-mon"), None);
        assert_eq!(format!("{keys:?}"), "Keys(2 devices)");
    }

    #[test]
    fn lists_one_after_the_other_are_one_list() {
        let keys = Keys::parse("device_id,key\na-mon,k1\ndevice_id,key\nb-mon,k2\n").unwrap();
        assert_eq!(format!("{keys:?}"), "Keys(2 devices)");
    }

    #[test]
    fn a_wrong_line_is_named_and_not_shown() {
        check("a-mon,k1\n", "line 1 of the keys is not the header device_id,key");
        check("device_id,key\na-mon,k1\nb-mon\n", "line 3 of the keys is not device_id,key");
        check("device_id,key\na-mon,\n", "line 2 of the keys is not device_id,key");
        check("device_id,key\na-mon,\"k\n1\"\n", "line 2 of the keys is not device_id,key");
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(Keys::parse(text).unwrap_err().to_string(), expected);
    }
}
