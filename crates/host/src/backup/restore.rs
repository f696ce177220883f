//! Bringing a node back from a backup, into a folder that holds no data.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use store::Connection;

use super::generations::{About, Backup, choose, sync};
use super::unpack::{not_sound, unpack};
use super::{BackupError, Cause};
use crate::DataFolder;
pub use crate::folder::Keys;
use crate::folder::{FolderError, ROTATION_FILES, has_keys};

/// The database while it is not ready; it gets its name last.
const RESTORING: &str = "data.db.restoring";

/// What may be in a folder that takes a restore, beside keys: what an operator left there, and what a
/// restore that was broken off did.
const HARMLESS: [&str; 7] =
    ["lock", "config.toml", "control.sock", "database.key", "node.key", "tls.key", RESTORING];

/// Brings the backup `from`, or the newest in the folder `from`, into the data folder `into`. It has the
/// keys, or `keys` is a file that `save-keys` wrote; `about` says whose keys they are. `prepare` changes
/// the database before it can be opened by anybody: a power cut leaves a database that was prepared,
/// or none.
///
/// # Errors
///
/// [`BackupError`] in one sentence; a database is never overwritten.
pub fn restore(
    from: &Path,
    keys: Option<&Path>,
    into: &Path,
    about: impl FnOnce(&Keys) -> About,
    prepare: impl FnOnce(&mut Connection) -> Result<(), Cause>,
) -> Result<Backup, BackupError> {
    let given = keys.map(Keys::read).transpose()?;
    if given.is_none() && !has_keys(into) {
        return Err(BackupError::KeysNeeded);
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(into)
        .map_err(BackupError::io("making", into))?;
    let folder = DataFolder::open(into)?;
    check_free(&folder)?;
    let keys = match given {
        Some(given) if has_keys(into) && given != Keys::of_folder(into)? => {
            return Err(BackupError::OtherKeys(into.to_owned()));
        }
        Some(given) => given,
        None => Keys::of_folder(into)?,
    };
    let backup = choose(from, &about(&keys))?;
    let target = folder.file(RESTORING);
    let mut conn = unpack(&backup, &keys.database_key(), &target)?;
    prepare(&mut conn)
        .map_err(|source| BackupError::NotSound { path: backup.path.clone(), source })?;
    store::empty_wal(&conn).map_err(not_sound(&backup))?;
    // The last to close a database removes what stands beside it.
    conn.close().map_err(|(_, error)| not_sound(&backup)(error))?;
    fs::File::open(&target)
        .and_then(|file| file.sync_all())
        .map_err(BackupError::io("writing", &target))?;
    // Only now, so that a restore that was refused leaves no keys behind.
    match keys.put_into(&folder) {
        Err(FolderError::AlreadyThere { .. }) => {
            return Err(BackupError::OtherKeys(into.to_owned()));
        }
        done => done?,
    }
    let database = folder.database();
    fs::rename(&target, &database).map_err(BackupError::io("naming", &database))?;
    sync(into)?;
    Ok(backup)
}

fn check_free(folder: &DataFolder) -> Result<(), BackupError> {
    let path = folder.path();
    let database = folder.database();
    let mut others = Vec::new();
    for entry in fs::read_dir(path).map_err(BackupError::io("reading", path))? {
        let entry = entry.map_err(BackupError::io("reading", path))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.path() == database || name.starts_with("data.db-") {
            return Err(BackupError::HoldsData(path.to_owned()));
        }
        let harmless = HARMLESS.contains(&name.as_str()) || ROTATION_FILES.contains(&name.as_str());
        if !harmless && !name.starts_with(RESTORING) {
            others.push(name);
        }
    }
    others.sort();
    match others.into_iter().next() {
        Some(what) => Err(BackupError::NotEmpty { folder: path.to_owned(), what }),
        None => Ok(()),
    }
}
