//! `hub`: the meeting place of all clinics and the commands that go with it.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use host::control::{AskError, NotWritten, Refusal, ask};
use host::{Clock, Random, Shutdown};
use hub::commands::{Command, What, perform};
use hub::node::{Hub, StartError};
use hub::server::{Addresses, ServeError, serve};

/// The meeting place of all clinics: takes what they send, keeps it, and gives each clinic what
/// patients allow it to have.
#[derive(Debug, Parser)]
#[command(version, after_help = EXAMPLES)]
struct Args {
    /// The folder with the hub's keys, settings and database.
    #[arg(long, value_name = "DIR", global = true, default_value = "hub-data")]
    data: PathBuf,
    #[command(subcommand)]
    command: Verb,
}

const EXAMPLES: &str = "Examples:
  hub init
  hub serve
  hub invite --site north-valley
  hub status
  hub export vitals > vitals.csv

A command on a running hub asks the running program; otherwise it opens the data folder itself.";

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make the data folder: keys, settings, encrypted database.
    Init,
    /// Run until stopped.
    Serve {
        /// Listen for HTTP here instead of where the settings say.
        #[arg(long, value_name = "ADDRESS")]
        listen: Option<SocketAddr>,
        /// Listen for clinics here instead of where the settings say.
        #[arg(long, value_name = "ADDRESS")]
        sync_listen: Option<SocketAddr>,
    },
    /// Print an invitation that lets one node in as a site: a line, and a QR code for phones.
    Invite {
        /// The site's name, such as north-valley. A site that is known gets a new node in the place
        /// of the one it has.
        #[arg(long)]
        site: String,
        /// Where the clinic reaches this hub, host:port, if not as the settings say.
        #[arg(long, value_name = "ADDRESS")]
        advertise: Option<String>,
        /// Only the line.
        #[arg(long)]
        no_qr: bool,
    },
    /// How things stand, in one screen.
    Status {
        /// As one JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Write what is held as CSV to standard output.
    Export {
        /// Which list.
        what: What,
    },
    /// Entries and frames set aside, with their reasons, as CSV.
    Quarantine,
    /// Let a site's node in no more: its connection is cut, and its keys are never taken again.
    ShutOut {
        /// The site's name.
        #[arg(long)]
        site: String,
    },
    /// Copies that clinics may still hold although access has ended, as CSV.
    Copies,
    /// Check everything that is held, from the first entry on; exit code 1 names what is wrong.
    Verify,
}

#[derive(Debug, thiserror::Error)]
enum RunError {
    #[error(transparent)]
    Start(#[from] StartError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Ask(#[from] AskError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    NotWritten(#[from] NotWritten),
    #[error("the runtime cannot start")]
    Runtime(#[source] io::Error),
    #[error("writing the answer")]
    Output(#[source] io::Error),
}

fn main() -> ExitCode {
    let args = Args::parse();
    host::logging::start();
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            host::logging::say_error(&error);
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> Result<(), RunError> {
    let data = args.data;
    match args.command {
        Verb::Init => {
            Hub::init(&data, &Random::system())?;
            let text = format!(
                "made {}: keys, settings (config.toml) and an encrypted database\n\
                 next: hub --data {} serve\n",
                data.display(),
                data.display()
            );
            io::stdout().lock().write_all(text.as_bytes()).map_err(RunError::Output)
        }
        Verb::Serve { listen, sync_listen } => runtime()?.block_on(async {
            let (_stop, shutdown) = Shutdown::on_signals().map_err(RunError::Runtime)?;
            let addresses = Addresses { http: listen, sync: sync_listen };
            Ok(serve(&data, addresses, shutdown).await?)
        }),
        Verb::Invite { site, advertise, no_qr } => {
            tell(&data, Command::Invite { site, advertise, qr: !no_qr })
        }
        Verb::Status { json } => tell(&data, Command::Status { json }),
        Verb::Export { what } => tell(&data, Command::Export { what }),
        Verb::Quarantine => tell(&data, Command::Quarantine),
        Verb::ShutOut { site } => tell(&data, Command::ShutOut { site }),
        Verb::Copies => tell(&data, Command::Copies),
        Verb::Verify => tell(&data, Command::Verify),
    }
}

/// Asks the running program, or does it here when none runs.
fn tell(data: &Path, command: Command) -> Result<(), RunError> {
    let mut out = io::stdout().lock();
    match ask(&host::folder::control_socket(data), &command, &mut out) {
        Ok(_) => out.flush().map_err(RunError::Output),
        Err(AskError::NotRunning) => here(data, command, &mut out),
        Err(error) => Err(error.into()),
    }
}

fn here(data: &Path, command: Command, out: &mut impl Write) -> Result<(), RunError> {
    runtime()?.block_on(async {
        let hub = Hub::open(data, Clock::system(), Random::system())?;
        perform(&hub, command).await?.write_to(out).await?;
        hub.writer.stop().await;
        Ok(())
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, RunError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(RunError::Runtime)
}
