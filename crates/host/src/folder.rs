//! The data folder: everything a house keeps, readable by its owner only, used by one program at a
//! time.

mod atomic;
mod keys;
mod rotation;
mod secret;

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use store::{DatabaseKey, StoreError, WalState};
use zeroize::Zeroizing;

pub(crate) use atomic::sync_folder_of;
pub use atomic::{write_missing, write_whole};
pub use keys::Keys;

use crate::Random;

/// Locked while a program uses the folder.
const LOCK_FILE: &str = "lock";
const DATABASE_FILE: &str = "data.db";
const DATABASE_KEY_FILE: &str = "database.key";
/// The seed of the key that signs what this node writes.
const NODE_KEY_FILE: &str = "node.key";
/// The seed of the key that its connections are known by; another key, so that neither can be
/// made to sign for the other.
const TLS_KEY_FILE: &str = "tls.key";
const CONTROL_SOCKET: &str = "control.sock";
const CONFIG_FILE: &str = "config.toml";

/// Permission bits of everybody but the owner.
pub(crate) const OTHERS: u32 = 0o077;

/// Why the data folder, or a file in it, cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FolderError {
    /// There is nothing yet; `init` makes it.
    #[error("{} is missing; run init first", path.display())]
    Missing {
        /// What was looked for.
        path: PathBuf,
    },
    /// The folder is there, and something that belongs into it is not.
    #[error("{} is missing from a folder that is in use; put it back from a copy, or keep the folder aside and run init for a new one", path.display())]
    Lost {
        /// What was looked for.
        path: PathBuf,
    },
    /// It is there already and would be overwritten.
    #[error("{} exists already and is left as it is", path.display())]
    AlreadyThere {
        /// What is there.
        path: PathBuf,
    },
    /// Others than the owner can get at it, so it may be known already.
    #[error("{} can be used by others than its owner; run: chmod {chmod} {}", path.display(), path.display())]
    TooOpen {
        /// The file or folder.
        path: PathBuf,
        /// The mode it should have.
        chmod: &'static str,
    },
    /// Another program works in this folder.
    #[error("a program is running in {} already; ask it with the status command, or stop it first", path.display())]
    Held {
        /// The folder.
        path: PathBuf,
    },
    /// A key file does not hold 64 hexadecimal digits.
    #[error("{} holds no key; restore it from a backup", path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
    },
    /// The log of the database.
    #[error(transparent)]
    Log(#[from] StoreError),
    /// A file is not as `save-keys` wrote it.
    #[error("{} is no copy of keys as save-keys writes it, or a character of it was changed", path.display())]
    BadKeyCopy {
        /// The file.
        path: PathBuf,
    },
    /// A copy would lie where what it is a copy of lies.
    #[error("{} is in the data folder itself; a copy of the keys belongs somewhere else", path.display())]
    NotElsewhere {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("{doing} {}", path.display())]
    Io {
        /// What was being done: `reading`, `writing`, …
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

impl FolderError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| {
            let path = path.to_owned();
            let folder = path.parent().unwrap_or(&path);
            if source.kind() == io::ErrorKind::NotFound {
                if folder.join(TLS_KEY_FILE).exists() || folder.join(NODE_KEY_FILE).exists() {
                    Self::Lost { path }
                } else {
                    Self::Missing { path }
                }
            } else if source.kind() == io::ErrorKind::AlreadyExists {
                Self::AlreadyThere { path }
            } else {
                Self::Io { doing, path, source }
            }
        }
    }
}

/// A data folder that this program holds; let go when dropped or when the program ends, however
/// it ends.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    _lock: File,
}

/// The secrets of a new folder.
#[derive(Debug)]
pub struct Seeds {
    /// Of the key that signs entries.
    pub node: Zeroizing<[u8; 32]>,
    /// Of the key of its connections.
    pub tls: Zeroizing<[u8; 32]>,
}

