//! What the bundle commands answer to programs.

use serde::Serialize;

/// What `export --json` says.
#[derive(Serialize)]
pub(crate) struct ExportedBody {
    pub(crate) bundle: u64,
    pub(crate) entries: u64,
    pub(crate) acknowledged_streams: u64,
    pub(crate) receipts: u64,
    pub(crate) more: bool,
    pub(crate) bytes: u64,
}

/// What `import --json` says.
#[derive(Serialize)]
pub(crate) struct ImportedBody {
    pub(crate) bundle: u64,
    pub(crate) repeated: bool,
    pub(crate) entries: u64,
    pub(crate) received: u64,
    pub(crate) let_go: u64,
    pub(crate) waiting: u64,
    pub(crate) refused: u64,
}
