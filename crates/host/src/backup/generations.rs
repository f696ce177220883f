//! The backups in a folder: which are of this node, which is the newest, which go.

use std::fmt;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::BackupError;
use super::manifest::{MANIFEST_FILE, Manifest};

/// Ends the name of a folder that is not, or no longer, a backup.
const UNFINISHED: &str = ".unfinished";

/// Digits of the node's key in a name.
const SHORT_DIGITS: usize = 8;

/// Whose backups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// `hub` or `edge-node`.
    pub program: &'static str,
    /// The version of the program.
    pub version: &'static str,
    /// The key that the node signs with, hexadecimal.
    pub node: String,
}

/// `hub 3f2a9c1d`.
impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&who(self.program, &self.node))
    }
}

impl About {
    fn prefix(&self) -> String {
        format!("{}-{}-", self.program, short(&self.node))
    }

    fn name(&self, number: u64) -> String {
        format!("{}{number:06}", self.prefix())
    }

    fn number(&self, name: &str) -> Option<u64> {
        name.strip_prefix(&self.prefix())?.parse().ok()
    }
}

pub(super) fn who(program: &str, node: &str) -> String {
    format!("{program} {}", short(node))
}

fn short(node: &str) -> &str {
    node.get(..SHORT_DIGITS).unwrap_or(node)
}

/// A backup whose manifest was read.
#[derive(Clone, Debug)]
pub struct Backup {
    /// Its folder.
    pub path: PathBuf,
    /// What it says of itself.
    pub manifest: Manifest,
}

impl Backup {
    /// Reads the manifest of the backup at `path`.
    pub(super) fn read(path: PathBuf, about: &About) -> Result<Self, BackupError> {
        let manifest = Manifest::read(&path)?;
        if (manifest.program.as_str(), &manifest.node) != (about.program, &about.node) {
            let found = who(&manifest.program, &manifest.node);
            return Err(BackupError::OfAnother { path, found, wanted: about.to_string() });
        }
        Ok(Self { path, manifest })
    }

    /// The name of its folder.
    #[must_use]
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// The backup at `from`, or the newest in the folder `from`.
///
/// # Errors
///
/// [`BackupError`] when there is none of this node, or it has no sound manifest.
pub fn choose(from: &Path, about: &About) -> Result<Backup, BackupError> {
    let name = from.file_name().unwrap_or_default().to_string_lossy();
    if from.join(MANIFEST_FILE).exists() || about.number(&name).is_some() {
        return Backup::read(from.to_owned(), about);
    }
    match all(from, about)?.pop() {
        Some((_, path)) => Backup::read(path, about),
        None => Err(BackupError::None { folder: from.to_owned(), whose: about.to_string() }),
    }
}

/// The newest whose manifest is sound.
pub(super) fn newest_sound(folder: &Path, about: &About) -> Option<Backup> {
    let paths = all(folder, about).ok()?.into_iter().rev();
    paths.filter_map(|(_, path)| Backup::read(path, about).ok()).next()
}

/// Numbers and folders of this node's backups, the oldest first.
pub(super) fn all(folder: &Path, about: &About) -> Result<Vec<(u64, PathBuf)>, BackupError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(BackupError::io("reading", folder))? {
        let path = entry.map_err(BackupError::io("reading", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(number) = about.number(&name) {
            found.push((number, path));
        }
    }
    found.sort();
    Ok(found)
}

/// Where the next backup is put together, and where it goes when it is whole. What earlier attempts
/// left unfinished is removed.
pub(super) fn next(folder: &Path, about: &About) -> Result<(u64, PathBuf, PathBuf), BackupError> {
    remove_unfinished(folder, about)?;
    let number = all(folder, about)?.last().map_or(1, |(number, _)| number + 1);
    let path = folder.join(about.name(number));
    Ok((number, unfinished(&path), path))
}

/// Removes all but the newest `keep`.
pub(super) fn prune(folder: &Path, about: &About, keep: usize) -> Result<(), BackupError> {
    let all = all(folder, about)?;
    let surplus = all.len().saturating_sub(keep);
    for (_, path) in all.into_iter().take(surplus) {
        // First its name goes, so that half of it is never taken for a backup.
        let leaving = unfinished(&path);
        fs::rename(&path, &leaving).map_err(BackupError::io("removing", &path))?;
        fs::remove_dir_all(&leaving).map_err(BackupError::io("removing", &leaving))?;
    }
    sync(folder)
}

fn remove_unfinished(folder: &Path, about: &About) -> Result<(), BackupError> {
    for entry in fs::read_dir(folder).map_err(BackupError::io("reading", folder))? {
        let path = entry.map_err(BackupError::io("reading", folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.strip_suffix(UNFINISHED).is_some_and(|name| about.number(name).is_some()) {
            fs::remove_dir_all(&path).map_err(BackupError::io("removing", &path))?;
        }
    }
    Ok(())
}

fn unfinished(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(UNFINISHED);
    path.with_file_name(name)
}

/// The name of a file is on the disk only when its folder is.
pub(super) fn sync(folder: &Path) -> Result<(), BackupError> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(BackupError::io("writing", folder))
}