impl DataFolder {
    /// Makes the folder, its database key and its two key seeds, and lets `fill` make the rest.
    ///
    /// # Errors
    ///
    /// [`FolderError::AlreadyThere`] when it is complete; nothing is overwritten. An empty folder, and
    /// one where an earlier attempt was interrupted, is taken: keys that it has are kept, and `fill`
    /// finds what it made before. Those of `fill`.
    pub fn create<E: From<FolderError>>(
        path: &Path,
        random: &Random,
        fill: impl FnOnce(&Self) -> Result<(), E>,
    ) -> Result<Self, E> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(FolderError::io("making", path))?;
        atomic::sync_names_above(path)?;
        let folder = Self::open(path)?;
        // The last to be written: with it the folder is complete.
        let last = folder.file(TLS_KEY_FILE);
        if last.exists() {
            return Err(FolderError::AlreadyThere { path: path.to_owned() }.into());
        }
        let make = |name| match secret::make(&folder.file(name), &Zeroizing::new(random.bytes())) {
            Ok(()) | Err(FolderError::AlreadyThere { .. }) => Ok(()),
            Err(error) => Err(error),
        };
        make(DATABASE_KEY_FILE)?;
        make(NODE_KEY_FILE)?;
        fill(&folder)?;
        make(TLS_KEY_FILE)?;
        Ok(folder)
    }

    /// Opens the folder for this program alone.
    ///
    /// # Errors
    ///
    /// [`FolderError::Held`] while another program has it, [`FolderError::TooOpen`] when others
    /// than the owner may look into it, [`FolderError::Missing`].
    pub fn open(path: &Path) -> Result<Self, FolderError> {
        check_folder(path)?;
        let lock_path = path.join(LOCK_FILE);
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(FolderError::io("opening", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(FolderError::Held { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => Err(FolderError::io("locking", &lock_path)(error)),
        }
    }

    /// Where the folder is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a file in it.
    #[must_use]
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// The path of the database.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.file(DATABASE_FILE)
    }

    /// The database file of a folder that has been used: without this look a lost one would be made
    /// anew, empty, and nobody would notice.
    ///
    /// # Errors
    ///
    /// [`FolderError::Lost`], and [`FolderError::Log`] when the log beside it has lost writes.
    pub fn existing_database(&self) -> Result<PathBuf, FolderError> {
        let path = self.database();
        fs::metadata(&path).map_err(FolderError::io("reading", &path))?;
        if store::check_wal(&path)? == WalState::LastWriteTorn {
            tracing::warn!(
                "the last write was not whole and is left out, as is right after a power cut"
            );
        }
        Ok(path)
    }

    /// The key of the database.
    ///
    /// # Errors
    ///
    /// [`FolderError`], as for every secret: missing, too open, or damaged.
    pub fn database_key(&self) -> Result<DatabaseKey, FolderError> {
        let key = secret::read(&self.file(DATABASE_KEY_FILE))?;
        Ok(DatabaseKey::new(*key))
    }

    /// The seeds of the node's two key pairs.
    ///
    /// # Errors
    ///
    /// [`FolderError`], as for every secret: missing, too open, or damaged.
    pub fn seeds(&self) -> Result<Seeds, FolderError> {
        Ok(Seeds {
            node: secret::read(&self.file(NODE_KEY_FILE))?,
            tls: secret::read(&rotation::tls_key_file(&self.path))?,
        })
    }

    /// The path of the control socket, see [`control`](crate::control).
    #[must_use]
    pub fn control_socket(&self) -> PathBuf {
        control_socket(&self.path)
    }

    /// The path of the settings, see [`config`](crate::config).
    #[must_use]
    pub fn config(&self) -> PathBuf {
        config(&self.path)
    }
}

/// Where the program that holds the folder at `path` can be asked.
#[must_use]
pub fn control_socket(path: &Path) -> PathBuf {
    path.join(CONTROL_SOCKET)
}

/// Where the settings of the folder at `path` are.
#[must_use]
pub fn config(path: &Path) -> PathBuf {
    path.join(CONFIG_FILE)
}

/// Files of a folder that went over to new keys, beside the keys themselves.
pub(crate) const ROTATION_FILES: [&str; 4] = [
    rotation::NEXT_NODE_KEY_FILE,
    rotation::NEXT_TLS_KEY_FILE,
    rotation::REQUEST_FILE,
    rotation::NAME_FILE,
];

/// Whether there are keys of a node at `path`.
pub(crate) fn has_keys(path: &Path) -> bool {
    [DATABASE_KEY_FILE, NODE_KEY_FILE, TLS_KEY_FILE].iter().all(|name| path.join(name).exists())
}

/// The folder exists and only its owner can look into it.
pub(crate) fn check_folder(path: &Path) -> Result<(), FolderError> {
    let found = fs::metadata(path).map_err(FolderError::io("reading", path))?;
    if !found.is_dir() {
        let source = io::Error::from(io::ErrorKind::NotADirectory);
        return Err(FolderError::Io { doing: "opening", path: path.to_owned(), source });
    }
    if found.permissions().mode() & OTHERS != 0 {
        return Err(FolderError::TooOpen { path: path.to_owned(), chmod: "700" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn random() -> Random {
        Random::seeded(1)
    }

    fn create(path: &Path, random: &Random) -> Result<DataFolder, FolderError> {
        DataFolder::create(path, random, |_| Ok(()))
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_new_folder_has_three_different_keys_that_only_its_owner_reads() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("clinic/data");
        let folder = create(&path, &random()).unwrap();
        let seeds = folder.seeds().unwrap();
        assert_ne!(*seeds.node, *seeds.tls);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        for name in [DATABASE_KEY_FILE, NODE_KEY_FILE, TLS_KEY_FILE, LOCK_FILE] {
            assert_eq!(mode(&folder.file(name)), 0o600, "{name}");
        }
        drop(folder);
        let again = DataFolder::open(&path).unwrap();
        assert_eq!(*again.seeds().unwrap().node, *seeds.node);
    }

    #[test]
    fn a_folder_in_use_or_complete_is_not_made_again() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let folder = create(&path, &random()).unwrap();
        assert!(matches!(DataFolder::open(&path), Err(FolderError::Held { .. })));
        drop(folder);
        assert!(matches!(create(&path, &random()), Err(FolderError::AlreadyThere { .. })));
    }

    #[test]
    fn an_interrupted_start_is_finished_with_the_keys_it_had() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let folder = create(&path, &random()).unwrap();
        let node = *folder.seeds().unwrap().node;
        fs::remove_file(folder.file(TLS_KEY_FILE)).unwrap();
        drop(folder);
        let folder = create(&path, &Random::seeded(2)).unwrap();
        assert_eq!(*folder.seeds().unwrap().node, node);
    }

    #[test]
    fn a_folder_is_complete_only_when_all_of_it_is_made() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let full = || FolderError::Io {
            doing: "writing",
            path: path.clone(),
            source: io::ErrorKind::StorageFull.into(),
        };
        assert!(DataFolder::create(&path, &random(), |_| Err(full())).is_err());
        let mut filled = false;
        let folder = DataFolder::create(&path, &random(), |folder| {
            filled = true;
            folder.database_key().map(|_| ())
        });
        folder.unwrap().seeds().unwrap();
        assert!(filled);
    }

    #[test]
    fn what_others_can_read_is_refused_with_the_command_that_mends_it() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let folder = create(&path, &random()).unwrap();
        for mode in [0o640, 0o604, 0o620] {
            set_mode(&folder.file(DATABASE_KEY_FILE), mode);
            let error = folder.database_key().unwrap_err();
            assert!(error.to_string().contains("chmod 600"), "{mode:o}: {error}");
        }
        drop(folder);
        set_mode(&path, 0o750);
        let error = DataFolder::open(&path).unwrap_err();
        assert!(error.to_string().contains("chmod 700"), "{error}");
    }

    #[test]
    fn what_a_folder_has_lost_is_not_made_anew() {
        let parent = tempfile::tempdir().unwrap();
        let folder = create(&parent.path().join("data"), &random()).unwrap();
        let said = folder.existing_database().unwrap_err().to_string();
        assert!(said.contains("data.db is missing from a folder that is in use"), "{said}");
        fs::write(folder.database(), "").unwrap();
        folder.existing_database().unwrap();
    }

    #[test]
    fn what_is_missing_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("nothing");
        let error = DataFolder::open(&path).unwrap_err();
        assert!(matches!(error, FolderError::Missing { .. }));
        assert!(error.to_string().contains("nothing is missing"), "{error}");
    }
}
