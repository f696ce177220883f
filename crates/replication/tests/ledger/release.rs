//! What leaves the hub, and for whom.

use std::collections::BTreeSet;

use consent::grant::{Grant, GrantTerms};
use consent::notice::{Capture, Evidence, Notice};
use consent::scope::{Action, Recipient, SetOf};
use replication::edge::EdgeDesk;
use replication::gate::may_have;
use replication::hub::{
    HubStore as _, NewNode, Node, SqliteHub, is_access_due, refresh_due, refresh_patient,
};
use replication::materialize::MaterializeError;
use replication::streams::{patient_stream, policy_stream};
use replication::{Arrived, Author, Draft, Materialize};
use store::{Connection, StoreError};
use sync_protocol::entry::WithheldReason;
use sync_protocol::exchange::{EdgeOp, EdgeReply, IngestEntry};
use sync_protocol::lease::{Grant as Terms, LeaseTerms};
use sync_protocol::message::{Purge, Verdict};
use sync_protocol::signature::{Signed, Signer};
use sync_protocol::{NodeId, Payload, StreamId};
use vocab::{Compartment, FactKind, PatientId, Purpose, SiteId, Timestamp};

use crate::edge::Anything;

const PATIENT: PatientId = PatientId::from_bytes([7; 16]);

/// An enrolled clinic that writes one entry and hands it over.
pub(crate) struct Edge {
    pub(crate) conn: Connection,
    author: Author,
    pub(crate) signer: Signer,
}

impl Edge {
    pub(crate) fn new(seed: u8) -> Self {
        let mut conn = store::open_in_memory().unwrap();
        store::migrate(&mut conn, &[replication::LEDGER, replication::EDGE]).unwrap();
        let fill = Box::new(move |bytes: &mut [u8]| bytes.fill(seed));
        let author = Author::start(&conn, Signer::from_seed(&[seed; 32]), fill).unwrap();
        Self { conn, author, signer: Signer::from_seed(&[seed; 32]) }
    }

    pub(crate) fn write(&mut self, compartment: Compartment) -> IngestEntry {
        let stream = patient_stream(PATIENT, compartment);
        let kind = FactKind::Segment;
        let draft =
            Draft { stream, kind, payload: b"sealed".to_vec(), own_salt: true, urgent: false };
        self.author.write(&self.conn, start(), draft).unwrap();
        let op = EdgeOp::ReadOutbox {
            class: replication::streams::class(&stream),
            after: None,
            skip: Vec::new(),
            bytes_max: 1 << 20,
        };
        let own = match EdgeDesk::perform(
            &self.conn,
            start(),
            op,
            &mut Anything,
            &Anything,
            &self.signer,
        ) {
            Ok(EdgeReply::Outbox(mut page)) => page.entries.pop().unwrap(),
            other => panic!("{other:?}"),
        };
        let entry = Signed::new(own.entry).verify(&own.key).unwrap();
        IngestEntry { epoch: own.epoch, oseq: own.oseq, entry, id: own.id, key: own.key }
    }
}

/// A hub at which clinics 1 and 2 are enrolled.
pub(crate) struct Hub {
    pub(crate) conn: Connection,
    pub(crate) north: Node,
    pub(crate) south: Node,
}

impl Hub {
    pub(crate) fn new(north: &Edge, south: &Edge) -> Self {
        let mut conn = store::open_in_memory().unwrap();
        let rooms =
            [replication::LEDGER, replication::HUB, replication::HUB_BUNDLES, consent::store::ROOM];
        store::migrate(&mut conn, &rooms).unwrap();
        SqliteHub::new(&conn).begin(1).unwrap();
        let hub = SqliteHub::new(&conn);
        let [north, south] = [(north, 1, "north"), (south, 2, "south")].map(|(edge, no, name)| {
            let (key, tls_key) = (edge.author.node(), [no; 32]);
            let site_name = name.parse().unwrap();
            let new = NewNode { key, tls_key, site: SiteId::from_bytes([no; 16]), site_name };
            hub.enrol(start(), &new).unwrap();
            hub.node_by_tls_key(&tls_key).unwrap().unwrap()
        });
        Self { conn, north, south }
    }

    pub(crate) fn take(&self, node: &Node, entry: IngestEntry) -> Vec<Verdict> {
        let hub = SqliteHub::new(&self.conn);
        let outcome = hub.ingest(start(), node, vec![entry], &mut Anything).unwrap();
        outcome.ingested.verdicts.into_iter().map(|(_, _, verdict)| verdict).collect()
    }

    /// The patient allows the south their vitals for a minute.
    pub(crate) fn allow_south(&self) {
        self.allow_south_for(60);
    }

