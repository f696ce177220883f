//! What can go wrong between us and the disk.

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file is longer than can be written anew.
    #[error("the database is too long to be written anew in memory")]
    TooLong,
    /// The file is no database of ours, or the key does not open it.
    #[error("the database cannot be read with this key, or it is not a database")]
    WrongKey,
    /// The linked SQLite is older than the floor below which a known bug corrupts WAL databases.
    #[error("SQLite {found} is too old; 3.51.3 or newer is needed")]
    TooOld {
        /// The version that is linked.
        found: String,
    },
    /// A setting that durability rests on was not taken.
    #[error("the database refused the setting {setting}")]
    Setting {
        /// The pragma that did not hold.
        setting: &'static str,
    },
    /// A migration failed or does not match what was applied before.
    #[error("migrating the tables of {room}")]
    Migration {
        /// Whose tables.
        room: &'static str,
        /// What the migration runner said.
        #[source]
        source: Box<refinery::Error>,
    },
    /// No room on the disk; nothing was written, and a later try may succeed.
    #[error("the disk is full")]
    DiskFull,
    /// A neighbour in the same transaction failed so badly that SQLite took everything back; the
    /// same work may succeed at the next try.
    #[error("the transaction was taken back because of a failure beside it")]
    Undone,
    /// The system gave no thread to write on.
    #[error("no thread could be started for the writer")]
    Thread(#[source] std::io::Error),
    /// The database file cannot be made or opened.
    #[error("the database file cannot be opened")]
    File(#[source] std::io::Error),
    /// The system lets us read the file and not write it.
    #[error("the database file can be read and not written")]
    ReadOnly,
    /// Writes that were synced into the WAL cannot be read any more.
    #[error(
        "data.db-wal is damaged: writes that were acknowledged cannot be read any more. Keep a copy of \
         the folder and set the machine up as a new one; what the hub has is safe there. Going on with \
         the rest would contradict what others were told"
    )]
    WalDamaged,
    /// Anything else SQLite reports.
    #[error("the database reports an error")]
    Sqlite(#[source] rusqlite::Error),
    /// A stored value does not read back as what was stored: the file was damaged or edited.
    #[error("a stored {what} does not read back")]
    Damaged {
        /// Which kind of value.
        what: &'static str,
    },
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::DiskFull) => Self::DiskFull,
            Some(rusqlite::ErrorCode::NotADatabase) => Self::WrongKey,
            _ => Self::Sqlite(error),
        }
    }
}
