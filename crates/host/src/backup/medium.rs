//! Where backups may go, and whether that is another medium than the data's.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::BackupError;

/// A folder that can take backups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Medium {
    /// Whether it is on another file system than the data folder.
    pub(super) second: bool,
}

/// Looks at `folder` beside the data folder `data`.
pub(super) fn look(folder: &Path, data: &Path) -> Result<Medium, BackupError> {
    if folder.as_os_str().is_empty() {
        return Err(BackupError::NoFolder);
    }
    if !folder.is_absolute() {
        return Err(BackupError::Relative(folder.to_owned()));
    }
    let missing = |_| BackupError::FolderMissing(folder.to_owned());
    let real = fs::canonicalize(folder).map_err(missing)?;
    let there = fs::metadata(&real).map_err(missing)?;
    if !there.is_dir() {
        return Err(BackupError::FolderMissing(folder.to_owned()));
    }
    let here = fs::metadata(data).map_err(BackupError::io("reading", data))?;
    let data = fs::canonicalize(data).map_err(BackupError::io("reading", data))?;
    if real.starts_with(&data) {
        return Err(BackupError::InDataFolder(folder.to_owned()));
    }
    Ok(Medium { second: there.dev() != here.dev() })
}
