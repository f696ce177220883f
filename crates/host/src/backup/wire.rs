//! The manifest as it stands in its file. Fields are only ever added.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The form that this program writes; a later one that older programs cannot use has another number.
pub(super) const FORMAT: u32 = 1;

/// One line of JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ManifestBody {
    pub(super) format: u32,
    /// `hub` or `edge-node`.
    pub(super) program: String,
    /// The key that the node signs with, hexadecimal.
    pub(super) node: String,
    /// The version of the program.
    pub(super) version: String,
    /// The life of a hub's database, hexadecimal.
    pub(super) incarnation: Option<String>,
    /// RFC 3339.
    pub(super) made_at: String,
    pub(super) number: u64,
    /// The length of the database file.
    pub(super) bytes: u64,
    /// BLAKE3 of the database file, hexadecimal.
    pub(super) blake3: String,
    /// Rows by table.
    pub(super) rows: BTreeMap<String, u64>,
}
