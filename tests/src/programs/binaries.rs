//! `hub` and `edge-node`, built before the first test that needs them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What cargo tells the programs that it runs about their own package. A cargo inside a cargo must
/// not see it, or build scripts that look at it run again and again.
const OUTER_VARIABLES: [&str; 5] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
    "CARGO_PRIMARY_PACKAGE",
];

/// A program of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Binary {
    /// The meeting place.
    Hub,
    /// A clinic's server.
    EdgeNode,
}

impl Binary {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hub => "hub",
            Self::EdgeNode => "edge-node",
        }
    }

    /// Where it is, up to date with its sources: the first call builds both programs in the profile
    /// of the test itself.
    ///
    /// # Panics
    ///
    /// When they cannot be built.
    #[must_use]
    pub fn path(self) -> PathBuf {
        static FOLDER: OnceLock<PathBuf> = OnceLock::new();
        FOLDER.get_or_init(build).join(self.name())
    }
}

/// Builds both and answers their folder, `target/debug` or that of another profile: the folder of a
/// tool's own executable, and the one above a test's.
fn build() -> PathBuf {
    let own = std::env::current_exe().expect("the system says where this program is");
    let folder = own.parent().expect("a file lies in a folder");
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    let folder = folder.to_owned();
    let target = folder.parent().expect("a profile lies in the target folder");
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        // The folder of the profile `dev` has a name of its own.
        Some("debug") | None => "dev",
        Some(other) => other,
    };
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .args(["build", "--quiet", "-p", "hub", "-p", "edge-node", "--profile", profile])
        .arg("--target-dir")
        .arg(target)
        .current_dir(workspace())
        .stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || OUTER_VARIABLES.contains(&&*text) {
            cargo.env_remove(&name);
        }
    }
    let built = cargo.output().expect("cargo can be run");
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "hub and edge-node cannot be built:\n{said}");
    folder
}

/// The root of the workspace.
#[must_use]
pub fn workspace() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package)
}
