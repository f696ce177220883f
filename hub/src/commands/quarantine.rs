//! The way out of quarantine: look, try again, give up.

use host::control::{Answer, Refusal};
use host::database::{ReadError, WriteError};
use replication::ledger::quarantine::{self, Inspected};
use replication::ledger::{AsideError, LedgerError};
use serde::{Deserialize, Serialize};
use vocab::Decision;
use workflows::apply_fact::{NO_SITE, Rooms};

use crate::node::Hub;

/// A question about what was set aside.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Quarantine {
    /// As CSV.
    List {
        /// Also what is settled.
        all: bool,
    },
    /// One, without its contents decoded.
    Show {
        /// Its number.
        no: i64,
    },
    /// The bytes of one.
    Payload {
        /// Its number.
        no: i64,
    },
    /// Hand one to its room again; all that are open if none is named.
    Retry {
        /// Its number.
        no: Option<i64>,
    },
    /// Delete the bytes of one and keep the rest as evidence.
    Discard {
        /// Its number.
        no: i64,
        /// Who decided.
        by: String,
        /// Why.
        reason: String,
    },
}

pub(super) async fn perform(hub: &Hub, question: Quarantine) -> Result<Answer, Refusal> {
    match question {
        Quarantine::List { all } => Ok(super::export::quarantine(hub, all)),
        Quarantine::Show { no } => {
            inspect(hub, no).await.map(|found| export::inspected(&found).into())
        }
        Quarantine::Payload { no } => {
            let found = inspect(hub, no).await?;
            if found.aside.standing == quarantine::Standing::Open {
                Ok(Answer::Whole(found.raw))
            } else {
                let word = found.aside.standing.word();
                Err(Refusal::new(format!("number {no} is {word}; its bytes are not here any more")))
            }
        }
        Quarantine::Retry { no: Some(no) } => {
            retry(hub, no).await.map_err(Refusal::because)?;
            Ok(format!("number {no} was taken, and is on its way to everybody who may have it\n")
                .into())
        }
        Quarantine::Retry { no: None } => retry_all(hub).await,
        Quarantine::Discard { no, by, reason } => {
            discard(hub, no, Decision::new(&by, &reason).map_err(Refusal::because)?).await
        }
    }
}

async fn inspect(hub: &Hub, no: i64) -> Result<Inspected, Refusal> {
    let read = hub.readers.read(move |conn| quarantine::inspect(conn, no)).await;
    read.map_err(|error: ReadError<AsideError>| Refusal::because(error))
}

async fn retry(hub: &Hub, no: i64) -> Result<(), WriteError<AsideError>> {
    let (now, key) = (hub.clock.now(), hub.key);
    let wake = hub
        .writer
        .write(move |conn, _| {
            let mut rooms = Rooms { hub: key, site: NO_SITE, now };
            replication::hub::quarantine::retry(conn, now, no, &mut rooms)
        })
        .await?;
    hub.sessions.wake(&wake);
    Ok(())
}

/// Reasons that an answer tells one by one; the list has them all.
const STAYS_TOLD_MAX: u64 = 100;

/// One by one, so that clinics need not wait for all of them.
async fn retry_all(hub: &Hub) -> Result<Answer, Refusal> {
    let open = hub
        .readers
        .read(|conn| replication::ledger::quarantined(conn, u32::MAX).map_err(LedgerError::from))
        .await
        .map_err(|error: ReadError<LedgerError>| Refusal::because(error))?;
    let (mut taken, mut stays) = (0_u64, String::new());
    let mut count = 0_u64;
    // In the order in which they came: a later one may rest on an earlier one.
    for aside in open.iter().rev() {
        match retry(hub, aside.no).await {
            Ok(()) => taken += 1,
            Err(WriteError::Refused(AsideError::Ledger(error))) => {
                return Err(Refusal::because(error));
            }
            Err(WriteError::Refused(reason)) => {
                count += 1;
                if count <= STAYS_TOLD_MAX {
                    stays.push_str(&format!("{reason}\n"));
                }
            }
            Err(error) => return Err(Refusal::because(error)),
        }
    }
    Ok(format!("{taken} taken, {count} stay set aside\n{stays}").into())
}

async fn discard(hub: &Hub, no: i64, decision: Decision) -> Result<Answer, Refusal> {
    let now = hub.clock.now();
    hub.writer
        .write(move |conn, _| quarantine::discard(conn, now, no, &decision))
        .await
        .map_err(|error: WriteError<AsideError>| Refusal::because(error))?;
    Ok(format!("number {no} is discarded: its bytes are deleted, the rest stays as evidence\n")
        .into())
}
