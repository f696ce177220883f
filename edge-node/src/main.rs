//! `edge-node`: the clinic's server and the commands that go with it.

use std::process::ExitCode;

use clap::Parser as _;

mod args;
mod run;

fn main() -> ExitCode {
    let args = args::Args::parse();
    host::logging::start();
    match run::run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            host::logging::say_error(&error);
            ExitCode::FAILURE
        }
    }
}
