//! `cargo crash-states`: see `--help`.

mod args;
mod run;

use std::process::ExitCode;

use clap::Parser as _;
use crash_states::reopen;

fn main() -> ExitCode {
    let args = args::Args::parse();
    match run::run(&args, &mut std::io::stdout().lock()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = std::io::Write::write_all(
                &mut std::io::stderr(),
                format!("crash-states: {}\n", reopen::said(&error)).as_bytes(),
            );
            ExitCode::from(2)
        }
    }
}
