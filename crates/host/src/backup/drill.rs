//! Trying a backup out: brought back beside the running program, checked, and thrown away.

use std::fs::{self, DirBuilder};
use std::io::{self, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::PathBuf;

use store::Connection;
use vocab::Timestamp;

use super::generations::{About, choose, who};
use super::unpack::{not_sound, unpack};
use super::{Backup, BackupError, Cause, Keys};

/// The folder in the data folder where a backup is tried out. It holds the encrypted database only.
const SCRATCH: &str = "drill";

/// Tables named in a report.
const TABLES_NAMED: usize = 6;

/// What is tried out, and with what.
#[derive(Debug)]
pub struct Drill {
    /// A backup, or a folder of backups whose newest is taken.
    pub from: PathBuf,
    /// A file that `save-keys` wrote; without it the folder's own keys are taken.
    pub keys: Option<PathBuf>,
    /// The data folder of the program that asks.
    pub data: PathBuf,
    /// Whose backup it must be.
    pub about: About,
    /// The time, to say how old it is.
    pub now: Timestamp,
}

/// Brings the backup back into a folder beside the data, does to it what a restore would (`prepare`),
/// checks everything in it (`check`, which writes what it found), compares it with its manifest and with
/// `live`, and writes to `out` what it did and what a restore would lose. `whose` tells the node by keys.
///
/// # Errors
///
/// [`BackupError`] in one sentence: the backup is of no use.
pub fn drill(
    drill: &Drill,
    live: &Connection,
    out: &mut impl Write,
    whose: impl FnOnce(&Keys) -> About,
    prepare: impl FnOnce(&mut Connection) -> Result<(), Cause>,
    check: impl FnOnce(&Connection, &mut dyn Write) -> Result<(), Cause>,
) -> Result<(), BackupError> {
    let backup = choose(&drill.from, &drill.about)?;
    let keys = keys(drill, whose)?;
    let scratch = Scratch::make(drill.data.join(SCRATCH))?;
    let said =
        |source| BackupError::Io { doing: "writing", path: PathBuf::from("the report"), source };
    say_which(drill, &backup, out).map_err(said)?;
    let mut conn = unpack(&backup, &keys.database_key(), &scratch.0.join("data.db"))?;
    let found = |source| BackupError::NotSound { path: backup.path.clone(), source };
    prepare(&mut conn).map_err(found)?;
    store::snapshot(&conn, |conn| check(conn, out)).map_err(not_sound(&backup))?.map_err(found)?;
    drop(conn);
    let rows = store::row_counts(live).map_err(not_sound(&backup))?;
    say_rest(&backup, &rows, out).map_err(said)?;
    out.flush().map_err(said)
}

fn keys(drill: &Drill, whose: impl FnOnce(&Keys) -> About) -> Result<Keys, BackupError> {
    let Some(file) = &drill.keys else { return Ok(Keys::of_folder(&drill.data)?) };
    let keys = Keys::read(file)?;
    let found = whose(&keys);
    if found.node != drill.about.node {
        let (found, wanted) = (who(found.program, &found.node), drill.about.to_string());
        return Err(BackupError::KeysOfAnother { path: file.clone(), found, wanted });
    }
    Ok(keys)
}

fn say_which(drill: &Drill, backup: &Backup, out: &mut impl Write) -> io::Result<()> {
    let manifest = &backup.manifest;
    let minutes = drill.now.seconds_since(manifest.made_at).max(0) / 60;
    writeln!(out, "backup      {}", backup.path.display())?;
    writeln!(
        out,
        "made        {} ({minutes} minutes ago) by version {}, {} bytes",
        manifest.made_at, manifest.version, manifest.bytes
    )?;
    match &drill.keys {
        Some(file) => writeln!(out, "keys        those in {}", file.display()),
        None => writeln!(
            out,
            "keys        this folder's own; a restore on another machine needs the copy that save-keys \
             writes: try that with --keys FILE"
        ),
    }
}

fn say_rest(
    backup: &Backup,
    live: &std::collections::BTreeMap<String, u64>,
    out: &mut impl Write,
) -> io::Result<()> {
    let written = &backup.manifest.rows;
    writeln!(
        out,
        "as its manifest says: digest, length, and {} rows in {} tables",
        written.values().sum::<u64>(),
        written.len()
    )?;
    let mut since: Vec<(u64, &str)> = live
        .iter()
        .map(|(table, rows)| (rows.saturating_sub(backup.manifest.rows_of(table)), table.as_str()))
        .filter(|(rows, _)| *rows > 0)
        .collect();
    since.sort_by(|one, other| other.cmp(one));
    if since.is_empty() {
        return writeln!(out, "a restore now would lose no row: nothing was added since");
    }
    let named = since.iter().take(TABLES_NAMED);
    let named: Vec<String> = named.map(|(rows, table)| format!("{rows} of {table}")).collect();
    let more = since.len().saturating_sub(TABLES_NAMED);
    let more = if more > 0 { format!(" and rows of {more} more tables") } else { String::new() };
    writeln!(
        out,
        "a restore now would lose what was added since: {}{more}, and every change since",
        named.join(", ")
    )
}

/// A folder that is gone when it is no longer needed, however that comes.
struct Scratch(PathBuf);

impl Scratch {
    fn make(path: PathBuf) -> Result<Self, BackupError> {
        // Left by a program that was killed in the middle.
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(BackupError::io("removing", &path)(error));
            }
            _ => {}
        }
        DirBuilder::new().mode(0o700).create(&path).map_err(BackupError::io("making", &path))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, "the folder of a drill could not be removed");
        }
    }
}
