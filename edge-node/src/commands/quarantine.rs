//! The way out of quarantine at a clinic: look, try again, give up. A device's reading that was set aside
//! is named `r7`, another clinic's entry `e7`.

use std::fmt;
use std::str::FromStr;

use host::control::{Answer, Refusal};
use host::database::{ReadError, WriteError};
use replication::ledger::{AsideError, quarantine as entries};
use serde::{Deserialize, Serialize};
use store::StoreError;
use sync_protocol::NodeId;
use vitals::quarantine::{self as readings, QuarantineError, Quarantined};
use vocab::Decision;
use workflows::WorkflowError;
use workflows::apply_fact::Rooms;
use workflows::retry_readings::{Retried, Which, retry_readings};

use crate::node::Node;

/// Reasons that an answer tells one by one; the list has them all.
const STAY_TOLD_MAX: usize = 100;

/// What was set aside, by the name that the lists give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Name {
    /// A reading of a device.
    Reading(i64),
    /// An entry of another clinic or of the hub.
    Entry(i64),
}

/// A text that names nothing that was set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name is r and a number for a reading, or e and a number for an entry, such as r7")]
pub struct BadName;

impl FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let (make, digits): (fn(i64) -> Self, _) = match text.split_at_checked(1) {
            Some(("r", digits)) => (Self::Reading, digits),
            Some(("e", digits)) => (Self::Entry, digits),
            _ => return Err(BadName),
        };
        if !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return Err(BadName);
        }
        digits.parse().map(make).map_err(|_| BadName)
    }
}

impl TryFrom<String> for Name {
    type Error = BadName;

    fn try_from(text: String) -> Result<Self, BadName> {
        text.parse()
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.to_string()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reading(no) => write!(f, "r{no}"),
            Self::Entry(no) => write!(f, "e{no}"),
        }
    }
}

/// A question about what was set aside.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Quarantine {
    /// As CSV: readings, or entries.
    List {
        /// Entries instead of readings.
        entries: bool,
        /// Also what is settled.
        all: bool,
    },
    /// One.
    Show {
        /// Its name.
        name: Name,
    },
    /// Judge one again; all that are open if none is named.
    Retry {
        /// Its name.
        name: Option<Name>,
    },
    /// Give one up; who, when and why stay as evidence.
    Discard {
        /// Its name.
        name: Name,
        /// Who decided.
        by: String,
        /// Why.
        reason: String,
    },
}

pub(super) async fn perform(node: &Node, question: Quarantine) -> Result<Answer, Refusal> {
    match question {
        Quarantine::List { entries: false, all } => Ok(super::export::quarantine(node, all)),
        Quarantine::List { entries: true, all } => Ok(super::export::set_aside(node, all)),
        Quarantine::Show { name } => show(node, name).await,
        Quarantine::Retry { name: Some(name) } => retry(node, name).await,
        Quarantine::Retry { name: None } => retry_all(node).await,
        Quarantine::Discard { name, by, reason } => {
            let decision = Decision::new(&by, &reason).map_err(Refusal::because)?;
            discard(node, name, decision).await
        }
    }
}

async fn show(node: &Node, name: Name) -> Result<Answer, Refusal> {
    match name {
        Name::Reading(no) => {
            let read = node.readers.read(move |conn| readings::find(conn, no)).await;
            let found =
                read.map_err(|error: ReadError<QuarantineError>| Refusal::because(error))?;
            Ok(reading_text(name, &found).into())
        }
        Name::Entry(no) => {
            let read = node.readers.read(move |conn| entries::inspect(conn, no)).await;
            let found = read.map_err(|error: ReadError<AsideError>| Refusal::because(error))?;
            Ok(export::inspected(&found).into())
        }
    }
}

fn reading_text(name: Name, found: &Quarantined) -> String {
    let mut text = format!(
        "reading     {name} ({})\nset aside   {}\ndevice      {}, batch {}, place {}\nreason      {}: {}\n\
         sign        {}, in {}\ndevice time {}\n",
        found.standing.word(),
        found.received,
        found.device,
        found.batch_id.as_str(),
        found.position,
        found.reason.word(),
        found.reason.sentence(),
        found.code,
        found.unit.as_str(),
        found.time,
    );
    if let Some(sequence) = found.sequence {
        text.push_str(&format!("sequence    {sequence}\n"));
    }
    if let Some(contents) = &found.contents {
        let patient = contents.patient.as_str();
        text.push_str(&format!("patient     {patient}\nvalue       {}\n", contents.value));
    }
    if let Some(at) = found.settled_at {
        text.push_str(&format!("settled     {at}\n"));
    }
    if let Some(decision) = &found.decision {
        text.push_str(&format!("by          {}\nwhy         {}\n", decision.by(), decision.why()));
    }
    text
}

