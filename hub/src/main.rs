//! `hub`: the meeting place of all clinics and the commands that go with it.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::{Parser, Subcommand};
use host::backup::{BackupError, Keys};
use host::control::{AskError, NotWritten, Notes, Refusal, ask};
use host::{Clock, Random, Shutdown};
use hub::commands::{Command, Quarantine, What, perform};
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
  hub erase --patient north-valley/p-17 --reason 'asked for in writing'

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
    /// Records that clinics opened in an emergency, the newest first, as CSV.
    Emergencies,
    /// Entries and frames set aside: list them, look at one, try again, give up.
    Quarantine {
        #[command(subcommand)]
        verb: Option<QuarantineVerb>,
    },
    /// Let a site's node in no more: its connection is cut, and its keys are never taken again.
    ShutOut {
        /// The site's name.
        #[arg(long)]
        site: String,
    },
    /// End safe mode, in which a hub that came back from a backup waits for its clinics, although not
    /// every one has reported.
    LeaveSafeMode {
        /// Why; it stays on record.
        #[arg(long)]
        reason: String,
    },
    /// Erase a patient, a part of a record or an entry: here, at every clinic, and in the backups of the
    /// folder that the settings name. Headers stay, so that everything still verifies.
    #[command(args_conflicts_with_subcommands = true)]
    Erase {
        #[command(subcommand)]
        list: Option<EraseVerb>,
        /// A patient's id, or a clinic and its number as CLINIC/NUMBER.
        #[arg(long)]
        patient: Option<String>,
        /// Only this part of the record, such as vitals; alerts go with vitals.
        #[arg(long, requires = "patient", value_name = "PART")]
        compartment: Option<String>,
        /// One entry that carries its own salt, by its id.
        #[arg(long, value_name = "ID", conflicts_with = "patient")]
        entry: Option<String>,
        /// Why; it stays on record at this hub, so name nobody in it.
        #[arg(long, default_value = "")]
        reason: String,
    },
    /// Copies that clinics may still hold although access has ended, as CSV.
    Copies,
    /// Make a backup now, beside the running program: where the settings say, or in another folder.
    Backup {
        /// An existing folder on another medium.
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
    },
    /// What a link would carry, as a file that somebody carries.
    #[command(subcommand)]
    Bundle(BundleVerb),
    /// Try a backup out: bring it back beside the data, check everything in it, throw it away.
    Drill {
        /// A backup, or a folder of backups whose newest is taken; else that of the settings.
        #[arg(long, value_name = "FOLDER")]
        from: Option<PathBuf>,
        /// The file that save-keys wrote, as a restore on another machine needs it.
        #[arg(long, value_name = "FILE")]
        keys: Option<PathBuf>,
    },
    /// Bring a backup into a data folder that holds no data.
    Restore {
        /// A backup, or a folder of backups whose newest is taken.
        #[arg(long, value_name = "FOLDER")]
        from: PathBuf,
        /// The file that save-keys wrote; not needed where the data folder still has its keys.
        #[arg(long, value_name = "FILE")]
        keys: Option<PathBuf>,
    },
    /// Write the keys to a file that is kept apart from backups: without it none can be opened.
    SaveKeys {
        /// A new file, outside the data folder.
        file: PathBuf,
    },
    /// Check everything that is held, from the first entry on; exit code 1 names what is wrong.
    Verify,
}