    fn allow_south_for(&self, seconds: i64) {
        let grant = Grant::new(GrantTerms {
            draw: [0; 16],
            patient: PATIENT,
            recipient: Recipient::Site(self.south.site),
            compartments: SetOf::of(&[Compartment::Vitals]),
            purposes: SetOf::of(&[Purpose::Treatment]),
            actions: SetOf::of(&[Action::Replicate]),
            granted_at: start(),
            valid_from: start(),
            valid_to: Some(start().plus_seconds(seconds)),
            notice: Notice { version: 1, language: "hin".parse().unwrap() },
            evidence: Evidence { capture: Capture::OnScreen, witness: None },
            acks: BTreeSet::new(),
            grantor: consent::Grantor::Patient,
            offline: None,
        });
        consent::store::record_grant(&self.conn, grant.unwrap(), self.north.site, start()).unwrap();
        refresh_patient(&self.conn, PATIENT, start()).unwrap();
    }

    /// The streams that are released to the south after so many seconds.
    fn released(&self, seconds: i64) -> Vec<StreamId> {
        let now = start().plus_seconds(seconds);
        let runs = SqliteHub::new(&self.conn).next_runs(now, &self.south, &[], 1 << 20).unwrap();
        runs.into_iter().map(|released| released.into_run().stream).collect()
    }

    /// Who may see latest values of the vitals after so many seconds, beside the north.
    fn watchers(&self, seconds: i64) -> Vec<NodeId> {
        let (hub, now) = (SqliteHub::new(&self.conn), start().plus_seconds(seconds));
        hub.watchers(now, &vitals(), &self.north).unwrap()
    }
}

pub(crate) fn vitals() -> StreamId {
    patient_stream(PATIENT, Compartment::Vitals)
}

pub(crate) fn start() -> Timestamp {
    "2026-06-12T17:22:00Z".parse().unwrap()
}

/// A permission ends by itself, without an event that would close what was subscribed to.
#[test]
fn what_a_grant_allows_is_released_until_its_end_and_not_after() {
    let (mut north, south) = (Edge::new(1), Edge::new(2));
    let hub = Hub::new(&north, &south);
    assert_eq!(hub.take(&hub.north, north.write(Compartment::Vitals)), []);
    assert_eq!((hub.released(0), hub.watchers(0)), (vec![], vec![]));
    hub.allow_south();
    for (seconds, allowed) in [(0, true), (59, true), (60, false), (61, false)] {
        let (streams, watchers) = (hub.released(seconds), hub.watchers(seconds));
        assert_eq!(streams == [vitals()], allowed, "after {seconds} s: {streams:?}");
        assert_eq!(watchers == [south.author.node()], allowed, "after {seconds} s: {watchers:?}");
        assert!(allowed || (streams.is_empty() && watchers.is_empty()));
    }
}

/// Access that ends by a date ends like any other: the copy is called back, and the lease that went
/// with it said when.
#[test]
fn access_that_ends_by_its_date_is_called_back() {
    let (mut north, south) = (Edge::new(1), Edge::new(2));
    let hub = Hub::new(&north, &south);
    assert_eq!(hub.take(&hub.north, north.write(Compartment::Vitals)), []);
    hub.allow_south();
    let sql = SqliteHub::new(&hub.conn);
    let until = u64::try_from(start().plus_seconds(60).millis()).unwrap();
    let told = sql.untold(&hub.south).unwrap();
    let lease = LeaseTerms { offline_s: Some(7 * 86_400), until_ms: Some(until) };
    assert_eq!(told, [Terms { stream: vitals(), version: 1, lease }]);
    // Terms that changed meanwhile are told again.
    let other = Terms { lease: LeaseTerms::UNLIMITED, ..told[0] };
    sql.told(&hub.south, &[other]).unwrap();
    assert_eq!(sql.untold(&hub.south).unwrap(), told);
    sql.told(&hub.south, &told).unwrap();
    assert_eq!(sql.untold(&hub.south).unwrap(), []);

    let look = |seconds| {
        let now = start().plus_seconds(seconds);
        let (woken, more) = refresh_due(&hub.conn, now).unwrap();
        assert!(!more);
        (woken, sql.ended(&hub.south).unwrap())
    };
    assert_eq!(look(59), (vec![], vec![]));
    let order = Purge { stream: vitals(), version: 2 };
    assert_eq!(look(61), (vec![hub.south.key], vec![order]));
    assert_eq!(look(62), (vec![], vec![order]), "once");
    assert!(!is_access_due(&hub.conn, start().plus_seconds(62)).unwrap());
}

/// A longer permission is news to whoever holds a copy; a shorter one beside it is not.
#[test]
fn terms_that_change_are_told_again() {
    let (mut north, south) = (Edge::new(1), Edge::new(2));
    let hub = Hub::new(&north, &south);
    assert_eq!(hub.take(&hub.north, north.write(Compartment::Vitals)), []);
    let sql = SqliteHub::new(&hub.conn);
    let until = |grants: Vec<Terms>| -> Vec<_> {
        let ms = start().millis().unsigned_abs();
        grants.into_iter().map(|grant| (grant.lease.until_ms.unwrap() - ms) / 1_000).collect()
    };
    for (seconds, news) in [(60, vec![60]), (120, vec![120]), (90, vec![])] {
        hub.allow_south_for(seconds);
        let told = sql.untold(&hub.south).unwrap();
        sql.told(&hub.south, &told).unwrap();
        assert_eq!(until(told), news, "after a grant of {seconds} s");
    }
}

