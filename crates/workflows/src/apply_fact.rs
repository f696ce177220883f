//! Facts of other nodes go to the rooms they belong to.

use consent::store::ApplyError as ConsentError;
use patients::record::{ApplyError as RecordError, Outcome};
use replication::materialize::MaterializeError;
use replication::outbox::actor;
use replication::streams::{Topic, topic};
use replication::{Arrived, Materialize, Refusal};
use store::{Connection, StoreError};
use sync_protocol::{NodeId, StreamId};
use vocab::{Compartment, FactKind, PatientId, SiteId, Timestamp};

/// An id that no site has.
pub const NO_SITE: SiteId = SiteId::from_bytes([0; 16]);

/// The rooms of a program that takes facts from others.
#[derive(Clone, Copy, Debug)]
pub struct Rooms {
    /// The hub's signing key: only it may say who belongs to the network.
    pub hub: NodeId,
    /// The clinic this is; at the hub, [`NO_SITE`].
    pub site: SiteId,
    /// When the facts are taken in.
    pub now: Timestamp,
}

impl Materialize for Rooms {
    fn apply(&mut self, conn: &Connection, arrived: &Arrived<'_>) -> Result<(), MaterializeError> {
        let Some(kind) = FactKind::from_number(arrived.kind) else { return Ok(()) };
        match (kind, topic(&arrived.stream)) {
            (FactKind::NodeCertificate, Topic::Policy) if arrived.origin == self.hub => {
                let certificate = directory::NodeCertificate::from_bytes(arrived.payload)
                    .map_err(|_| Refusal::Unreadable)?;
                directory::store::sites::apply_certificate(conn, &certificate)?;
                Ok(())
            }
            (FactKind::DocumentChange, Topic::Patient(patient, Compartment::Identity)) => {
                self.record_change(conn, arrived, patient)
            }
            (
                FactKind::ConsentGrant | FactKind::ConsentRevoke,
                Topic::Patient(patient, Compartment::Consent),
            ) => {
                let site = author_site(conn, arrived)?;
                consent::store::apply(conn, patient, site, kind, arrived.payload, self.now)
                    .map(|_| ())
                    .map_err(consent_refusal)
            }
            // Those about the past come with the readings.
            (
                FactKind::Alerts,
                Topic::Patient(patient, Compartment::Alerts | Compartment::Vitals),
            ) => {
                let site = author_site(conn, arrived)?;
                match alerts::store::apply(conn, patient, site, arrived.payload, self.now) {
                    Ok(_) => Ok(()),
                    Err(alerts::store::ApplyError::Store(error)) => Err(error.into()),
                    Err(_) => Err(Refusal::Unreadable.into()),
                }
            }
            // Kept sealed and opened when somebody reads; here it only has to be readable.
            (FactKind::Segment, Topic::Patient(patient, Compartment::Vitals)) => {
                let segment =
                    vitals::segment::decode(arrived.payload).map_err(|_| Refusal::Unreadable)?;
                let site = directory::store::sites::site_of_node(conn, &arrived.origin.0)?;
                if site == Some(self.site) {
                    // Ours, from before our disk was put back.
                    vitals::tail::came_back(conn, patient, &arrived.id.0, &segment)?;
                }
                Ok(())
            }
            // A known kind where it has no business.
            (
                FactKind::NodeCertificate
                | FactKind::DocumentChange
                | FactKind::ConsentGrant
                | FactKind::ConsentRevoke
                | FactKind::Alerts
                | FactKind::Segment,
                Topic::Patient(..) | Topic::Policy | Topic::Unknown,
            ) => Err(Refusal::NotEntitled.into()),
        }
    }

    fn founds(&self, arrived: &Arrived<'_>) -> bool {
        arrived.kind == FactKind::DocumentChange.number()
            && matches!(topic(&arrived.stream), Topic::Patient(_, Compartment::Identity))
            && document::begins_document(arrived.payload)
    }

    fn certified_site(
        &self,
        conn: &Connection,
        node: &NodeId,
    ) -> Result<Option<SiteId>, StoreError> {
        directory::store::sites::site_of_node(conn, &node.0)
    }

    fn let_go(&mut self, conn: &Connection, stream: &StreamId) -> Result<(), StoreError> {
        match topic(stream) {
            // What the clinic wrote itself is kept; it shows again when the rest may come back.
            Topic::Patient(patient, Compartment::Identity) => rebuild_record(conn, stream, patient),
            // Both hold alerts, and both end together.
            Topic::Patient(patient, Compartment::Alerts | Compartment::Vitals) => {
                alerts::store::forget_of_others(conn, patient, self.site)
            }
            // Nothing is made of these, or nobody is ever told to let them go.
            Topic::Patient(..) | Topic::Policy | Topic::Unknown => Ok(()),
        }
    }
}

impl Rooms {
    fn record_change(
        &self,
        conn: &Connection,
        arrived: &Arrived<'_>,
        patient: PatientId,
    ) -> Result<(), MaterializeError> {
        let author = patients::Author {
            actor: document::ActorSeed::new(actor(arrived.origin, arrived.epoch)),
            site: author_site(conn, arrived)?,
        };
        match patients::apply_change(conn, patient, arrived.payload, author) {
            Ok(Outcome::Merged { refused, .. }) if !refused.is_empty() => {
                let count = refused.len();
                tracing::warn!(count, "changes that waited for others turned out to be at fault");
                Ok(())
            }
            Ok(_) => Ok(()),
            // Our own saved copy is at fault, not the change: it is made anew from the entries,
            // this one among them.
            Err(RecordError::Damaged) => Ok(rebuild_record(conn, &arrived.stream, patient)?),
            Err(RecordError::Store(error)) => Err(error.into()),
            Err(RecordError::Refused(document::Refused::Panicked)) => Err(Refusal::Hostile.into()),
            Err(_) => Err(Refusal::Unreadable.into()),
        }
    }
}

/// Makes a patient's document anew from the entries of its stream.
fn rebuild_record(
    conn: &Connection,
    stream: &StreamId,
    patient: PatientId,
) -> Result<(), StoreError> {
    let mut changes = Vec::new();
    for held in replication::ledger::payloads_in(conn, stream)? {
        if let Some(site) = directory::store::sites::site_of_node(conn, &held.origin.0)? {
            let actor = document::ActorSeed::new(actor(held.origin, held.epoch));
            changes.push((patients::Author { actor, site }, held.payload));
        }
    }
    let all = changes.iter().map(|(author, payload)| (*author, payload.as_slice()));
    let refused = patients::record::rebuild(conn, patient, all)?;
    tracing::warn!(count = refused.len(), "a record was made anew from its changes");
    Ok(())
}

/// The clinic that the author of a fact stands at, by the hub's certificates.
fn author_site(conn: &Connection, arrived: &Arrived<'_>) -> Result<SiteId, MaterializeError> {
    let site = directory::store::sites::site_of_node(conn, &arrived.origin.0)?;
    site.ok_or_else(|| Refusal::NotEntitled.into())
}

fn consent_refusal(error: ConsentError) -> MaterializeError {
    match error {
        ConsentError::Store(error) => error.into(),
        ConsentError::OtherPatient => Refusal::NotEntitled.into(),
        ConsentError::Fact(_) | _ => Refusal::Unreadable.into(),
    }
}

/// Nodes with a certificate, and the hub itself.
impl replication::edge::KnownNodes for Rooms {
    fn is_known(&self, conn: &Connection, node: &NodeId) -> Result<bool, StoreError> {
        Ok(*node == self.hub || directory::store::sites::is_known_node(conn, &node.0)?)
    }
}
