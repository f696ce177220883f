//! Facts of other nodes go to the rooms they belong to.

use consent::fact::ConsentEvent;
use consent::store::ApplyError as ConsentError;
use patients::record::{ApplyError as RecordError, Outcome};
use replication::erasure::{self, EraseOrder, EraseReceipt};
use replication::ledger::signing_keys;
use replication::materialize::MaterializeError;
use replication::outbox::actor;
use replication::streams::{Topic, topic};
use replication::{Arrived, Materialize, Refusal};
use store::{Connection, StoreError};
use sync_protocol::{NodeId, StreamId};
use vocab::{Compartment, FactKind, PatientId, SiteId, Timestamp};

use crate::of_age::note_of_age;

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
                if let Some(old) = certificate.succeeds {
                    let new = NodeId(certificate.node_key);
                    signing_keys::succeed(conn, &NodeId(old), &new)?;
                }
                Ok(())
            }
            (FactKind::EraseOrder, Topic::Policy) if arrived.origin == self.hub => {
                let order =
                    EraseOrder::from_bytes(arrived.payload).map_err(|_| Refusal::Unreadable)?;
                let now = self.now;
                erasure::carry_out(conn, now, &order, Some(arrived.id), false, self)?;
                Ok(())
            }
            (FactKind::EraseReceipt, Topic::Site(owner)) => {
                self.erase_receipt(conn, arrived, owner)
            }
            (FactKind::DocumentChange, Topic::Patient(patient, Compartment::Identity)) => {
                self.record_change(conn, arrived, patient)?;
                Ok(note_of_age(conn, patient)?)
            }
            (
                FactKind::ConsentGrant | FactKind::ConsentRevoke,
                Topic::Patient(patient, Compartment::Consent),
            ) => {
                let site = author_site(conn, arrived)?;
                // What was held before this program knew of ages is looked at now.
                note_of_age(conn, patient)?;
                consent::store::apply(conn, patient, site, kind, arrived.payload, self.now)
                    .map(|_| ())
                    .map_err(consent_refusal)
            }
            (FactKind::EmergencyAccess, Topic::Emergencies(site))
                if author_site(conn, arrived)? == site =>
            {
                let opened = consent::EmergencyAccess::from_bytes(arrived.payload)
                    .map_err(|_| Refusal::Unreadable)?;
                consent::emergency::record(conn, &opened, site, self.now)?;
                Ok(())
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
                | FactKind::Segment
                | FactKind::EmergencyAccess
                | FactKind::EraseOrder
                | FactKind::EraseReceipt,
                Topic::Patient(..)
                | Topic::Policy
                | Topic::Emergencies(_)
                | Topic::Site(_)
                | Topic::Unknown,
            ) => Err(Refusal::NotEntitled.into()),
        }
    }

    fn founds(&self, arrived: &Arrived<'_>) -> bool {
        match topic(&arrived.stream) {
            Topic::Patient(_, Compartment::Identity) => {
                arrived.kind == FactKind::DocumentChange.number()
                    && document::begins_document(arrived.payload)
            }
            // Only that site may write there at all.
            Topic::Site(_) | Topic::Emergencies(_) => true,
            Topic::Patient(..) | Topic::Policy | Topic::Unknown => false,
        }
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
            Topic::Patient(patient, Compartment::Identity) => {
                rebuild_record(conn, stream, patient)?;
                note_of_age(conn, patient)
            }
            // Both hold alerts, and both end together.
            Topic::Patient(patient, Compartment::Alerts | Compartment::Vitals) => {
                alerts::store::forget_of_others(conn, patient, self.site)
            }
            // Nothing is made of these, or nobody is ever told to let them go.
            Topic::Patient(..)
            | Topic::Policy
            | Topic::Emergencies(_)
            | Topic::Site(_)
            | Topic::Unknown => Ok(()),
        }
    }

    fn erase_stream(&mut self, conn: &Connection, stream: &StreamId) -> Result<(), StoreError> {
        match topic(stream) {
            Topic::Patient(patient, Compartment::Identity) => rebuild_record(conn, stream, patient),
            Topic::Patient(patient, Compartment::Alerts) => alerts::store::forget(conn, patient),
            Topic::Patient(patient, Compartment::Vitals) => {
                if !self.is_hub() {
                    let number = patients::store::number_of(conn, self.site, patient)?;
                    let number = number.filter(|(_, by)| *by == self.site);
                    let number = number.as_ref().map(|(number, _)| number.as_str());
                    vitals::erasure::forget(conn, patient, number)?;
                }
                alerts::store::forget(conn, patient)
            }
            Topic::Patient(patient, Compartment::Consent) => consent::store::forget(conn, patient),
            Topic::Patient(..)
            | Topic::Policy
            | Topic::Emergencies(_)
            | Topic::Site(_)
            | Topic::Unknown => Ok(()),
        }
    }

    fn erase_entry(&mut self, conn: &Connection, arrived: &Arrived<'_>) -> Result<(), StoreError> {
        let Topic::Patient(patient, _) = topic(&arrived.stream) else { return Ok(()) };
        match FactKind::from_number(arrived.kind) {
            Some(FactKind::Alerts) => {
                let site = directory::store::sites::site_of_node(conn, &arrived.origin.0)?;
                let site = site.unwrap_or(self.site);
                alerts::store::forget_fact(conn, patient, site, arrived.payload)
            }
            Some(FactKind::ConsentGrant) => {
                let read = ConsentEvent::from_bytes(FactKind::ConsentGrant, arrived.payload);
                // What was never taken in has left nothing.
                read.map_or(Ok(()), |event| consent::store::forget_grant(conn, &event))
            }
            _ => Ok(()),
        }
    }
}

impl Rooms {
    fn is_hub(&self) -> bool {
        self.site == NO_SITE
    }

    /// A receipt says something to the hub alone; a clinic that gets back its own has it.
    fn erase_receipt(
        &mut self,
        conn: &Connection,
        arrived: &Arrived<'_>,
        owner: SiteId,
    ) -> Result<(), MaterializeError> {
        if author_site(conn, arrived)? != owner {
            return Err(Refusal::NotEntitled.into());
        }
        let receipt = EraseReceipt::from_bytes(arrived.payload).map_err(|_| Refusal::Unreadable)?;
        if !self.is_hub() {
            return Ok(());
        }
        let (hub, now) = (self.hub, self.now);
        let order = erasure::learn_order(conn, now, &hub, &receipt, self)?;
        let order = order.ok_or(Refusal::NotEntitled)?;
        replication::hub::receipt_arrived(conn, now, order, &arrived.origin, receipt.erased)?;
        Ok(())
    }

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
