//! Files that hold 32 secret bytes each, as one line of hexadecimal digits with a checksum behind them:
//! a key with a flipped bit is another key, and the node would be somebody else.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use data_encoding::HEXLOWER_PERMISSIVE;
use zeroize::Zeroizing;

use super::{FolderError, OTHERS, atomic};

/// 64 digits, a space, 8 digits of the checksum and a line end; more is no key.
const TEXT_BYTES_MAX: u64 = 75;

/// The first bytes of a BLAKE3 hash. They betray nothing of 256 random bits that stand beside them.
const CHECK_BYTES: usize = 4;

/// Writes `bytes` to a file that is not there yet.
pub(super) fn make(path: &Path, bytes: &Zeroizing<[u8; 32]>) -> Result<(), FolderError> {
    let mut text = Zeroizing::new(String::with_capacity(80));
    text.push_str(&Zeroizing::new(HEXLOWER_PERMISSIVE.encode(bytes.as_ref())));
    text.push(' ');
    text.push_str(&HEXLOWER_PERMISSIVE.encode(&check(bytes)));
    text.push('\n');
    atomic::write_new(path, text.as_bytes())
}

/// Reads the file, unless others than its owner can.
pub(super) fn read(path: &Path) -> Result<Zeroizing<[u8; 32]>, FolderError> {
    let file = File::open(path).map_err(FolderError::io("reading", path))?;
    // Asked of the open file, so that it cannot be exchanged between the question and the read.
    let found = file.metadata().map_err(FolderError::io("reading", path))?;
    if found.permissions().mode() & OTHERS != 0 {
        return Err(FolderError::TooOpen { path: path.to_owned(), chmod: "600" });
    }
    let mut text = Zeroizing::new(String::with_capacity(80));
    file.take(TEXT_BYTES_MAX)
        .read_to_string(&mut text)
        .map_err(FolderError::io("reading", path))?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    // Folders of the time before there were checksums have keys alone.
    let (key, sum) = line.split_once(' ').map_or((line, None), |(key, sum)| (key, Some(sum)));
    let bad = || FolderError::BadKey { path: path.to_owned() };
    let bytes = HEXLOWER_PERMISSIVE.decode(key.as_bytes()).map_err(|_| bad())?;
    let bytes = Zeroizing::new(bytes);
    let bytes = Zeroizing::new(bytes.as_slice().try_into().map_err(|_| bad())?);
    let is_right = |sum: &str| {
        HEXLOWER_PERMISSIVE.decode(sum.as_bytes()).is_ok_and(|sum| sum == check(&bytes))
    };
    if sum.is_none_or(is_right) { Ok(bytes) } else { Err(bad()) }
}

fn check(bytes: &[u8; 32]) -> [u8; CHECK_BYTES] {
    let mut sum = [0; CHECK_BYTES];
    blake3::Hasher::new().update(bytes).finalize_xof().fill(&mut sum);
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_key_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        for text in ["", "00", &"0".repeat(63), &"0".repeat(66), &"g".repeat(64)] {
            atomic::write_whole(&path, text.as_bytes()).unwrap();
            assert!(matches!(read(&path), Err(FolderError::BadKey { .. })), "{text:?}");
        }
        atomic::write_whole(&path, "ab".repeat(32).as_bytes()).unwrap();
        assert_eq!(*read(&path).unwrap(), [0xab; 32]);
    }

    #[test]
    fn no_flipped_bit_makes_another_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.key");
        make(&path, &Zeroizing::new([0xab; 32])).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            atomic::write_whole(&path, &flipped).unwrap();
            match read(&path) {
                // A digit in capitals is the same digit.
                Ok(key) => assert_eq!(*key, [0xab; 32], "bit {bit}"),
                Err(FolderError::BadKey { .. } | FolderError::Io { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
}
