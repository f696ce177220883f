//! Files that hold 32 secret bytes each, as one line of hexadecimal digits.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use data_encoding::HEXLOWER_PERMISSIVE;
use zeroize::Zeroizing;

use super::{FolderError, OTHERS, atomic};

/// 64 digits and a line end; more is no key.
const TEXT_BYTES_MAX: u64 = 66;

/// Writes `bytes` to a file that is not there yet.
pub(super) fn make(path: &Path, bytes: &Zeroizing<[u8; 32]>) -> Result<(), FolderError> {
    let text = Zeroizing::new(HEXLOWER_PERMISSIVE.encode(bytes.as_ref()) + "\n");
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
    let bad = || FolderError::BadKey { path: path.to_owned() };
    let bytes = HEXLOWER_PERMISSIVE.decode(text.trim_end().as_bytes()).map_err(|_| bad())?;
    let bytes = Zeroizing::new(bytes);
    Ok(Zeroizing::new(bytes.as_slice().try_into().map_err(|_| bad())?))
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
}