async fn retry(node: &Node, name: Name) -> Result<Answer, Refusal> {
    match name {
        Name::Reading(no) => {
            let tried = retry_some(node, Which::One(no)).await.map_err(Refusal::because)?;
            match tried.stay.first() {
                Some((_, reason)) => Err(Refusal::new(format!(
                    "{name} stays set aside: {}: {}",
                    reason.word(),
                    reason.sentence()
                ))),
                None if tried.repeats > 0 => {
                    Ok(format!("{name} is believed; the same reading was held already\n").into())
                }
                None => Ok(format!("{name} was taken in\n").into()),
            }
        }
        Name::Entry(no) => {
            retry_entry(node, no).await.map_err(Refusal::because)?;
            Ok(format!("{name} was taken in\n").into())
        }
    }
}

/// Judges readings again, and does what follows after the commit.
async fn retry_some(node: &Node, which: Which) -> Result<Retried, WriteError<WorkflowError>> {
    let now = node.clock.now();
    let tried = node
        .writer
        .write(move |conn, state| retry_readings(conn, &mut state.0, now, which))
        .await?;
    if tried.queued {
        node.outbox_grew.notify_one();
    }
    if tried.urgent {
        node.sync.ask();
    }
    for (device, fresh) in &tried.fresh {
        let shown: Vec<_> = fresh.iter().map(|one| (one.patient, one.sealed())).collect();
        node.board.arrived(device, &shown);
    }
    Ok(tried)
}

async fn retry_entry(node: &Node, no: i64) -> Result<(), WriteError<AsideError>> {
    let (now, site) = (node.clock.now(), node.site_or_none());
    node.writer
        .write(move |conn, _| {
            let hub = directory::store::hub_link::hub_link(conn)?;
            let hub = hub.map_or(NodeId([0; 32]), |hub| NodeId(hub.hub_node_key));
            let mut rooms = Rooms { hub, site, now };
            replication::edge::quarantine::retry(conn, now, no, &mut rooms)
        })
        .await
}

/// What became of everything that was tried.
#[derive(Default)]
struct Outcome {
    taken: u64,
    repeats: u64,
    stay: u64,
    reasons: Vec<String>,
}

impl Outcome {
    fn stays(&mut self, reason: impl FnOnce() -> String) {
        self.stay += 1;
        if self.reasons.len() < STAY_TOLD_MAX {
            self.reasons.push(reason());
        }
    }
}

/// In parts, so that devices need not wait for all of them.
async fn retry_all(node: &Node) -> Result<Answer, Refusal> {
    let mut outcome = Outcome::default();
    let mut after = 0;
    loop {
        let tried = retry_some(node, Which::After(after)).await.map_err(Refusal::because)?;
        outcome.taken += tried.fresh.iter().map(|(_, fresh)| fresh.len() as u64).sum::<u64>();
        outcome.repeats += tried.repeats;
        for (no, reason) in tried.stay {
            outcome.stays(|| format!("r{no} stays set aside: {}", reason.word()));
        }
        let Some(last) = tried.last else { break };
        after = last;
    }
    let open = node
        .readers
        .read(|conn| replication::ledger::quarantined(conn, u32::MAX))
        .await
        .map_err(|error: ReadError<StoreError>| Refusal::because(error))?;
    // In the order in which they came: a later one may rest on an earlier one.
    for aside in open.iter().rev() {
        match retry_entry(node, aside.no).await {
            Ok(()) => outcome.taken += 1,
            Err(WriteError::Refused(AsideError::Ledger(error))) => {
                return Err(Refusal::because(error));
            }
            Err(WriteError::Refused(reason)) => {
                outcome.stays(|| format!("e{}: {reason}", aside.no));
            }
            Err(error) => return Err(Refusal::because(error)),
        }
    }
    let Outcome { taken, repeats, stay, reasons } = outcome;
    let mut text = format!("{taken} taken in, {repeats} held already, {stay} stay set aside\n");
    for reason in reasons {
        text.push_str(&reason);
        text.push('\n');
    }
    Ok(text.into())
}

async fn discard(node: &Node, name: Name, decision: Decision) -> Result<Answer, Refusal> {
    let now = node.clock.now();
    let left = match name {
        Name::Reading(no) => {
            node.writer
                .write(move |conn, _| readings::discard(conn, now, no, &decision))
                .await
                .map_err(|error: WriteError<QuarantineError>| Refusal::because(error))?;
            "its value and whom it named are deleted"
        }
        Name::Entry(no) => {
            node.writer
                .write(move |conn, _| entries::discard(conn, now, no, &decision))
                .await
                .map_err(|error: WriteError<AsideError>| Refusal::because(error))?;
            "its bytes are deleted"
        }
    };
    Ok(format!("{name} is discarded: {left}, the rest stays as evidence\n").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<Name>) {
        let read: Result<Name, BadName> = text.parse();
        assert_eq!(read.ok(), expected, "{text:?}");
        if let Some(name) = expected {
            assert_eq!(String::from(name), text);
        }
    }

    #[test]
    fn a_name_is_a_letter_and_a_number() {
        check("r7", Some(Name::Reading(7)));
        check("e12", Some(Name::Entry(12)));
        for bad in
            ["", "r", "7", "x7", "r-1", "r+1", "r 1", "r1x", "R1", "é1", "r9223372036854775808"]
        {
            check(bad, None);
        }
    }
}
