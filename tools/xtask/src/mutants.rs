//! `cargo xtask mutants`: plants known bugs one at a time and says how many storms it takes to see each.
//!
//! Who trusts the storms should know what they would notice. Each bug is a patch over a copy of the
//! sources; the list is the one of the sync design, and what was added to it.

mod copy;
mod patch;
mod report_body;

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use self::copy::Copy;
use self::patch::{Patch, PatchError};
use self::report_body::{Report, Said};
use crate::cargo::root;

/// Where the bugs are.
const FOLDER: &str = "tools/simulate/mutants";

/// What to plant.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Storms within which each has to be seen.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// Only these; all when none is named.
    names: Vec<String>,
}

/// Why it did not come to a verdict.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MutantsError {
    /// A patch is no patch, or does not fit.
    #[error(transparent)]
    Patch(#[from] PatchError),
    /// A file or program failed.
    #[error("planting bugs failed: {0}")]
    Io(#[from] io::Error),
    /// There is no such bug.
    #[error("there is no bug called {0:?}; see {FOLDER}")]
    Unknown(String),
    /// What was planted cannot be built.
    #[error("{0} cannot be built; see `cargo build -p simulate` over the patched sources")]
    Unbuilt(String),
}

/// Plants each bug in turn; answers whether all were seen.
pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<bool, MutantsError> {
    let mut all = Patch::all(&root().join(FOLDER))?;
    if let Some(unknown) = args.names.iter().find(|name| all.iter().all(|p| p.name != **name)) {
        return Err(MutantsError::Unknown(unknown.clone()));
    }
    all.retain(|patch| args.names.is_empty() || args.names.contains(&patch.name));
    let work = tempfile::tempdir()?;
    let (sound, planted) = (work.path().join("sound"), work.path().join("planted"));
    let mut copy = Copy::make()?;
    build(&mut copy, &sound, "the copy without a bug")?;
    let mut report = Report { seeds: args.seeds, planted: all.len(), seen: 0, unseen: Vec::new() };
    for patch in &all {
        let files = patch.planted(&copy.folder)?;
        for (path, _, after) in &files {
            std::fs::write(path, after)?;
        }
        build(&mut copy, &planted, &patch.name)?;
        for (path, before, _) in &files {
            std::fs::write(path, before)?;
        }
        // What the program breaks without a bug says nothing about the bug.
        let mut first = 0;
        let seed = loop {
            match first_broken(&planted, first, args.seeds - first)? {
                Some(seed) if first_broken(&sound, seed, 1)?.is_some() => first = seed + 1,
                found => break found,
            }
        };
        let verdict = match seed {
            Some(seed) => format!("seen after {} storms", seed + 1),
            None => format!("NOT SEEN in {} storms", args.seeds),
        };
        writeln!(out, "{:22} {verdict:26} {}", patch.name, patch.what)?;
        out.flush()?;
        match seed {
            Some(_) => report.seen += 1,
            None => report.unseen.push(patch.name.clone()),
        }
    }
    writeln!(out, "{}", serde_json::to_string(&report).map_err(io::Error::other)?)?;
    Ok(report.unseen.is_empty())
}

fn build(copy: &mut Copy, program: &Path, name: &str) -> Result<(), MutantsError> {
    if copy.build(program)? { Ok(()) } else { Err(MutantsError::Unbuilt(name.to_owned())) }
}

/// The first of `seeds` seeds at which the simulator sees something broken.
fn first_broken(program: &Path, first: u64, seeds: u64) -> io::Result<Option<u64>> {
    let mut command = Command::new(program);
    command.args(["--until-broken", "--first-seed", &first.to_string()]);
    command.args(["--seeds", &seeds.to_string()]);
    let ran = command.stderr(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&ran.stdout).into_owned();
    let said: Said = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    Ok(said.first_broken)
}
