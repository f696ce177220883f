//! Where a box keeps its database: in memory, or in files as the programs do.
//!
//! In memory a killed process loses nothing that it could have kept: everything that it was asked was
//! committed or not begun. In files it is closed without its last rites and opened anew, WAL and all,
//! and a copy of the disk is a copy of the folder as it lies there.

use std::fs;
use std::ops::Deref;
use std::path::{Path, PathBuf};

use store::{Access, Connection, DatabaseKey, Room};
use tempfile::TempDir;
use workflows::schema;

use crate::blank;

const NO_LIMIT: &str = "the box works on sound storage";

const FILE: &str = "box.db";

/// Memory of this size or more of the machine is a disk that needs no waiting.
const QUICK_FOLDER: &str = "/dev/shm";

/// What a box's disk is made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Medium {
    /// Nothing: the database is in memory.
    #[default]
    Memory,
    /// Files in a folder of their own, encrypted, with a WAL.
    Files,
}

/// A database and what it lies on; serves as its connection.
pub struct Database {
    conn: Option<Connection>,
    folder: Option<TempDir>,
}

impl Deref for Database {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.conn.as_ref().expect("open except while it is changed")
    }
}

/// A disk as it was at a moment when nothing was half-written.
pub struct DiskCopy(Database);

impl DiskCopy {
    /// The database on it, when it was in memory.
    #[must_use]
    pub const fn in_memory(&self) -> Option<&Connection> {
        self.0.conn.as_ref()
    }
}

impl Database {
    pub(crate) fn edge(medium: Medium) -> Self {
        thread_local!(static EDGE: TempDir = blank::on_disk(schema::EDGE));
        match medium {
            Medium::Memory => Self { conn: Some(blank::edge()), folder: None },
            Medium::Files => EDGE.with(Self::on),
        }
    }

    pub(crate) fn hub(medium: Medium) -> Self {
        thread_local!(static HUB: TempDir = blank::on_disk(schema::HUB));
        match medium {
            Medium::Memory => Self { conn: Some(blank::hub()), folder: None },
            Medium::Files => HUB.with(Self::on),
        }
    }

    /// An edge's over an empty database of the caller's.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    #[must_use]
    pub fn edge_over(conn: Connection) -> Self {
        Self::over(conn, schema::EDGE)
    }

    /// A hub's over an empty database of the caller's.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    #[must_use]
    pub fn hub_over(conn: Connection) -> Self {
        Self::over(conn, schema::HUB)
    }

    fn over(mut conn: Connection, rooms: &[Room]) -> Self {
        store::migrate(&mut conn, rooms).expect(NO_LIMIT);
        Self { conn: Some(conn), folder: None }
    }

    /// On a copy of a folder.
    fn on(folder: &TempDir) -> Self {
        let folder = copied(folder);
        Self { conn: Some(open(&folder)), folder: Some(folder) }
    }

    /// Copies the disk as it lies there; no transaction is open.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    #[must_use]
    pub fn copy(&self) -> DiskCopy {
        match &self.folder {
            None => {
                let conn = store::copy_in_memory(self).expect(NO_LIMIT);
                DiskCopy(Self { conn: Some(conn), folder: None })
            }
            Some(folder) => DiskCopy(Self { conn: None, folder: Some(copied(folder)) }),
        }
    }

    /// The disk is lost, and a copy put in its place.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    pub fn put_back(&mut self, copy: &DiskCopy) {
        *self = match &copy.0.folder {
            None => copy.0.copy().0,
            Some(folder) => Self::on(folder),
        };
    }

    /// The process is killed: what was committed is there, all else is gone.
    pub fn crash(&mut self) {
        if let Some(folder) = &self.folder {
            self.conn.take().into_iter().for_each(store::close_as_it_is);
            self.conn = Some(open(folder));
        }
    }
}

fn key() -> DatabaseKey {
    DatabaseKey::new([7; 32])
}

fn file(folder: &TempDir) -> PathBuf {
    folder.path().join(FILE)
}

/// As a program does at its start.
pub(crate) fn open(folder: &TempDir) -> Connection {
    store::check_wal(&file(folder)).expect(NO_LIMIT);
    let conn = store::open(&file(folder), &key(), Access::Write).expect(NO_LIMIT);
    store::empty_wal(&conn).expect(NO_LIMIT);
    conn
}

pub(crate) fn new_folder() -> TempDir {
    let made = match Path::new(QUICK_FOLDER).is_dir() {
        true => tempfile::tempdir_in(QUICK_FOLDER).or_else(|_| tempfile::tempdir()),
        false => tempfile::tempdir(),
    };
    made.expect("a folder for files that go again")
}

/// The database and its WAL; what SQLite keeps in shared memory is of the process.
fn copied(folder: &TempDir) -> TempDir {
    let target = new_folder();
    for name in [FILE.to_owned(), format!("{FILE}-wal")] {
        let from = folder.path().join(&name);
        if from.exists() {
            fs::copy(&from, target.path().join(&name)).expect(NO_LIMIT);
        }
    }
    target
}