/// What the clinic that keeps a record wrote there all by itself has no terms to tell.
#[test]
fn a_clinic_is_told_no_terms_of_what_it_keeps_and_nobody_else_wrote() {
    let (mut north, south) = (Edge::new(1), Edge::new(2));
    let hub = Hub::new(&north, &south);
    assert_eq!(hub.take(&hub.north, north.write(Compartment::Vitals)), []);
    assert_eq!(SqliteHub::new(&hub.conn).untold(&hub.north).unwrap(), []);
    assert_eq!(SqliteHub::new(&hub.conn).untold(&hub.south).unwrap(), []);
}

/// Whoever opens a stream of its own about another clinic's patient has opened the other clinic's.
#[test]
fn every_stream_of_a_patient_is_kept_by_the_site_that_wrote_first() {
    let (mut north, mut south) = (Edge::new(1), Edge::new(2));
    let hub = Hub::new(&north, &south);
    let no_access = Verdict::Quarantined(WithheldReason::NoAccess);
    assert_eq!(hub.take(&hub.north, north.write(Compartment::Vitals)), []);
    assert_eq!(hub.take(&hub.south, south.write(Compartment::Consent)), [no_access]);
    assert_eq!(hub.take(&hub.south, south.write(Compartment::Alerts)), [no_access]);
    assert_eq!(hub.take(&hub.north, north.write(Compartment::Consent)), []);
}

/// Another version may know what it is; this one cannot tell whom it is about.
#[test]
fn a_stream_that_is_not_understood_is_for_nobody_and_the_directory_for_everybody() {
    let hub = Hub::new(&Edge::new(1), &Edge::new(2));
    let unknown = StreamId { scope: 9, ..vitals() };
    let site = hub.south.site;
    let may = |stream| may_have(&hub.conn, &stream, Some(site), site, start()).unwrap();
    assert_eq!([unknown, policy_stream(), vitals()].map(may), [false, true, true]);
}

/// A hub that knows a founding entry, or none, when it sees one.
struct Records {
    found: bool,
}

impl Materialize for Records {
    fn apply(&mut self, _: &Connection, _: &Arrived<'_>) -> Result<(), MaterializeError> {
        Ok(())
    }

    fn founds(&self, _: &Arrived<'_>) -> bool {
        self.found
    }

    fn erase_stream(&mut self, _: &Connection, _: &StreamId) -> Result<(), StoreError> {
        Ok(())
    }

    fn erase_entry(&mut self, _: &Connection, _: &Arrived<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    fn let_go(&mut self, _: &Connection, _: &StreamId) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What somebody else than the author sends: how many are new, and how many are put off.
fn resupply(hub: &Hub, entry: &IngestEntry, found: bool) -> (u32, u32) {
    let entries = vec![(entry.entry.clone(), entry.id, entry.key)];
    let hub = SqliteHub::new(&hub.conn);
    let taken = hub.take_in(start(), entries, &mut Records { found }).unwrap();
    (taken.fresh, taken.put_off)
}

#[test]
fn what_others_bring_passes_the_gates_of_its_author() {
    let (mut north, mut south, mut stranger) = (Edge::new(1), Edge::new(2), Edge::new(3));
    let hub = Hub::new(&north, &south);
    let first = north.write(Compartment::Vitals);
    assert_eq!(resupply(&hub, &first, false), (0, 1), "nobody knows whose record it is");
    assert_eq!(resupply(&hub, &stranger.write(Compartment::Vitals), true), (0, 1), "not enrolled");
    assert_eq!(resupply(&hub, &first, true), (1, 0));
    assert_eq!(resupply(&hub, &first, true), (0, 0), "once");
    assert_eq!(replication::hub::resupplied(&hub.conn).unwrap(), 1);
    // The record is the author's, whoever brought it: others may not write there.
    let foreign = south.write(Compartment::Vitals);
    let withheld = Verdict::Quarantined(WithheldReason::NoAccess);
    assert_eq!(hub.take(&hub.south, foreign), [withheld]);
    replication::hub::verify(&hub.conn, &mut |_| {}).unwrap();
    // Its author names its place when it comes.
    assert_eq!(hub.take(&hub.north, first), []);
    assert_eq!(replication::hub::resupplied(&hub.conn).unwrap(), 0);
    replication::hub::verify(&hub.conn, &mut |_| {}).unwrap();
}

#[test]
fn a_header_without_its_payload_is_taken_when_its_author_can_bring_no_more() {
    let (mut north, south) = (Edge::new(1), Edge::new(2));
    let hub = Hub::new(&north, &south);
    let first = north.write(Compartment::Vitals);
    assert_eq!(resupply(&hub, &first, true), (1, 0));
    let mut second = north.write(Compartment::Vitals);
    let mut bare = second.entry.get().clone();
    bare.payload = Payload::Withheld(WithheldReason::NoAccess);
    second.entry = Signed::new(bare).verify(&second.key).unwrap();
    assert_eq!(resupply(&hub, &second, true), (0, 1));
    SqliteHub::new(&hub.conn).shut_out(start(), hub.north.site).unwrap();
    assert_eq!(resupply(&hub, &second, true), (1, 0));
}
