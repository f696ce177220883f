//! Going over to new keys: they lie beside the old ones until the hub has taken them, and then take
//! their place file by file, so that a crash at any point leaves a folder that says how far it came.
//!
//! | files beside the keys | what that says |
//! |---|---|
//! | none, or `node.key.next` alone | nothing is prepared |
//! | both | prepared: whether the hub knows them already, it says when asked |
//! | `tls.key.next` alone | the hub has taken them, and the signing key is in its place already |

use std::fs;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use zeroize::Zeroizing;

use super::{DataFolder, FolderError, NODE_KEY_FILE, Seeds, TLS_KEY_FILE, atomic, secret};
use crate::Random;

pub(crate) const NEXT_NODE_KEY_FILE: &str = "node.key.next";
pub(crate) const NEXT_TLS_KEY_FILE: &str = "tls.key.next";
/// What was said to the hub to let the new keys in, for a hub that comes back from a backup of the time
/// before. No secret.
pub(crate) const REQUEST_FILE: &str = "rotation.request";
/// The public key that the node began with: its backups go on under that name. No secret.
pub(crate) const NAME_FILE: &str = "node.name";

/// Longest request that is kept.
const REQUEST_BYTES_MAX: u64 = 4 * 1024;

/// Digits of a name.
const NAME_DIGITS: u64 = 64;

