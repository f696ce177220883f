//! Making a backup: copied, synced, read back, and only then given its name.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Read as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

use store::{Connection, DatabaseKey, StoreError};
use vocab::Timestamp;

use super::generations::{About, Backup, next, prune, sync};
use super::manifest::Manifest;
use super::{BackupError, Cause};

/// The database in a backup.
pub(super) const DATABASE_FILE: &str = "data.db";

/// Bytes read at once for a digest.
const PIECE_BYTES: usize = 1024 * 1024;

/// What stands in the manifest beside what the copy says.
pub(super) struct Moment {
    pub(super) incarnation: Option<u64>,
    pub(super) made_at: Timestamp,
}

/// Copies what `conn` sees into a new backup in `folder`, keeps the newest `keep` of this node, and
/// answers with what `look` found in the copy, as it was read back.
///
/// The caller holds one state of the database open and has read from it.
pub(super) fn make<T>(
    conn: &Connection,
    key: &DatabaseKey,
    (folder, keep): (&Path, usize),
    about: &About,
    moment: &Moment,
    look: impl FnOnce(&Connection) -> Result<T, Cause>,
) -> Result<(Backup, T), BackupError> {
    let (number, unfinished, path) = next(folder, about)?;
    let made = write(conn, key, &unfinished, about, (number, moment), look);
    let (manifest, found) = match made {
        Ok(made) => made,
        Err(error) => {
            // The next attempt removes what cannot be removed now.
            let _ = fs::remove_dir_all(&unfinished);
            return Err(error);
        }
    };
    fs::rename(&unfinished, &path).map_err(BackupError::io("naming", &path))?;
    sync(folder)?;
    if let Err(error) = prune(folder, about, keep) {
        // The new one is whole; the next attempt tries again.
        tracing::warn!(%error, "older backups could not be removed");
    }
    Ok((Backup { path, manifest }, found))
}

fn write<T>(
    conn: &Connection,
    key: &DatabaseKey,
    unfinished: &Path,
    about: &About,
    (number, moment): (u64, &Moment),
    look: impl FnOnce(&Connection) -> Result<T, Cause>,
) -> Result<(Manifest, T), BackupError> {
    DirBuilder::new()
        .mode(0o700)
        .create(unfinished)
        .map_err(BackupError::io("making", unfinished))?;
    let file = unfinished.join(DATABASE_FILE);
    store::copy(conn, &file, key)
        .map_err(|source| BackupError::Copy { path: unfinished.to_owned(), source })?;
    File::open(&file)
        .and_then(|file| file.sync_all())
        .map_err(BackupError::io("writing", &file))?;
    let not_read_back =
        |source: Cause| BackupError::NotReadBack { path: unfinished.to_owned(), source };
    let (rows, found) = read_back(&file, key, look).map_err(not_read_back)?;
    // After the checks, so that it is the digest of what was found sound.
    let (bytes, digest) = digest(&file)?;
    let manifest = Manifest {
        program: about.program.to_owned(),
        node: about.node.clone(),
        version: about.version.to_owned(),
        incarnation: moment.incarnation,
        made_at: moment.made_at,
        number,
        bytes,
        digest,
        rows,
    };
    manifest.write(unfinished)?;
    Ok((manifest, found))
}

type Read<T> = (std::collections::BTreeMap<String, u64>, T);

fn read_back<T>(
    file: &Path,
    key: &DatabaseKey,
    look: impl FnOnce(&Connection) -> Result<T, Cause>,
) -> Result<Read<T>, Cause> {
    let copy = store::open_copy(file, key)?;
    store::snapshot(&copy, |copy| {
        store::check_file(copy)?;
        Ok((store::row_counts(copy)?, look(copy)?))
    })
    .map_err(|error: StoreError| Cause::from(error))?
}

/// Length and BLAKE3 of a file.
fn digest(path: &Path) -> Result<(u64, [u8; 32]), BackupError> {
    let read = || -> io::Result<(u64, [u8; 32])> {
        let mut file = File::open(path)?;
        let mut hasher = blake3::Hasher::new();
        let mut piece = vec![0; PIECE_BYTES];
        let mut bytes = 0;
        loop {
            let read = file.read(&mut piece)?;
            if read == 0 {
                return Ok((bytes, *hasher.finalize().as_bytes()));
            }
            bytes += read as u64;
            hasher.update(piece.get(..read).unwrap_or_default());
        }
    };
    read().map_err(BackupError::io("reading", path))
}
