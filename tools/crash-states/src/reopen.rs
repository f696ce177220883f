//! A disk made of files again, and the programs' own way of opening it.

use std::error::Error;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use edge_node::node::Node;
use export::{Csv, Reader, Tails};
use host::{Clock, DataFolder, Random};
use hub::node::Hub;
use store::{Access, Connection};
use sync_protocol::NodeId;
use tokio::runtime::Runtime;
use vocab::SiteId;

use crate::disk::Image;

/// Where states are laid out; in memory where the system has such a place.
#[derive(Debug)]
pub struct Bench {
    folder: tempfile::TempDir,
    runtime: Runtime,
}

/// Whose folder it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// A clinic's.
    Edge,
    /// A hub's.
    Hub,
}

impl Bench {
    /// An empty one.
    ///
    /// # Panics
    ///
    /// When the system gives no folder or no thread.
    #[must_use]
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let folder =
            if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self {
            folder: folder.expect("the system gives a folder"),
            runtime: runtime.expect("the system gives a runtime"),
        }
    }

    /// Lays out the files that were below `root`; answers the folder `name` among them.
    ///
    /// # Panics
    ///
    /// When they cannot be written.
    #[must_use]
    pub fn lay_out(&self, image: &Image, root: &str, name: &str) -> PathBuf {
        let folder = self.folder.path().join(name);
        let _ = fs::remove_dir_all(&folder);
        for (path, bytes) in image {
            let Some(below) = path.strip_prefix(root) else { continue };
            let path = self.folder.path().join(below.trim_start_matches('/'));
            if !path.starts_with(&folder) {
                continue;
            }
            let parent = path.parent().unwrap_or(&folder);
            DirBuilder::new().recursive(true).mode(0o700).create(parent).expect("a folder");
            let file =
                OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
            file.and_then(|mut file| file.write_all(bytes)).expect("a file");
        }
        folder
    }

    /// Makes a new folder or finishes one that was begun, as `init` does.
    ///
    /// # Errors
    ///
    /// What the program says.
    pub fn init(&self, program: Program, folder: &Path) -> Result<(), String> {
        let done = match program {
            Program::Edge => Node::init(folder, &Random::system()).map_err(|error| said(&error)),
            Program::Hub => Hub::init(folder, &Random::system()).map_err(|error| said(&error)),
        };
        done.map_err(|error| format!("init: {error}"))
    }

    /// The settings that the program would run with, as text.
    ///
    /// # Errors
    ///
    /// What the program says.
    pub fn settings(&self, program: Program, folder: &Path) -> Result<String, String> {
        let path = host::folder::config(folder);
        let read = match program {
            Program::Edge => host::config::load::<edge_node::config::Config>(&path)
                .map(|config| format!("{config:?}")),
            Program::Hub => {
                host::config::load::<hub::config::Config>(&path).map(|config| format!("{config:?}"))
            }
        };
        read.map_err(|error| said(&error))
    }

    /// Opens the folder as the program does when it starts, and closes it again; answers its name.
    ///
    /// # Errors
    ///
    /// What the program says.
    pub fn start(&self, program: Program, folder: &Path) -> Result<NodeId, String> {
        let started = self.runtime.block_on(async {
            match program {
                Program::Edge => {
                    let node = Node::open(folder, Clock::system(), Random::system())
                        .map_err(|error| said(&error))?;
                    node.writer.stop().await;
                    Ok(node.key())
                }
                Program::Hub => {
                    let hub = Hub::open(folder, Clock::system(), Random::system())
                        .map_err(|error| said(&error))?;
                    hub.writer.stop().await;
                    Ok(hub.key)
                }
            }
        });
        started.map_err(|error: String| format!("start: {error}"))
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

/// An error with all its causes.
#[must_use]
pub fn said(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Opens the database of a folder that no program has open.
///
/// # Errors
///
/// What the database says.
pub fn database(folder: &Path) -> Result<Connection, String> {
    let folder_held = DataFolder::open(folder).map_err(|error| said(&error))?;
    let key = folder_held.database_key().map_err(|error| said(&error))?;
    store::open(&folder.join("data.db"), &key, Access::Write).map_err(|error| said(&error))
}

/// What `verify` says.
///
/// # Errors
///
/// The first thing that is wrong.
pub fn verify(program: Program, conn: &Connection, me: &NodeId) -> Result<(), String> {
    let checked = export::verification(conn, &mut Vec::new(), |conn, progress| match program {
        Program::Edge => replication::edge::verify(conn, me, progress),
        Program::Hub => replication::hub::verify(conn, progress),
    });
    checked.map_err(|error| format!("verify: {}", said(&error)))
}

/// The values of all readings held.
///
/// # Errors
///
/// What the export says.
pub fn values(program: Program, conn: &Connection) -> Result<Vec<String>, String> {
    let tails = if program == Program::Edge { Tails::Included } else { Tails::None };
    let text = exported(|csv| {
        export::vitals(conn, Reader::of_all(SiteId::from_bytes([0; 16])), tails, None, csv)
    })?;
    let cell = |line: &str| line.rsplit(',').next().unwrap_or_default().to_owned();
    Ok(text.lines().skip(1).map(cell).collect())
}

/// The number of critical alerts held.
///
/// # Errors
///
/// What the export says.
pub fn critical_alerts(conn: &Connection) -> Result<usize, String> {
    let text = exported(|csv| {
        export::alerts(conn, Reader::of_all(SiteId::from_bytes([0; 16])), None, csv)
    })?;
    Ok(text.lines().filter(|line| line.ends_with(",CRITICAL")).count())
}

fn exported(
    write: impl FnOnce(&mut Csv<&mut Vec<u8>>) -> Result<(), export::ExportError>,
) -> Result<String, String> {
    let mut bytes = Vec::new();
    Csv::write_with(&mut bytes, write).map_err(|error| format!("export: {}", said(&error)))?;
    String::from_utf8(bytes).map_err(|error| said(&error))
}