impl DataFolder {
    /// Makes the next keys, unless they are prepared already; answers whether it made them.
    ///
    /// # Errors
    ///
    /// [`FolderError`]; the keys in use are not touched.
    pub fn prepare_next(&self, random: &Random) -> Result<bool, FolderError> {
        let prepared = self.next_seeds()?.is_some();
        for name in [NEXT_NODE_KEY_FILE, NEXT_TLS_KEY_FILE] {
            match secret::make(&self.file(name), &Zeroizing::new(random.bytes())) {
                Ok(()) | Err(FolderError::AlreadyThere { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(!prepared)
    }

    /// The next keys, if both are prepared.
    ///
    /// # Errors
    ///
    /// [`FolderError`], as for every secret: too open, or damaged.
    pub fn next_seeds(&self) -> Result<Option<Seeds>, FolderError> {
        let (node, tls) = (self.file(NEXT_NODE_KEY_FILE), self.file(NEXT_TLS_KEY_FILE));
        if !node.exists() || !tls.exists() {
            return Ok(None);
        }
        Ok(Some(Seeds { node: secret::read(&node)?, tls: secret::read(&tls)? }))
    }

    /// Puts the next keys in the place of those in use. `request` is what the hub took them by, and
    /// `name` the public key that signed until now, which stays the name of the node's backups.
    ///
    /// # Errors
    ///
    /// [`FolderError`]; called again, it goes on where it stopped.
    pub fn install_next(&self, request: &[u8], name: &[u8; 32]) -> Result<(), FolderError> {
        atomic::write_missing(&self.file(NAME_FILE), HEXLOWER.encode(name).as_bytes())?;
        atomic::write_whole(&self.file(REQUEST_FILE), request)?;
        replace(&self.file(NEXT_NODE_KEY_FILE), &self.file(NODE_KEY_FILE))?;
        self.finish_next()
    }

    /// Finishes an installation that a crash interrupted; does nothing where none was.
    ///
    /// # Errors
    ///
    /// [`FolderError`].
    pub fn finish_next(&self) -> Result<(), FolderError> {
        if is_half_done(self.path()) {
            replace(&self.file(NEXT_TLS_KEY_FILE), &self.file(TLS_KEY_FILE))?;
        }
        Ok(())
    }

    /// What the hub took the keys in use by, if they are not the first ones.
    ///
    /// # Errors
    ///
    /// [`FolderError`].
    pub fn rotation_request(&self) -> Result<Option<Vec<u8>>, FolderError> {
        read_short(&self.file(REQUEST_FILE), REQUEST_BYTES_MAX)
    }
}

/// Whether the signing key is in its place already and the connection key is not.
fn is_half_done(data: &Path) -> bool {
    data.join(NEXT_TLS_KEY_FILE).exists() && !data.join(NEXT_NODE_KEY_FILE).exists()
}

/// Where the connection key is that goes with the signing key in use.
pub(super) fn tls_key_file(data: &Path) -> PathBuf {
    data.join(if is_half_done(data) { NEXT_TLS_KEY_FILE } else { TLS_KEY_FILE })
}

/// The public key that the node began with, if it has another now.
pub(super) fn name(data: &Path) -> Result<Option<[u8; 32]>, FolderError> {
    let path = data.join(NAME_FILE);
    let Some(text) = read_short(&path, NAME_DIGITS + 1)? else { return Ok(None) };
    let bytes = HEXLOWER.decode(text.trim_ascii_end()).ok().and_then(|name| name.try_into().ok());
    bytes.map(Some).ok_or(FolderError::BadKey { path })
}

/// Writes that name, unless one is there.
pub(super) fn keep_name(data: &Path, name: &[u8; 32]) -> Result<(), FolderError> {
    atomic::write_missing(&data.join(NAME_FILE), HEXLOWER.encode(name).as_bytes())
}

fn read_short(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, FolderError> {
    match fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Ok(found) if found.len() > bytes_max => {
            return Err(FolderError::BadKey { path: path.to_owned() });
        }
        found => found.map_err(FolderError::io("reading", path))?,
    };
    fs::read(path).map(Some).map_err(FolderError::io("reading", path))
}

fn replace(next: &Path, place: &Path) -> Result<(), FolderError> {
    fs::rename(next, place).map_err(FolderError::io("writing", place))?;
    atomic::sync_folder_of(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::Keys;

    fn folder(parent: &tempfile::TempDir) -> DataFolder {
        let path = parent.path().join("data");
        DataFolder::create(&path, &Random::seeded(1), |_| Ok::<_, FolderError>(())).unwrap()
    }

    #[test]
    fn new_keys_wait_beside_the_old_ones_and_take_their_place_together() {
        let parent = tempfile::tempdir().unwrap();
        let folder = folder(&parent);
        let old = folder.seeds().unwrap();
        assert!(folder.next_seeds().unwrap().is_none());
        assert!(folder.prepare_next(&Random::seeded(2)).unwrap());
        let next = folder.next_seeds().unwrap().unwrap();
        assert!(!folder.prepare_next(&Random::seeded(3)).unwrap(), "they are prepared once");
        assert_eq!(*folder.next_seeds().unwrap().unwrap().node, *next.node);
        assert_eq!(*folder.seeds().unwrap().node, *old.node);
        assert_ne!(*next.node, *old.node);
        folder.install_next(b"asked", &[7; 32]).unwrap();
        let now = folder.seeds().unwrap();
        assert_eq!((*now.node, *now.tls), (*next.node, *next.tls));
        assert!(folder.next_seeds().unwrap().is_none());
        assert_eq!(folder.rotation_request().unwrap().as_deref(), Some(&b"asked"[..]));
        // The name is that of the first key, whatever follows.
        folder.prepare_next(&Random::seeded(4)).unwrap();
        folder.install_next(b"again", &[8; 32]).unwrap();
        assert_eq!(Keys::of_folder(folder.path()).unwrap().name(), Some(&[7; 32]));
    }

    #[test]
    fn a_crash_at_any_step_leaves_a_pair_of_keys_that_belong_together() {
        let parent = tempfile::tempdir().unwrap();
        let folder = folder(&parent);
        let old = folder.seeds().unwrap();
        // Between the two new files.
        secret::make(&folder.file(NEXT_NODE_KEY_FILE), &Zeroizing::new([5; 32])).unwrap();
        assert!(folder.next_seeds().unwrap().is_none());
        folder.finish_next().unwrap();
        assert_eq!(
            (*folder.seeds().unwrap().node, *folder.seeds().unwrap().tls),
            (*old.node, *old.tls)
        );
        assert!(folder.prepare_next(&Random::seeded(2)).unwrap());
        let next = folder.next_seeds().unwrap().unwrap();
        assert_eq!(*next.node, [5; 32], "what was made is kept");
        // Between the two places.
        replace(&folder.file(NEXT_NODE_KEY_FILE), &folder.file(NODE_KEY_FILE)).unwrap();
        let half = folder.seeds().unwrap();
        assert_eq!((*half.node, *half.tls), (*next.node, *next.tls));
        assert_eq!(Keys::of_folder(folder.path()).unwrap().node_seed(), &*next.node);
        folder.finish_next().unwrap();
        let done = folder.seeds().unwrap();
        assert_eq!((*done.node, *done.tls), (*next.node, *next.tls));
        assert!(folder.next_seeds().unwrap().is_none());
    }
}
