//! What an operator can ask of a hub: the same whether it runs or not.

mod backup;
mod export;
mod invite;
mod quarantine;
mod safe_mode;
mod shut_out;
mod status;

use std::path::PathBuf;

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
    /// Check everything that is held.
    Verify,
    /// Make a backup now.
    Backup {
        /// Where to, if not where the settings say.
        to: Option<PathBuf>,
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
pub async fn perform(hub: &Hub, command: Command) -> Result<Answer, Refusal> {
    match command {
        Command::Status { json } => status::status(hub, json).await,
        Command::Invite { site, advertise, qr } => {
            invite::invite(hub, &site, advertise.as_deref(), qr).await
        }
        Command::Export { what } => Ok(export::export(hub, what)),
        Command::Quarantine(question) => quarantine::perform(hub, question).await,
        Command::Copies => Ok(export::copies(hub)),
        Command::LeaveSafeMode { reason } => safe_mode::leave(hub, &reason).await,
        Command::ShutOut { site } => shut_out::shut_out(hub, &site).await,
        Command::Verify => Ok(verify(hub)),
        Command::Backup { to } => backup::backup(hub, to).await,
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
