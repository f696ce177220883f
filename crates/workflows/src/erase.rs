//! An operator of the hub has something erased, everywhere.

use replication::Author;
use replication::erasure::{self, EraseOrder, NotAlone, OrderId, Target};
use replication::hub::SqliteHub;
use replication::streams::policy_stream;
use store::{Connection, StoreError};
use sync_protocol::{EntryId, NodeId};
use vocab::{Compartment, PatientId, PatientRef, SiteName, Timestamp};

use crate::WorkflowError;
use crate::apply_fact::{NO_SITE, Rooms};

/// Whose record.
#[derive(Clone, Debug)]
pub enum Whose {
    /// The patient with this id.
    Id(PatientId),
    /// The one that a clinic calls so.
    Number(SiteName, PatientRef),
}

/// What is to go.
#[derive(Clone, Debug)]
pub enum What {
    /// Everything about a patient, for good.
    Patient(Whose),
    /// One part of a record, as it is now; alerts go with vitals, and the other way round.
    Compartment(Whose, Compartment),
    /// One entry.
    Entry(EntryId),
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Erased {
    /// The order that every clinic gets.
    pub order: OrderId,
    /// Payloads that were here.
    pub erased: u64,
    /// Whose.
    pub patient: PatientId,
    /// Nodes that have news to fetch, or something to let go.
    pub wake: Vec<NodeId>,
}

/// Why nothing is erased.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EraseError {
    /// No clinic has sent anything about such a patient.
    #[error(
        "no patient of this name is known here; give the id, or the clinic and its number as \
         CLINIC/NUMBER"
    )]
    UnknownPatient,
    /// An order for it was given before, and nothing was written since.
    #[error("this was erased already, and nothing was written since; hub erase list shows it")]
    ErasedBefore,
    /// Of the entry.
    #[error(transparent)]
    NotAlone(#[from] NotAlone),
    /// The database, or the hub's own chain.
    #[error(transparent)]
    Workflow(#[from] WorkflowError),
}

impl From<StoreError> for EraseError {
    fn from(error: StoreError) -> Self {
        Self::Workflow(error.into())
    }
}

/// Gives the order named `id`, carries it out here and offers it to everybody, all or nothing. `reason`
/// stays here.
///
/// # Errors
///
/// [`EraseError`]; nothing is erased then.
pub fn erase(
    conn: &Connection,
    author: &mut Author,
    now: Timestamp,
    id: OrderId,
    what: &What,
    reason: &str,
) -> Result<Erased, EraseError> {
    let (patient, order, words) = match what {
        What::Entry(entry) => {
            let patient = erasure::alone(conn, entry)??;
            let order = EraseOrder { id, target: Target::Entry(*entry) };
            (patient, order, format!("entry {entry}"))
        }
        What::Patient(whose) => {
            let patient = find(conn, whose)?;
            let streams = replication::hub::open_streams(conn, patient, &Compartment::ALL)?;
            if streams.is_empty() {
                return Err(EraseError::ErasedBefore);
            }
            let any = replication::streams::patient_stream(patient, Compartment::Identity);
            (patient, EraseOrder::of_subject(id, &any), format!("patient {patient}"))
        }
        What::Compartment(whose, compartment) => {
            let patient = find(conn, whose)?;
            let streams = replication::hub::open_streams(conn, patient, parts(*compartment))?;
            if streams.is_empty() {
                return Err(EraseError::ErasedBefore);
            }
            let words = format!("{} of patient {patient}", compartment.name());
            (patient, EraseOrder::of_streams(id, &streams), words)
        }
    };
    let written = author
        .write_at_hub(conn, now, &erasure::draft_of(order.to_bytes()))
        .map_err(WorkflowError::from)?;
    let mut rooms = Rooms { hub: author.node(), site: NO_SITE, now };
    let erased = erasure::carry_out(conn, now, &order, Some(written.id), true, &mut rooms)?;
    replication::hub::note_request(conn, now, id, &words, reason)?;
    let hub = SqliteHub::new(conn);
    let mut wake = hub.offer(now, &policy_stream())?;
    // Permissions may have gone as well.
    wake.extend(hub.close_unallowed(now, patient)?);
    Ok(Erased { order: id, erased, patient, wake })
}

fn find(conn: &Connection, whose: &Whose) -> Result<PatientId, EraseError> {
    let found = match whose {
        Whose::Id(patient) => Some(*patient),
        Whose::Number(site, number) => match directory::store::sites::find_site(conn, site)? {
            Some(site) => patients::store::resolve(conn, site, number.as_str())?,
            None => None,
        },
    };
    match found {
        Some(patient) if replication::hub::has_record(conn, patient)? => Ok(patient),
        _ => Err(EraseError::UnknownPatient),
    }
}

/// What goes together: what an alert says, a reading said.
const fn parts(compartment: Compartment) -> &'static [Compartment] {
    match compartment {
        Compartment::Vitals | Compartment::Alerts => &[Compartment::Vitals, Compartment::Alerts],
        Compartment::Identity => &[Compartment::Identity],
        Compartment::Lifesaver => &[Compartment::Lifesaver],
        Compartment::Clinical => &[Compartment::Clinical],
        Compartment::Medication => &[Compartment::Medication],
        Compartment::Laboratory => &[Compartment::Laboratory],
        Compartment::Imaging => &[Compartment::Imaging],
        Compartment::MaternalChild => &[Compartment::MaternalChild],
        Compartment::MentalHealth => &[Compartment::MentalHealth],
        Compartment::SexualReproductive => &[Compartment::SexualReproductive],
        Compartment::HivSti => &[Compartment::HivSti],
        Compartment::SubstanceUse => &[Compartment::SubstanceUse],
        Compartment::Genetic => &[Compartment::Genetic],
        Compartment::Violence => &[Compartment::Violence],
        Compartment::Billing => &[Compartment::Billing],
        Compartment::Administrative => &[Compartment::Administrative],
        Compartment::Consent => &[Compartment::Consent],
    }
}
