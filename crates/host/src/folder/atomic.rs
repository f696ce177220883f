//! Files that are there whole or not at all, also after a power cut.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::FolderError;

/// Writes `bytes` to the file at `path` for its owner only, in place of what was there.
///
/// A power cut leaves the old file or the new one. A reader never sees half of it.
///
/// # Errors
///
/// [`FolderError`]; the old file is as it was.
pub fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let half_done = write_beside(path, bytes)?;
    fs::rename(&half_done, path).map_err(FolderError::io("writing", path))?;
    sync_folder_of(path)
}

/// As [`write_whole`], but leaves a file that is there as it is.
///
/// # Errors
///
/// [`FolderError`].
pub fn write_missing(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    if path.exists() { Ok(()) } else { write_whole(path, bytes) }
}

/// As [`write_whole`], but refuses when the file is there already.
pub(super) fn write_new(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let half_done = write_beside(path, bytes)?;
    // Unlike a rename a hard link does not replace.
    let linked = fs::hard_link(&half_done, path).map_err(FolderError::io("writing", path));
    let removed = fs::remove_file(&half_done).map_err(FolderError::io("removing", &half_done));
    linked.and(removed)?;
    sync_folder_of(path)
}

/// Puts the bytes on the disk under another name in the same folder.
fn write_beside(path: &Path, bytes: &[u8]) -> Result<PathBuf, FolderError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let half_done = path.with_file_name(name);
    let write = || -> io::Result<()> {
        match fs::remove_file(&half_done) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file =
            OpenOptions::new().write(true).create_new(true).mode(0o600).open(&half_done)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(FolderError::io("writing", &half_done))?;
    Ok(half_done)
}

/// The name of a file is on the disk only when its folder is.
pub(super) fn sync_folder_of(path: &Path) -> Result<(), FolderError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(FolderError::io("writing", folder))
}

/// Puts the name of the folder at `path`, and those of the folders above it that may be as new, on
/// the disk.
pub(super) fn sync_names_above(path: &Path) -> Result<(), FolderError> {
    for below in path.ancestors().filter(|below| below.file_name().is_some()) {
        match sync_folder_of(below) {
            // Whoever may not look into a folder has made nothing in it.
            Err(FolderError::Io { source, .. })
                if source.kind() == io::ErrorKind::PermissionDenied => {}
            done => done?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_whole(&path, b"first").unwrap();
        fs::write(folder.path().join("a.new"), "left by a power cut").unwrap();
        write_whole(&path, b"second").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"second");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_new_file_never_replaces_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_new(&path, b"first").unwrap();
        assert!(matches!(write_new(&path, b"second"), Err(FolderError::AlreadyThere { .. })));
        assert_eq!(fs::read(&path).unwrap(), b"first");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
