//! What an operator can ask of a hub: the same whether it runs or not.

mod export;
mod invite;
mod status;

use std::sync::Arc;

use host::control::{Answer, Refusal};
use serde::{Deserialize, Serialize};

use crate::node::Hub;

pub use export::What;

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
    /// Entries and frames that were set aside, as CSV.
    Quarantine,
}

/// Performs a command.
///
/// # Errors
///
/// [`Refusal`] with a sentence for the person who asked.
pub async fn perform(hub: Arc<Hub>, command: Command) -> Result<Answer, Refusal> {
    match command {
        Command::Status { json } => status::status(&hub, json).await,
        Command::Invite { site, advertise, qr } => {
            invite::invite(&hub, &site, advertise.as_deref(), qr).await
        }
        Command::Export { what } => Ok(export::export(hub, what)),
        Command::Quarantine => Ok(export::quarantine(hub)),
    }
}

/// An error and its causes as one sentence. Our errors hold nothing about a person.
pub(crate) fn refuse(error: impl std::error::Error) -> Refusal {
    let mut sentence = error.to_string();
    let mut cause = error.source();
    // That the database said no for a use case is no news to a person; why is.
    if sentence == "the write was refused" || sentence == "the read was refused" {
        sentence = cause.map(ToString::to_string).unwrap_or(sentence);
        cause = cause.and_then(std::error::Error::source);
    }
    while let Some(inner) = cause {
        sentence.push_str(": ");
        sentence.push_str(&inner.to_string());
        cause = inner.source();
    }
    Refusal::new(sentence)
}
