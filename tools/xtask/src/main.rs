//! The chores of this repository: `cargo verify`, `cargo xtask fuzz`, `cargo xtask mutants` and
//! `cargo xtask signatures FILE.jsonl`.
//!
//! Depends on little, so that what is missing on a fresh machine is said before it is needed.

mod cargo;
mod fuzz;
mod mutants;
mod signatures;
mod verify;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(about = "Chores of this repository")]
struct Args {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Everything a change must pass: format, lints, tests. Installs what the checks need.
    Verify,
    /// Looks for inputs that break a decoder; the last line is one JSON object, exit code 1 when some
    /// input did.
    Fuzz(fuzz::Args),
    /// Plants known bugs and says how many storms it takes to see each; exit code 1 when one stays
    /// unseen.
    Mutants(mutants::Args),
    /// Our signature verifier's verdict for each line of FILE; exit code 1 where it differs.
    Signatures {
        /// Lines of {"name", "public_key", "message", "signature", "valid"}; bytes in hexadecimal.
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    let mut out = io::stdout().lock();
    let outcome = match Args::parse().chore {
        Chore::Verify => verify::run(&mut out).map_err(|error| error.to_string()),
        Chore::Fuzz(args) => fuzz::run(&args, &mut out).map_err(|error| error.to_string()),
        Chore::Mutants(args) => mutants::run(&args, &mut out).map_err(|error| error.to_string()),
        Chore::Signatures { file } => {
            signatures::run(&file, &mut out).map_err(|error| error.to_string())
        }
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(sentence) => {
            drop(out);
            let _ = io::Write::write_all(&mut io::stderr(), format!("{sentence}\n").as_bytes());
            ExitCode::from(2)
        }
    }
}
