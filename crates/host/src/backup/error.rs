//! Why there is no backup, or it cannot be used.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use store::StoreError;

use crate::database::ReadError;
use crate::folder::FolderError;

/// What a caller of ours found wrong while it looked at the data.
pub type Cause = Box<dyn Error + Send + Sync>;

/// Why a backup was not made, or is of no use.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// Nobody said where to.
    #[error("no backup folder is known; set backup.folder in config.toml, or give one with --to")]
    NoFolder,
    /// A program's working folder may be anywhere.
    #[error("{} is no absolute path; backup.folder needs one that begins with /", .0.display())]
    Relative(PathBuf),
    /// It is never made: where a medium is missing, its empty place must not fill up.
    #[error("{} is not there; is the medium mounted? A new folder is made by hand, once", .0.display())]
    FolderMissing(PathBuf),
    /// It would be lost with what it is a copy of.
    #[error("{} lies in the data folder; a backup belongs on another medium", .0.display())]
    InDataFolder(PathBuf),
    /// Another is being made.
    #[error("a backup is being made at this moment; ask again when it is done")]
    Running,
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
    /// The database could not be copied.
    #[error("copying the database to {}", path.display())]
    Copy {
        /// Where to.
        path: PathBuf,
        /// Why not.
        #[source]
        source: StoreError,
    },
    /// What was just written does not read back.
    #[error("the backup that was just written to {} does not read back; the medium may be failing", path.display())]
    NotReadBack {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Cause,
    },
    /// There is a backup, and nobody was told what it covers.
    #[error(
        "the backup is whole, but how far it covers everything could not be recorded; the next one does it"
    )]
    NotMarked(#[source] Cause),
    /// The data folder, or a key in it.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The live database could not be read.
    #[error("reading the database")]
    Database(#[source] ReadError<StoreError>),
    /// There is none of this node.
    #[error("{} holds no backup of {whose}", folder.display())]
    None {
        /// Where was looked.
        folder: PathBuf,
        /// Whose: `the hub 3f2a9c1d`.
        whose: String,
    },
    /// The folder is no whole backup.
    #[error("{} has no manifest.json, so nobody knows whether it is whole; use another backup", .0.display())]
    NoManifest(PathBuf),
    /// The manifest is not as it was written.
    #[error("the manifest.json of {} is damaged or was changed; use another backup", .0.display())]
    BadManifest(PathBuf),
    /// The manifest is in a form of later versions.
    #[error("{} was made by a newer version of the program; use that one", .0.display())]
    Newer(PathBuf),
    /// It belongs to somebody else.
    #[error("{} is a backup of {found}, and this is {wanted}", path.display())]
    OfAnother {
        /// The backup.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose is wanted.
        wanted: String,
    },
    /// The file is shorter or longer than what was written.
    #[error("{} has {found} bytes where {written} were written; use another backup", path.display())]
    OtherLength {
        /// The file.
        path: PathBuf,
        /// Its length by the manifest.
        written: u64,
        /// Its length now.
        found: u64,
    },
    /// The file's bytes are not those that were written.
    #[error("{} is not what was written: its digest differs; use another backup", .0.display())]
    OtherBytes(PathBuf),
    /// The keys are not those it was made with.
    #[error("{} does not open with these keys", .0.display())]
    WrongKey(PathBuf),
    /// The file with keys is another node's.
    #[error("the keys in {} are those of {found}, and this is {wanted}", path.display())]
    KeysOfAnother {
        /// The file.
        path: PathBuf,
        /// Whose they are.
        found: String,
        /// Whose are wanted.
        wanted: String,
    },
    /// The manifest and the database contradict each other.
    #[error("the table {table} of {} has {found} rows where its manifest says {written}", path.display())]
    OtherRows {
        /// The backup.
        path: PathBuf,
        /// Which table.
        table: String,
        /// Rows by the manifest.
        written: u64,
        /// Rows found.
        found: u64,
    },
    /// What came back is not as it should be.
    #[error("{} came back, but not everything in it holds", path.display())]
    NotSound {
        /// The backup.
        path: PathBuf,
        /// What is wrong first.
        #[source]
        source: Cause,
    },
    /// A restore overwrites nothing.
    #[error("{} holds a database already; a restore needs an empty folder, so that nothing is overwritten", .0.display())]
    HoldsData(PathBuf),
    /// A restore mixes nothing.
    #[error("{} holds {what}; a restore needs an empty folder, or one with nothing but this node's keys and settings", folder.display())]
    NotEmpty {
        /// The folder.
        folder: PathBuf,
        /// A file in it.
        what: String,
    },
    /// Neither the folder nor the command has keys.
    #[error("the keys are needed: give the file that save-keys wrote with --keys")]
    KeysNeeded,
    /// The folder has other keys than the command.
    #[error("{} has other keys than the file given with --keys; use an empty folder", .0.display())]
    OtherKeys(PathBuf),
}

impl BackupError {
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { doing, path: path.to_owned(), source }
    }

    /// One word for machines that watch: of a small set, and without the name of a place.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::NoFolder | Self::Relative(_) | Self::InDataFolder(_) => "settings",
            Self::FolderMissing(_) => "folder-missing",
            Self::Running => "running",
            Self::Copy { source: StoreError::DiskFull, .. } => "disk-full",
            Self::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => "disk-full",
            Self::Io { .. } | Self::Copy { .. } => "medium",
            Self::NotReadBack { .. } => "not-read-back",
            Self::Folder(_) => "keys",
            Self::Database(_) | Self::NotMarked(_) => "database",
            Self::None { .. }
            | Self::NoManifest(_)
            | Self::BadManifest(_)
            | Self::Newer(_)
            | Self::OfAnother { .. }
            | Self::OtherLength { .. }
            | Self::OtherBytes(_)
            | Self::WrongKey(_)
            | Self::KeysOfAnother { .. }
            | Self::OtherRows { .. }
            | Self::NotSound { .. } => "backup",
            Self::HoldsData(_) | Self::NotEmpty { .. } | Self::KeysNeeded | Self::OtherKeys(_) => {
                "restore"
            }
        }
    }
}
