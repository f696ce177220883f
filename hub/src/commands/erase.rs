//! Having something erased everywhere.

use host::control::{Answer, Refusal};
use replication::erasure::OrderId;
use sync_protocol::EntryId;
use vocab::{Compartment, PatientId};
use workflows::erase::{Erased, What, Whose, erase};

use crate::erasure;
use crate::node::Hub;

/// Characters of a reason, so that it fits a line of the list.
const REASON_CHARS_MAX: usize = 300;

/// What was typed.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) patient: Option<String>,
    pub(super) compartment: Option<String>,
    pub(super) entry: Option<String>,
    pub(super) reason: String,
}

/// Gives an order to erase, carries it out here, and replaces the backups that still have what went.
pub(super) async fn order(hub: &Hub, asked: Asked) -> Result<Answer, Refusal> {
    let reason = asked.reason.trim().to_owned();
    let printable = !reason.chars().any(char::is_control);
    if reason.is_empty() || !printable || reason.chars().count() > REASON_CHARS_MAX {
        return Err(Refusal::new(format!(
            "--reason needs a sentence of at most {REASON_CHARS_MAX} characters: it stays on record at \
             this hub, so name nobody in it"
        )));
    }
    let what = parse(&asked)?;
    let (now, id) = (hub.clock.now(), OrderId(hub.random.bytes()));
    let done = hub
        .writer
        .write(move |conn, state| erase(conn, &mut state.author, now, id, &what, &reason))
        .await
        .map_err(Refusal::because)?;
    let Erased { order, erased, patient, wake } = done;
    hub.board.erase(patient);
    hub.sessions.wake(&wake);
    let backups = erasure::settle(hub).await;
    Ok(Answer::from(format!(
        "order {order}: {erased} payloads are erased here\n\
         {backups}\n\
         every clinic erases its own with the next contact and signs for it; hub erase list says which \
         have. What was exported, printed or copied elsewhere is not reached\n"
    )))
}

fn parse(asked: &Asked) -> Result<What, Refusal> {
    match (&asked.patient, &asked.compartment, &asked.entry) {
        (Some(patient), None, None) => Ok(What::Patient(whose(patient)?)),
        (Some(patient), Some(part), None) => {
            let compartment = Compartment::from_name(part).ok_or_else(|| {
                let all: Vec<&str> = Compartment::ALL.iter().map(|part| part.name()).collect();
                Refusal::new(format!("{part} is no part of a record; they are {}", all.join(", ")))
            })?;
            Ok(What::Compartment(whose(patient)?, compartment))
        }
        (None, None, Some(entry)) => {
            let digits = data_encoding::HEXLOWER_PERMISSIVE.decode(entry.as_bytes());
            let id = digits.ok().and_then(|bytes| bytes.try_into().ok());
            id.map(|id| What::Entry(EntryId(id))).ok_or_else(|| {
                Refusal::new("an entry is named by the 64 hexadecimal digits of its id")
            })
        }
        _ => Err(Refusal::new(
            "say what is to be erased: --patient PATIENT, --patient PATIENT --compartment PART, or \
             --entry ID",
        )),
    }
}

/// A patient's id, or `CLINIC/NUMBER`.
fn whose(text: &str) -> Result<Whose, Refusal> {
    if let Ok(id) = text.parse::<PatientId>() {
        return Ok(Whose::Id(id));
    }
    let named = text
        .split_once('/')
        .and_then(|(site, number)| Some(Whose::Number(site.parse().ok()?, number.parse().ok()?)));
    named.ok_or_else(|| {
        Refusal::new(
            "a patient is named by the id, or by a clinic and its number as CLINIC/NUMBER, such as \
             north-valley/p-17",
        )
    })
}
