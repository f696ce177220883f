//! From what was typed to what is done.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use edge_node::commands::{
    Command, ConsentRow, DeviceRow, EmergencyRow, PatientRow, Quarantine, ROWS_MAX, perform,
};
use edge_node::node::{Node, StartError};
use edge_node::rows::{BadTable, TABLE_BYTES_MAX, read_rows};
use edge_node::server::{ServeError, serve};
use host::backup::{BackupError, Keys};
use host::control::{AskError, NotWritten, Notes, Refusal, ask};
use host::{Clock, Random, Shutdown};
use serde::de::DeserializeOwned;

use crate::args::{
    Args, BundleVerb, ConsentVerb, Details, DeviceVerb, PatientVerb, QuarantineVerb, Verb,
};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
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
    #[error("an empty path leads nowhere")]
    Path(#[source] io::Error),
    #[error("the runtime cannot start")]
    Runtime(#[source] io::Error),
    #[error("writing the answer")]
    Output(#[source] io::Error),
    #[error("{} cannot be read", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// The table that was to be imported is not taken.
    #[error("{}: {reason}", path.display())]
    Table { path: PathBuf, reason: BadTable },
}

/// Does what was typed.
pub(crate) fn run(args: Args) -> Result<(), RunError> {
    let data = args.data;
    if matches!(args.command, Verb::Init) {
        return init(&data);
    }
    if let Verb::Serve { listen } = args.command {
        return runtime()?.block_on(async {
            let (_stop, shutdown) = Shutdown::on_signals().map_err(RunError::Runtime)?;
            Ok(serve(&data, listen, shutdown).await?)
        });
    }
    if let Verb::Restore { from, keys } = args.command {
        return restore(&data, &from, keys.as_deref());
    }
    if let Verb::SaveKeys { file } = args.command {
        return save_keys(&data, &file);
    }
    commands(args.command)?.into_iter().try_for_each(|command| tell(&data, &command))
}

fn init(data: &Path) -> Result<(), RunError> {
    Node::init(data, &Random::system())?;
    say(&format!(
        "made {}: keys, settings (config.toml) and an encrypted database\n\
         next: edge-node --data {} save-keys FILE, and keep that file away from this machine: no \
         backup opens without it\n\
         then: edge-node --data {} join INVITATION\n",
        data.display(),
        data.display(),
        data.display()
    ))
}

/// Brings a backup back, and then checks everything that came.
fn restore(data: &Path, from: &Path, keys: Option<&Path>) -> Result<(), RunError> {
    let restored = edge_node::backup::restore(data, from, keys)?;
    say(&format!(
        "restored {} as of {} into {}; settings are in config.toml there\n\
         what was written here after that is not in it; of that the hub has what had reached it\n",
        restored.name(),
        restored.manifest.made_at,
        data.display()
    ))?;
    here(data, Command::Verify, &mut io::stdout().lock())
}

fn save_keys(data: &Path, file: &Path) -> Result<(), RunError> {
    let keys = Keys::of_folder(data)?;
    keys.save(&edge_node::backup::about(&keys).to_string(), file, data)?;
    say(&format!(
        "wrote the keys of this node to {}\n\
         keep it away from this machine and apart from backups; try it with: edge-node drill --keys {}\n",
        file.display(),
        file.display()
    ))
}

/// The running program may be at home in another folder.
fn absolute(path: Option<PathBuf>) -> Result<Option<PathBuf>, RunError> {
    path.map(std::path::absolute).transpose().map_err(RunError::Path)
}

fn absolute_file(path: &Path) -> Result<PathBuf, RunError> {
    std::path::absolute(path).map_err(RunError::Path)
}

fn commands(verb: Verb) -> Result<Vec<Command>, RunError> {
    Ok(match verb {
        Verb::Init | Verb::Serve { .. } | Verb::Restore { .. } | Verb::SaveKeys { .. } => {
            Vec::new()
        }
        Verb::Bundle(BundleVerb::Export { file, also, json }) => {
            vec![Command::BundleExport { to: absolute_file(&file)?, also, json }]
        }
        Verb::Bundle(BundleVerb::Import { file, json }) => {
            vec![Command::BundleImport { from: absolute_file(&file)?, json }]
        }
        Verb::Backup { to } => vec![Command::Backup { to: absolute(to)? }],
        Verb::Drill { from, keys } => {
            vec![Command::Drill { from: absolute(from)?, keys: absolute(keys)? }]
        }
        Verb::Join { invitation } => vec![Command::Join { invitation }],
        Verb::Status { json } => vec![Command::Status { json }],
        Verb::Sync => vec![Command::Sync],
        Verb::Flush => vec![Command::Flush],
        Verb::Sites => vec![Command::Sites],
        Verb::RotateKey => vec![Command::RotateKey],
        Verb::Export { what, patient } => vec![Command::Export { what, patient }],
        Verb::Locked => vec![Command::LockedList],
        Verb::Emergency { patient_ref, reason, because: text, parts, further } => {
            vec![Command::Emergency(EmergencyRow { patient_ref, parts, reason, text, further })]
        }
        Verb::Quarantine { verb } => vec![Command::Quarantine(quarantine(verb))],
        Verb::Refused => vec![Command::Refused],
        Verb::Verify => vec![Command::Verify],
        Verb::Device(DeviceVerb::Add { name: device_id, kind }) => {
            vec![Command::DeviceAdd { rows: vec![DeviceRow { device_id, kind }] }]
        }
        Verb::Device(DeviceVerb::Import { file }) => {
            in_parts(rows::<DeviceRow>(&file)?, |rows| Command::DeviceAdd { rows })
        }
        Verb::Device(DeviceVerb::Rotate { name: device }) => vec![Command::DeviceRotate { device }],
        Verb::Device(DeviceVerb::Revoke { name: device }) => vec![Command::DeviceRevoke { device }],
        Verb::Device(DeviceVerb::List) => vec![Command::DeviceList],
        Verb::Patient(PatientVerb::Add(details)) => {
            vec![Command::PatientAdd { rows: vec![patient(details)] }]
        }
        Verb::Patient(PatientVerb::Edit(details)) => {
            vec![Command::PatientEdit { row: patient(details) }]
        }
        Verb::Patient(PatientVerb::Import { file }) => {
            in_parts(rows::<PatientRow>(&file)?, |rows| Command::PatientAdd { rows })
        }
        Verb::Patient(PatientVerb::List) => vec![Command::PatientList],
        Verb::Consent(ConsentVerb::Grant {
            patient_ref,
            site,
            compartments,
            until,
            offline_hours,
            guardian,
        }) => {
            vec![Command::ConsentGrant {
                rows: vec![ConsentRow {
                    patient_ref,
                    site,
                    compartments,
                    until,
                    offline_hours,
                    guardian,
                }],
            }]
        }
        Verb::Consent(ConsentVerb::Import { file }) => {
            in_parts(rows::<ConsentRow>(&file)?, |rows| Command::ConsentGrant { rows })
        }
        Verb::Consent(ConsentVerb::Revoke { patient_ref, site }) => {
            vec![Command::ConsentRevoke { patient_ref, site }]
        }
        Verb::Consent(ConsentVerb::Check { patient_ref, site, compartment, purpose }) => {
            vec![Command::ConsentCheck { patient_ref, site, compartment, purpose }]
        }
        Verb::Consent(ConsentVerb::List { patient_ref }) => {
            vec![Command::ConsentList { patient_ref }]
        }
    })
}

fn quarantine(verb: Option<QuarantineVerb>) -> Quarantine {
    match verb {
        None => Quarantine::List { entries: false, all: false },
        Some(QuarantineVerb::List { entries, all }) => Quarantine::List { entries, all },
        Some(QuarantineVerb::Show { id: name }) => Quarantine::Show { name },
        Some(QuarantineVerb::Retry { id: name, .. }) => Quarantine::Retry { name },
        Some(QuarantineVerb::Discard { id: name, reason, by }) => {
            let by = by.unwrap_or_else(host::account::of_caller);
            Quarantine::Discard { name, by, reason }
        }
    }
}

fn patient(details: Details) -> PatientRow {
    let Details { patient_ref, name, birth_date, sex, phone } = details;
    PatientRow { patient_ref, name, birth_date, sex, phone }
}

/// Reads a CSV file with a header line.
fn rows<T: DeserializeOwned>(path: &Path) -> Result<Vec<T>, RunError> {
    let cannot = |error| RunError::File(path.to_owned(), error);
    // One byte more than is taken shows that there is more.
    let file = File::open(path).map_err(cannot)?;
    let mut table = Vec::new();
    file.take(TABLE_BYTES_MAX as u64 + 1).read_to_end(&mut table).map_err(cannot)?;
    read_rows(&table).map_err(|reason| RunError::Table { path: path.to_owned(), reason })
}

/// A long list as several commands, each within what one question may hold.
fn in_parts<T: Clone>(rows: Vec<T>, command: impl Fn(Vec<T>) -> Command) -> Vec<Command> {
    rows.chunks(ROWS_MAX).map(|part| command(part.to_vec())).collect()
}

/// Asks the running program, or does it here when none runs.
fn tell(data: &Path, command: &Command) -> Result<(), RunError> {
    let mut answer = io::stdout().lock();
    if let Command::BundleExport { .. } | Command::BundleImport { .. } = command {
        return ask_or_do(data, command, &mut Notes::new(&mut answer, io::stderr()));
    }
    ask_or_do(data, command, &mut answer)
}

fn ask_or_do(data: &Path, command: &Command, out: &mut impl Write) -> Result<(), RunError> {
    match ask(&host::folder::control_socket(data), command, out) {
        Ok(_) => out.flush().map_err(RunError::Output),
        Err(AskError::NotRunning) if matches!(command, Command::Sync) => {
            Err(Refusal::new("the node is not running; start it with: edge-node serve").into())
        }
        Err(AskError::NotRunning) => here(data, command.clone(), out),
        Err(error) => Err(error.into()),
    }
}

fn here(data: &Path, command: Command, out: &mut impl Write) -> Result<(), RunError> {
    runtime()?.block_on(async {
        let node = Arc::new(Node::open(data, Clock::system(), Random::system())?);
        perform(&node, command).await?.write_to(out).await?;
        node.writer.stop().await;
        Ok(())
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, RunError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(RunError::Runtime)
}

fn say(text: &str) -> Result<(), RunError> {
    io::stdout().lock().write_all(text.as_bytes()).map_err(RunError::Output)
}
