//! What a backup says of itself.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use data_encoding::HEXLOWER;
use vocab::Timestamp;

use super::BackupError;
use super::wire::{FORMAT, ManifestBody};
use crate::folder::write_whole;

pub(super) const MANIFEST_FILE: &str = "manifest.json";

/// Longest manifest: a hundred tables at 50 bytes each, ten times over.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024;

/// What a backup holds, as its maker saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// `hub` or `edge-node`.
    pub program: String,
    /// The key that the node signs with, hexadecimal.
    pub node: String,
    /// The version of the program that made it.
    pub version: String,
    /// The life of a hub's database.
    pub incarnation: Option<u64>,
    /// When its state of the database was read.
    pub made_at: Timestamp,
    /// Its number, which only grows.
    pub number: u64,
    /// The length of the database file.
    pub bytes: u64,
    /// BLAKE3 of the database file.
    pub digest: [u8; 32],
    /// Rows by table.
    pub rows: BTreeMap<String, u64>,
}

impl Manifest {
    /// The rows of one table; 0 where it is not named.
    #[must_use]
    pub fn rows_of(&self, table: &str) -> u64 {
        self.rows.get(table).copied().unwrap_or(0)
    }

    /// Writes it into `folder`: a line of JSON, and a line with the digest of the first, so that no
    /// changed byte of it goes unnoticed either.
    pub(super) fn write(&self, folder: &Path) -> Result<(), BackupError> {
        let body = ManifestBody {
            format: FORMAT,
            program: self.program.clone(),
            node: self.node.clone(),
            version: self.version.clone(),
            incarnation: self.incarnation.map(|number| format!("{number:016x}")),
            made_at: self.made_at.to_string(),
            number: self.number,
            bytes: self.bytes,
            blake3: HEXLOWER.encode(&self.digest),
            rows: self.rows.clone(),
        };
        let path = folder.join(MANIFEST_FILE);
        let line = serde_json::to_string(&body)
            .map_err(|error| BackupError::io("writing", &path)(io::Error::other(error)))?;
        Ok(write_whole(&path, format!("{line}\n{}\n", check(&line)).as_bytes())?)
    }

    /// Reads that of the backup at `backup`.
    pub(super) fn read(backup: &Path) -> Result<Self, BackupError> {
        let path = backup.join(MANIFEST_FILE);
        let mut text = String::new();
        match File::open(&path) {
            Ok(file) => {
                let read = file.take(MANIFEST_BYTES_MAX).read_to_string(&mut text);
                match read {
                    Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                        return Err(BackupError::BadManifest(backup.to_owned()));
                    }
                    read => read.map_err(BackupError::io("reading", &path))?,
                };
            }
            Err(error)
                if error.kind() == io::ErrorKind::NotFound
                    && fs::exists(backup).unwrap_or(false) =>
            {
                return Err(BackupError::NoManifest(backup.to_owned()));
            }
            Err(error) => return Err(BackupError::io("reading", &path)(error)),
        }
        let bad = || BackupError::BadManifest(backup.to_owned());
        let (line, digest) = text.split_once('\n').ok_or_else(bad)?;
        if digest.strip_suffix('\n') != Some(check(line).as_str()) {
            return Err(bad());
        }
        let body: ManifestBody = serde_json::from_str(line).map_err(|_| bad())?;
        if body.format != FORMAT {
            return Err(BackupError::Newer(backup.to_owned()));
        }
        Self::parse(body).ok_or_else(bad)
    }

    fn parse(body: ManifestBody) -> Option<Self> {
        let incarnation = match body.incarnation {
            Some(digits) => Some(u64::from_str_radix(&digits, 16).ok()?),
            None => None,
        };
        Some(Self {
            program: body.program,
            node: body.node,
            version: body.version,
            incarnation,
            made_at: body.made_at.parse().ok()?,
            number: body.number,
            bytes: body.bytes,
            digest: HEXLOWER.decode(body.blake3.as_bytes()).ok()?.try_into().ok()?,
            rows: body.rows,
        })
    }
}

fn check(line: &str) -> String {
    format!("blake3 {}", blake3::hash(line.as_bytes()).to_hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_reads_back_and_no_changed_byte_of_it_goes_unnoticed() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = Manifest {
            program: "hub".to_owned(),
            node: "ab".repeat(32),
            version: "0.1.0".to_owned(),
            incarnation: Some(0x0102_0304_0506_0708),
            made_at: Timestamp::from_millis(1_700_000_000_000),
            number: 12,
            bytes: 4_096,
            digest: [7; 32],
            rows: [("entry".to_owned(), 5)].into(),
        };
        manifest.write(folder.path()).unwrap();
        assert_eq!(Manifest::read(folder.path()).unwrap(), manifest);
        let path = folder.path().join(MANIFEST_FILE);
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            fs::write(&path, &bytes).unwrap();
            assert!(
                matches!(Manifest::read(folder.path()), Err(BackupError::BadManifest(_))),
                "{at}"
            );
            fs::write(&path, &whole[..at]).unwrap();
            assert!(
                matches!(Manifest::read(folder.path()), Err(BackupError::BadManifest(_))),
                "{at}"
            );
        }
        fs::remove_file(&path).unwrap();
        assert!(matches!(Manifest::read(folder.path()), Err(BackupError::NoManifest(_))));
    }
}
