//! What an operator can ask of a hub: the same whether it runs or not.

mod backup;
mod erase;
mod export;
mod invite;
mod quarantine;
mod safe_mode;
mod shut_out;
mod status;

use std::path::PathBuf;
use std::sync::Arc;

use host::control::{Answer, Refusal};
use serde::{Deserialize, Serialize};

use crate::node::Hub;

pub use export::What;
pub use quarantine::Quarantine;

/// A question to a hub.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Command {
    /// How things stand.
    Status {
        /// As JSON, for programs.
        json: bool,
    },
    /// Make an invitation that lets one node in as this site.
    Invite {
        /// The site's name.
        site: String,
        /// Where the clinic reaches the hub, if not as the settings say.
        advertise: Option<String>,
        /// With a QR code for phones.
        qr: bool,
    },
    /// Everything held, as CSV.
    Export {
        /// Of what.
        what: What,
    },
    /// Records that clinics opened in an emergency, as CSV.
    Emergencies,
    /// Entries and frames that were set aside.
    Quarantine(Quarantine),
    /// Copies that clinics may still hold although access has ended, as CSV.
    Copies,
    /// Let a site's node in no more, from this moment.
    ShutOut {
        /// The site's name.
        site: String,
    },
    /// End safe mode although not every clinic has reported.
    LeaveSafeMode {
        /// Why.
        reason: String,
    },
    /// Erase, here and at every clinic.
    Erase {
        /// A patient's id, or a clinic and its number as CLINIC/NUMBER.
        patient: Option<String>,
        /// One part of that patient's record.
        compartment: Option<String>,
        /// One entry, by its id.
        entry: Option<String>,
        /// Why.
        reason: String,
    },
    /// Orders to erase and who has carried them out, as CSV.
    Erasures,
    /// Check everything that is held.
    Verify,
    /// Make a backup now.
    Backup {
        /// Where to, if not where the settings say.
        to: Option<PathBuf>,
    },
    /// Write a bundle.
    BundleExport {
        /// The clinic's name.
        site: String,
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
pub async fn perform(hub: &Arc<Hub>, command: Command) -> Result<Answer, Refusal> {
    match command {
        Command::Status { json } => status::status(hub, json).await,
        Command::Invite { site, advertise, qr } => {
            invite::invite(hub, &site, advertise.as_deref(), qr).await
        }
        Command::Export { what } => Ok(export::export(hub, what)),
        Command::Emergencies => Ok(export::emergencies(hub)),
        Command::Quarantine(question) => quarantine::perform(hub, question).await,
        Command::Copies => Ok(export::copies(hub)),
        Command::LeaveSafeMode { reason } => safe_mode::leave(hub, &reason).await,
        Command::ShutOut { site } => shut_out::shut_out(hub, &site).await,
        Command::Erase { patient, compartment, entry, reason } => {
            erase::order(hub, erase::Asked { patient, compartment, entry, reason }).await
        }
        Command::Erasures => Ok(export::erasures(hub)),
        Command::Verify => Ok(verify(hub)),
        Command::Backup { to } => backup::backup(hub, to).await,
        Command::BundleExport { site, to, also, json } => {
            crate::bundle::export(hub, &site, to, &also, json).await
        }
        Command::BundleImport { from, json } => crate::bundle::import(hub, &from, json),
        Command::Drill { from, keys } => {
            crate::backup::drill(hub, from, keys).map_err(Refusal::because)
        }
    }
}

/// Checks the database file, every stream and every sum.
fn verify(hub: &Hub) -> Answer {
    Answer::streamed(&hub.readers, move |conn, mut out| {
        ::export::verification(conn, &mut out, replication::hub::verify)
    })
}
