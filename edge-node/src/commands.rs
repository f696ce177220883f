//! What an operator can ask of a node: the same whether it runs or not.
//!
//! A command is one line of JSON over the control socket of the running program; when none runs,
//! the command line opens the data folder itself and performs it there.

mod backup;
mod consents;
mod devices;
mod emergency;
mod export;
mod join;
mod patients;
mod quarantine;
mod status;

use std::path::PathBuf;
use std::sync::Arc;

use host::control::{Answer, Refusal};
use replication::ledger::VerifyError;
use serde::{Deserialize, Serialize};

use crate::node::Node;

pub use consents::ConsentRow;
pub use devices::DeviceRow;
pub use emergency::EmergencyRow;
pub use export::What;
pub use patients::PatientRow;
pub use quarantine::{BadName, Name, Quarantine};

/// Rows of a bulk command in one question; the command line splits longer files. At 200 bytes a row
/// a question stays below the 64 KiB that one may have.
pub const ROWS_MAX: usize = 200;

/// A question to a node.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// How things stand.
    Status {
        /// As JSON, for programs.
        json: bool,
    },
    /// Seal all open segments now.
    Flush,
    /// Look for the hub now.
    Sync,
    /// Join the hub that made this invitation.
    Join {
        /// The invitation's one line.
        invitation: String,
    },
    /// The sites that the hub's directory names.
    Sites,
    /// Make new keys, in force from the next time the hub is reached.
    RotateKey,
    /// Register devices; answers `device_id,key` as CSV. The keys are shown this once.
    DeviceAdd {
        /// One row per device.
        rows: Vec<DeviceRow>,
    },
    /// Give a device another key; answers as [`Command::DeviceAdd`].
    DeviceRotate {
        /// Its name.
        device: String,
    },
    /// Refuse a device from now on.
    DeviceRevoke {
        /// Its name.
        device: String,
    },
    /// The devices.
    DeviceList,
    /// Register patients.
    PatientAdd {
        /// One row per patient.
        rows: Vec<PatientRow>,
    },
    /// Change a patient's details; empty fields stay.
    PatientEdit {
        /// The details, with the number that finds the patient.
        row: PatientRow,
    },
    /// The patients, page by page.
    PatientList,
    /// Record what patients allow.
    ConsentGrant {
        /// One row per patient and site.
        rows: Vec<ConsentRow>,
    },
    /// Record that a patient takes back what a site was allowed; everything if no site is named.
    ConsentRevoke {
        /// The patient's number.
        patient_ref: String,
        /// The site's name.
        site: Option<String>,
    },
    /// What a patient allowed.
    ConsentList {
        /// The patient's number.
        patient_ref: String,
    },
    /// Whether a patient allows a site something.
    ConsentCheck {
        /// The patient's number.
        patient_ref: String,
        /// The site's name.
        site: String,
        /// A part of the record.
        compartment: String,
        /// What for.
        purpose: String,
    },
    /// Open a patient's record in an emergency.
    Emergency(EmergencyRow),
    /// What is locked, and what was opened, as CSV.
    LockedList,
    /// Everything held, as CSV.
    Export {
        /// Of what.
        what: What,
        /// Of whom; everybody if left out.
        patient: Option<String>,
    },
    /// Readings and entries that were set aside.
    Quarantine(Quarantine),
    /// Entries that the hub did not simply take, as CSV.
    Refused,
    /// Check everything that is held.
    Verify,
    /// Make a backup now.
    Backup {
        /// Where to, if not where the settings say.
        to: Option<PathBuf>,
    },
    /// Write a bundle.
    BundleExport {
        /// A new file.
        to: PathBuf,
        /// Keys that open it as well.
        also: Vec<String>,
        /// The summary as JSON.
        json: bool,
    },
    /// Take a bundle in.
    BundleImport {
        /// The file.
        from: PathBuf,
        /// The summary as JSON.
        json: bool,
    },
    /// Try a backup out.
    Drill {
        /// A backup or a folder of backups, if not where the settings say.
        from: Option<PathBuf>,
        /// A file that `save-keys` wrote.
        keys: Option<PathBuf>,
    },
}

/// Performs a command.
///
/// # Errors
///
/// [`Refusal`] with a sentence for the person who asked.
pub async fn perform(node: &Arc<Node>, command: Command) -> Result<Answer, Refusal> {
    match command {
        Command::Status { json } => status::status(node, json).await,
        Command::Flush => {
            let sealed = crate::chores::seal(node, 0).await.map_err(Refusal::because)?;
            Ok(Answer::from(format!("sealed {sealed} open segments\n")))
        }
        Command::Sync => {
            // Somebody asks after changing something: perhaps UDP passes now.
            node.roads.ask_again();
            node.sync.ask();
            Ok(Answer::from("looking for the hub now\n".to_owned()))
        }
        Command::Join { invitation } => join::join(node, &invitation).await,
        Command::Sites => join::sites(node).await,
        Command::RotateKey => crate::rotation::prepare(node).await,
        Command::DeviceAdd { rows } => devices::add(node, rows).await,
        Command::DeviceRotate { device } => devices::rotate(node, &device).await,
        Command::DeviceRevoke { device } => devices::revoke(node, &device).await,
        Command::DeviceList => devices::list(node).await,
        Command::PatientAdd { rows } => patients::add(node, rows).await,
        Command::PatientEdit { row } => patients::edit(node, row).await,
        Command::PatientList => patients::list(node),
        Command::ConsentGrant { rows } => consents::grant(node, rows).await,
        Command::ConsentRevoke { patient_ref, site } => {
            consents::revoke(node, patient_ref, site).await
        }
        Command::ConsentCheck { patient_ref, site, compartment, purpose } => {
            consents::check(node, patient_ref, &site, &compartment, &purpose).await
        }
        Command::ConsentList { patient_ref } => consents::list(node, patient_ref).await,
        Command::Emergency(row) => emergency::open(node, row).await,
        Command::LockedList => emergency::locked(node),
        Command::Export { what, patient } => Ok(export::export(node, what, patient)),
        Command::Quarantine(question) => quarantine::perform(node, question).await,
        Command::Refused => Ok(export::refused(node)),
        Command::Verify => Ok(verify(node)),
        Command::Backup { to } => backup::backup(node, to).await,
        Command::BundleExport { to, also, json } => {
            crate::bundle::export(node, to, &also, json).await
        }
        Command::BundleImport { from, json } => crate::bundle::import(node, from, json).await,
        Command::Drill { from, keys } => {
            crate::backup::drill(node, from, keys).map_err(Refusal::because)
        }
    }
}

/// Checks the database file, every stream and every sum.
fn verify(node: &Node) -> Answer {
    let me = node.key();
    Answer::streamed(&node.readers, move |conn, mut out| {
        ::export::verification(conn, &mut out, |conn, progress| {
            let checked = replication::edge::verify(conn, &me, progress)?;
            if !vitals::quarantine::adds_up(conn)? {
                let place = "readings".to_owned();
                let wrong = "the sums of what was set aside and settled are not those of its rows";
                return Err(VerifyError::Record { place, wrong });
            }
            Ok(checked)
        })
    })
}

/// `registered 1 patient`, `registered 2 patients`.
fn counted(done: &str, count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{done} {count} {what}{plural}\n")
}
