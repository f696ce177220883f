//! The programs that the demo shows, built where they are missing.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use tokio::process::Command;

use crate::screen::Screen;

/// What cargo tells the programs that it runs about their own package. A cargo inside a cargo must
/// not see it, or build scripts that look at it run again and again.
const OUTER_VARIABLES: [&str; 5] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
    "CARGO_PRIMARY_PACKAGE",
];

/// Where the programs are.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) hub: PathBuf,
    pub(crate) edge_node: PathBuf,
}

/// Why there are no programs to show.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// The system does not say where this program is.
    #[error("finding the demo's own program")]
    Own(#[source] io::Error),
    /// The demo's program is not in a folder that cargo makes.
    #[error("{} is not in a build folder of cargo", .0.display())]
    Place(PathBuf),
    /// Cargo cannot be run.
    #[error("running {} (is Rust installed?)", .0.to_string_lossy())]
    Cargo(OsString, #[source] io::Error),
    /// The build failed; cargo said why.
    #[error("building hub and edge-node failed with {0}\n{1}")]
    Failed(ExitStatus, String),
    /// Cargo succeeded, but the program is not beside the demo's.
    #[error("{} was not built", .0.display())]
    Missing(PathBuf),
}

/// Builds `hub` and `edge-node` as the demo itself was built, and says where they are.
pub(crate) async fn build(screen: &Screen) -> Result<Programs, BuildError> {
    let own = std::env::current_exe().map_err(BuildError::Own)?;
    let place = Place::of(&own).ok_or_else(|| BuildError::Place(own.clone()))?;
    screen.say("building hub and edge-node (the first time takes some minutes) …");
    run_cargo(&place).await?;
    let program = |name: &str| {
        let path = place.folder.join(format!("{name}{}", std::env::consts::EXE_SUFFIX));
        if path.is_file() { Ok(path) } else { Err(BuildError::Missing(path)) }
    };
    Ok(Programs { hub: program("hub")?, edge_node: program("edge-node")? })
}

async fn run_cargo(place: &Place) -> Result<(), BuildError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(&cargo);
    command
        .args(["build", "-p", "hub", "-p", "edge-node", "--profile", &place.profile])
        .arg("--target-dir")
        .arg(&place.target)
        .current_dir(root())
        .stdin(Stdio::null())
        .kill_on_drop(true);
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || OUTER_VARIABLES.contains(&&*text) {
            command.env_remove(&name);
        }
    }
    // Cargo's own bar is the best account of a build of minutes; without a terminal it keeps quiet
    // and is heard only when it fails.
    let (status, said) = if io::stderr().is_terminal() {
        let status = command.status().await;
        (status.map_err(|error| BuildError::Cargo(cargo, error))?, Vec::new())
    } else {
        let output = command.arg("--quiet").output().await;
        let output = output.map_err(|error| BuildError::Cargo(cargo, error))?;
        (output.status, output.stderr)
    };
    if status.success() {
        Ok(())
    } else {
        Err(BuildError::Failed(status, String::from_utf8_lossy(&said).into_owned()))
    }
}

/// The folder that cargo built the demo into.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    /// `target/debug`.
    folder: PathBuf,
    /// `target`.
    target: PathBuf,
    /// `dev`, `release` or the name of another profile.
    profile: String,
}

impl Place {
    fn of(program: &Path) -> Option<Self> {
        let folder = program.parent()?;
        let target = folder.parent()?;
        let profile = match folder.file_name()?.to_str()? {
            // The folder of the profile `dev` has a name of its own.
            "debug" => "dev",
            other => other,
        };
        let profile = profile.to_owned();
        Some(Self { folder: folder.to_owned(), target: target.to_owned(), profile })
    }
}

/// This file is `tools/demo/src/programs.rs`.
fn root() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).unwrap_or(package)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_build_goes_where_the_demo_is() {
        check("/a/target/debug/demo", "/a/target", "dev");
        check("/a/target/release/demo", "/a/target", "release");
        check(
            "/a/target/x86_64-unknown-linux-gnu/slow/demo",
            "/a/target/x86_64-unknown-linux-gnu",
            "slow",
        );
        assert_eq!(Place::of(Path::new("/")), None);
    }

    #[track_caller]
    fn check(program: &str, target: &str, profile: &str) {
        let place = Place::of(Path::new(program)).unwrap();
        assert_eq!((place.target, &*place.profile), (PathBuf::from(target), profile));
    }

    #[test]
    fn the_root_is_where_the_workspace_is() {
        let manifest = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
        assert!(manifest.starts_with("[workspace]"));
    }
}
