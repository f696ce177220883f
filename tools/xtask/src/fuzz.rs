//! `cargo xtask fuzz`: builds each target of `tools/fuzz` with coverage counters, lets libFuzzer
//! look for an input that breaks it, and says what was tried.
//!
//! libFuzzer comes as a crate and is compiled by the C++ compiler; nothing has to be installed. The
//! counters are asked of rustc by flags that the stable toolchain knows (those that `cargo fuzz -s
//! none` passes), in a target folder of their own, so that ordinary builds are left alone.

mod corpus;
mod report_body;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cargo::{cargo, root};

use corpus::Corpus;
use report_body::{Outcome, Report};

/// Counters at every edge and comparison, for code that is optimised but keeps its checks.
const FLAGS: [&str; 9] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "--cfg",
    "fuzzing",
    "-Cllvm-args=-simplifycfg-branch-fold-threshold=0",
];

/// Longest input, in bytes: a hundred entries or readings. Longer ones repeat themselves, and bounds
/// on size have tests of their own.
const INPUT_BYTES_MAX: u32 = 4_096;

/// Longest time for one input, in seconds. The slowest takes some milliseconds.
const INPUT_SECONDS_MAX: u32 = 5;

/// Address space of a target's process in KiB, for what is not on the counted heap: the C libraries
/// and libFuzzer itself. The target counts its own heap and allows far less.
const ADDRESS_SPACE_KIB_MAX: u32 = 1024 * 1024;

/// What to try.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these targets; every one when none is named.
    targets: Vec<String>,
    /// Inputs to try per target.
    #[arg(long, default_value_t = 10_000_000)]
    executions: u64,
    /// Stop a target after this many seconds, whatever it has tried by then.
    #[arg(long)]
    seconds: Option<u32>,
    /// Keep what was found: replace the checked-in corpus by a small one that reaches as much.
    #[arg(long)]
    keep: bool,
}

/// Why nothing was tried.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FuzzError {
    /// There is no folder of this name in `tools/fuzz/corpus`.
    #[error("there is no target {0}; there are {1}")]
    Unknown(String, String),
    /// The build failed and said why.
    #[error("the target {0} cannot be built; it needs a C++ compiler beside the C compiler")]
    Build(String),
    /// rustc did not say for which machine it compiles.
    #[error("rustc -vV does not name its host")]
    Host,
    /// A file or a program.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Tries every chosen target; answers whether none was broken.
pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<bool, FuzzError> {
    let all = Corpus::all(&root().join("tools/fuzz/corpus"))?;
    let names: Vec<&str> = all.iter().map(|corpus| corpus.name.as_str()).collect();
    if let Some(unknown) = args.targets.iter().find(|name| !names.contains(&name.as_str())) {
        return Err(FuzzError::Unknown(unknown.clone(), names.join(", ")));
    }
    let host = host()?;
    let mut report = Report::default();
    report.begin(out)?;
    for corpus in &all {
        if !args.targets.is_empty() && !args.targets.contains(&corpus.name) {
            continue;
        }
        let program = build(&corpus.name, &host)?;
        let outcome = attempt(args, &program, corpus)?;
        report.add(out, outcome)?;
    }
    report.end(out)?;
    Ok(report.is_clean())
}

fn host() -> Result<String, FuzzError> {
    let said = Command::new("rustc").arg("-vV").output()?;
    let said = String::from_utf8_lossy(&said.stdout);
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or(FuzzError::Host)
}

fn build(name: &str, host: &str) -> Result<PathBuf, FuzzError> {
    let arguments =
        ["build", "--quiet", "-p", "fuzz", "--features", "guided", "--profile", "fuzz", "--locked"];
    let status = cargo(&arguments)
        .args(["--target", host])
        .env("FUZZ_TARGET", name)
        .env("RUSTFLAGS", FLAGS.join(" "))
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .status()?;
    if !status.success() {
        return Err(FuzzError::Build(name.to_owned()));
    }
    let folder = std::env::var_os("CARGO_TARGET_DIR");
    let folder = folder.map_or_else(|| root().join("target"), PathBuf::from);
    Ok(folder.join(host).join("fuzz").join("guided"))
}

/// Runs one target. What it finds on the way goes on in `target/fuzzing`, beside the checked-in corpus.
fn attempt(args: &Args, program: &Path, corpus: &Corpus) -> Result<Outcome, FuzzError> {
    let work = root().join("target/fuzzing").join(&corpus.name);
    let (found, crashes) = (work.join("found"), work.join("crashes"));
    fs::create_dir_all(&found)?;
    // Of this run only: an old one that still holds is in the corpus.
    let _ = fs::remove_dir_all(&crashes);
    fs::create_dir_all(&crashes)?;
    let prefix = format!("-artifact_prefix={}/", crashes.display());
    let mut command = limited(program);
    command
        .arg(format!("-runs={}", args.executions))
        .arg(format!("-max_len={INPUT_BYTES_MAX}"))
        .arg(format!("-timeout={INPUT_SECONDS_MAX}"))
        .args(["-print_final_stats=1", "-reload=0", prefix.as_str()])
        // Naming the frames of a panic takes longer than an input may.
        .env("RUST_BACKTRACE", "0")
        .args([&found, &corpus.folder]);
    if let Some(seconds) = args.seconds {
        command.arg(format!("-max_total_time={seconds}"));
    }
    let ran = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    fs::write(work.join("log"), &said)?;
    if args.keep && ran.status.success() {
        let merged = work.join("merged");
        let _ = fs::remove_dir_all(&merged);
        fs::create_dir_all(&merged)?;
        let mut merge = limited(program);
        merge.args(["-set_cover_merge=1".to_owned(), format!("-max_len={INPUT_BYTES_MAX}")]);
        merge.args([&merged, &corpus.folder, &found]);
        merge.stdin(Stdio::null()).output()?;
        corpus.replace(&merged)?;
    }
    let (files, bytes) = corpus.size()?;
    let mut outcome = Outcome::read(&corpus.name, &said, files, bytes);
    for crash in fs::read_dir(&crashes)? {
        outcome.crashes.push(crash?.path().display().to_string());
    }
    if !ran.status.success() && outcome.crashes.is_empty() {
        // Ended without leaving an input, as when a limit is met before the first one.
        outcome.crashes.push(work.join("log").display().to_string());
    }
    Ok(outcome)
}

/// The program within its address space.
fn limited(program: &Path) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v \"$1\"; shift; exec \"$@\"", "sh"]);
    command.arg(ADDRESS_SPACE_KIB_MAX.to_string()).arg(program);
    command
}