/// What can be done with bundles.
#[derive(Debug, Subcommand)]
enum BundleVerb {
    /// Write what a clinic may have and is not known to have to a file that only its node opens.
    Export {
        /// The clinic's name.
        #[arg(long)]
        site: String,
        /// A new file, on a stick perhaps.
        file: PathBuf,
        /// An age key that opens it as well, to recover it; may be given again.
        #[arg(long, value_name = "AGE-KEY")]
        also: Vec<String>,
        /// The summary as one JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
    /// Take in a file that a clinic wrote for this hub.
    Import {
        /// The file.
        file: PathBuf,
        /// The summary as one JSON object, for programs.
        #[arg(long)]
        json: bool,
    },
}

/// What can be asked about erasures.
#[derive(Debug, Subcommand)]
enum EraseVerb {
    /// Orders, and which clinics have signed that they carried them out, as CSV.
    List,
}

#[derive(Debug, Subcommand)]
enum QuarantineVerb {
    /// What is open, with its reason, as CSV; what is done when nothing is said.
    List {
        /// Also what was taken again or discarded.
        #[arg(long)]
        all: bool,
    },
    /// Everything about one but its contents.
    Show {
        /// Its number, the column id of the list.
        id: i64,
        /// Write the bytes as they came to this new file, which only you can read. They may be a
        /// patient's, and they may be hostile to what opens them.
        #[arg(long, value_name = "FILE")]
        payload: Option<PathBuf>,
    },
    /// Hand a payload to its room again, after an upgrade or after access was granted.
    #[command(group(clap::ArgGroup::new("which").required(true).args(["id", "all"])))]
    Retry {
        /// Its number.
        id: Option<i64>,
        /// All that are open.
        #[arg(long)]
        all: bool,
    },
    /// Delete the bytes of one. Who, when and why stay as evidence.
    Discard {
        /// Its number.
        id: i64,
        /// Why, in one line.
        #[arg(long, value_name = "TEXT")]
        reason: String,
        /// Who decides; the account that this is typed in, if left out.
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
    },
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
    #[error(transparent)]
    Backup(#[from] BackupError),
    #[error(transparent)]
    Folder(#[from] host::folder::FolderError),
    #[error("the runtime cannot start")]
    Runtime(#[source] io::Error),
    #[error("writing the answer")]
    Output(#[source] io::Error),
    #[error("{} cannot be written; it must be a new file", .0.display())]
    Payload(PathBuf, #[source] io::Error),
    #[error("an empty path leads nowhere")]
    Path(#[source] io::Error),
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
                 next: hub --data {} save-keys FILE, and keep that file away from this machine: no \
                 backup opens without it\n\
                 then: hub --data {} serve\n",
                data.display(),
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
        Verb::Emergencies => tell(&data, Command::Emergencies),
        Verb::Quarantine { verb } => {
            quarantine(&data, verb.unwrap_or(QuarantineVerb::List { all: false }))
        }
        Verb::LeaveSafeMode { reason } => tell(&data, Command::LeaveSafeMode { reason }),
        Verb::ShutOut { site } => tell(&data, Command::ShutOut { site }),
        Verb::Bundle(BundleVerb::Export { site, file, also, json }) => {
            tell(&data, Command::BundleExport { site, to: absolute_file(&file)?, also, json })
        }
        Verb::Bundle(BundleVerb::Import { file, json }) => {
            tell(&data, Command::BundleImport { from: absolute_file(&file)?, json })
        }
        Verb::Backup { to } => tell(&data, Command::Backup { to: absolute(to)? }),
        Verb::Drill { from, keys } => {
            tell(&data, Command::Drill { from: absolute(from)?, keys: absolute(keys)? })
        }
        Verb::Restore { from, keys } => restore(&data, &from, keys.as_deref()),
        Verb::SaveKeys { file } => save_keys(&data, &file),
        Verb::Erase { list: Some(EraseVerb::List), .. } => tell(&data, Command::Erasures),
        Verb::Erase { list: None, patient, compartment, entry, reason } => {
            tell(&data, Command::Erase { patient, compartment, entry, reason })
        }
        Verb::Copies => tell(&data, Command::Copies),
        Verb::Verify => tell(&data, Command::Verify),
    }
}

/// Brings a backup back, and then checks everything that came.
fn restore(data: &Path, from: &Path, keys: Option<&Path>) -> Result<(), RunError> {
    let restored =
        hub::backup::restore(data, from, keys, Clock::system().now(), &Random::system())?;
    let mut out = io::stdout().lock();
    let text = format!(
        "restored {} as of {} into {}\n\
         it is a new life of this hub, and marked as restored; settings are in config.toml there\n",
        restored.name(),
        restored.manifest.made_at,
        data.display()
    );
    out.write_all(text.as_bytes()).map_err(RunError::Output)?;
    here(data, Command::Verify, &mut out)
}

fn save_keys(data: &Path, file: &Path) -> Result<(), RunError> {
    let keys = Keys::of_folder(data)?;
    keys.save(&hub::backup::about(&keys).to_string(), file, data)?;
    let text = format!(
        "wrote the keys of this hub to {}\n\
         keep it away from this machine and apart from backups; try it with: hub drill --keys {}\n",
        file.display(),
        file.display()
    );
    io::stdout().lock().write_all(text.as_bytes()).map_err(RunError::Output)
}

/// The running program may be at home in another folder.
fn absolute(path: Option<PathBuf>) -> Result<Option<PathBuf>, RunError> {
    path.map(std::path::absolute).transpose().map_err(RunError::Path)
}

fn absolute_file(path: &Path) -> Result<PathBuf, RunError> {
    std::path::absolute(path).map_err(RunError::Path)
}

fn quarantine(data: &Path, verb: QuarantineVerb) -> Result<(), RunError> {
    let question = match verb {
        QuarantineVerb::List { all } => Quarantine::List { all },
        QuarantineVerb::Show { id, payload: None } => Quarantine::Show { no: id },
        QuarantineVerb::Show { id, payload: Some(file) } => return payload(data, id, &file),
        QuarantineVerb::Retry { id, .. } => Quarantine::Retry { no: id },
        QuarantineVerb::Discard { id, reason, by } => {
            let by = by.unwrap_or_else(host::account::of_caller);
            Quarantine::Discard { no: id, by, reason }
        }
    };
    tell(data, Command::Quarantine(question))
}

/// Writes the bytes of what was set aside to a file that only its owner can read.
fn payload(data: &Path, no: i64, file: &Path) -> Result<(), RunError> {
    let mut bytes = Vec::new();
    tell_to(data, Command::Quarantine(Quarantine::Payload { no }), &mut bytes)?;
    let cannot = |error| RunError::Payload(file.to_owned(), error);
    let mut options = std::fs::OpenOptions::new();
    let mut opened = options.write(true).create_new(true).mode(0o600).open(file).map_err(cannot)?;
    opened.write_all(&bytes).and_then(|()| opened.sync_all()).map_err(cannot)?;
    let text = format!("wrote {} bytes to {}\n", bytes.len(), file.display());
    io::stdout().lock().write_all(text.as_bytes()).map_err(RunError::Output)
}

/// Asks the running program, or does it here when none runs.
fn tell(data: &Path, command: Command) -> Result<(), RunError> {
    let mut answer = io::stdout().lock();
    if let Command::BundleExport { .. } | Command::BundleImport { .. } = command {
        return tell_to(data, command, &mut Notes::new(&mut answer, io::stderr()));
    }
    tell_to(data, command, &mut answer)
}

fn tell_to(data: &Path, command: Command, out: &mut impl Write) -> Result<(), RunError> {
    match ask(&host::folder::control_socket(data), &command, out) {
        Ok(_) => out.flush().map_err(RunError::Output),
        Err(AskError::NotRunning) => here(data, command, out),
        Err(error) => Err(error.into()),
    }
}

fn here(data: &Path, command: Command, out: &mut impl Write) -> Result<(), RunError> {
    runtime()?.block_on(async {
        let hub = Arc::new(Hub::open(data, Clock::system(), Random::system())?);
        perform(&hub, command).await?.write_to(out).await?;
        hub.writer.stop().await;
        Ok(())
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, RunError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(RunError::Runtime)
}
