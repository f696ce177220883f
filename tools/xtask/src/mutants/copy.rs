//! A copy of the sources to plant bugs in, so that no switch for them is in the product.
//!
//! It is built into our own target folder: what comes from the registry is not built again, and what is
//! ours gets other names there, because it lies elsewhere.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;

use crate::cargo::{cargo, root};

/// What is neither needed nor ours.
const LEFT_OUT: [&str; 4] = ["target", ".git", "corpus", "README.md"];

/// The copy; it and what was built of it go when it is dropped.
#[derive(Debug)]
pub(crate) struct Copy {
    pub(crate) folder: PathBuf,
    built: Vec<PathBuf>,
}

/// What cargo says of something it built.
#[derive(Deserialize)]
struct Artifact {
    #[serde(default)]
    manifest_path: PathBuf,
    #[serde(default)]
    filenames: Vec<PathBuf>,
    executable: Option<PathBuf>,
}

impl Copy {
    pub(crate) fn make() -> io::Result<Self> {
        let folder = root().join("target/mutants");
        let _ = fs::remove_dir_all(&folder);
        copy_folder(root(), &folder)?;
        Ok(Self { folder, built: Vec::new() })
    }

    /// Builds the simulator and moves it to `program`; answers whether it could be built.
    pub(crate) fn build(&mut self, program: &Path) -> io::Result<bool> {
        let mut command = cargo(&["build", "--locked", "--package", "simulate"]);
        command.arg("--message-format=json-render-diagnostics");
        command.arg("--target-dir").arg(root().join("target"));
        command.current_dir(&self.folder).env("CARGO_INCREMENTAL", "0");
        command.env("RUSTFLAGS", std::env::var("RUSTFLAGS").unwrap_or_default());
        let built = command.stderr(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&built.stdout).into_owned();
        let mut found = None;
        for artifact in said.lines().filter_map(|line| serde_json::from_str::<Artifact>(line).ok())
        {
            if artifact.manifest_path.starts_with(&self.folder) {
                self.built.extend(artifact.filenames);
                found = artifact.executable.or(found);
            }
        }
        match found {
            Some(executable) if built.status.success() => {
                fs::copy(&executable, program)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
        for file in &self.built {
            let _ = fs::remove_file(file);
        }
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, kind) = (entry.file_name(), entry.file_type()?);
        if LEFT_OUT.iter().any(|out| name == *out) {
            continue;
        }
        if kind.is_dir() {
            copy_folder(&entry.path(), &to.join(name))?;
        } else if kind.is_file() {
            fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}
