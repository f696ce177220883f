//! Bringing the database of a backup out, as far as both a drill and a restore do it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use store::{Access, Connection, DatabaseKey, StoreError};

use super::make::DATABASE_FILE;
use super::{Backup, BackupError};

/// Bytes copied at once.
const PIECE_BYTES: usize = 1024 * 1024;

/// Copies the database of `backup` to `target`, compares it with the manifest on the way, and opens it
/// with `key`. A file at `target` is left from an attempt that was broken off, and replaced.
pub(super) fn unpack(
    backup: &Backup,
    key: &DatabaseKey,
    target: &Path,
) -> Result<Connection, BackupError> {
    for end in ["", "-wal", "-shm"] {
        let mut name = target.as_os_str().to_owned();
        name.push(end);
        match fs::remove_file(&name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(BackupError::io("removing", Path::new(&name))(error));
            }
            _ => {}
        }
    }
    let file = backup.path.join(DATABASE_FILE);
    let written = &backup.manifest;
    let (bytes, digest) = copy(&file, target)?;
    if bytes != written.bytes {
        return Err(BackupError::OtherLength { path: file, written: written.bytes, found: bytes });
    }
    if digest != written.digest {
        return Err(BackupError::OtherBytes(file));
    }
    let conn = match store::open(target, key, Access::Write) {
        Ok(conn) => conn,
        Err(StoreError::WrongKey) => return Err(BackupError::WrongKey(backup.path.clone())),
        Err(error) => return Err(not_sound(backup)(error)),
    };
    store::check_file(&conn).map_err(not_sound(backup))?;
    let found = store::row_counts(&conn).map_err(not_sound(backup))?;
    let tables = found.keys().chain(written.rows.keys());
    for table in tables {
        let (written, found) = (written.rows_of(table), found.get(table).copied().unwrap_or(0));
        if written != found {
            let (path, table) = (backup.path.clone(), table.clone());
            return Err(BackupError::OtherRows { path, table, written, found });
        }
    }
    Ok(conn)
}

pub(super) fn not_sound<E: std::error::Error + Send + Sync + 'static>(
    backup: &Backup,
) -> impl FnOnce(E) -> BackupError {
    let path = backup.path.clone();
    move |error| BackupError::NotSound { path, source: error.into() }
}

/// Copies a file, synced; answers its length and digest.
fn copy(from: &Path, to: &Path) -> Result<(u64, [u8; 32]), BackupError> {
    let mut source = File::open(from).map_err(BackupError::io("reading", from))?;
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(BackupError::io("writing", to))?;
    let mut hasher = blake3::Hasher::new();
    let mut piece = vec![0; PIECE_BYTES];
    let mut bytes = 0;
    loop {
        let read = source.read(&mut piece).map_err(BackupError::io("reading", from))?;
        let Some(read @ [_, ..]) = piece.get(..read) else { break };
        bytes += read.len() as u64;
        hasher.update(read);
        target.write_all(read).map_err(BackupError::io("writing", to))?;
    }
    target.sync_all().map_err(BackupError::io("writing", to))?;
    Ok((bytes, *hasher.finalize().as_bytes()))
}
