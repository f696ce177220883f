//! What a backup of a hub covers, and what clinics are told of it.

use replication::hub::durable::{Mark, count, covered, mark};
use replication::hub::{HubStore as _, NewNode, Node, SqliteHub};
use replication::streams::patient_stream;
use replication::{Draft, EDGE, HUB, HUB_BUNDLES, LEDGER};
use store::Connection;
use sync_protocol::Epoch;
use sync_protocol::exchange::{HelloState, IngestEntry, OutboxEntry};
use sync_protocol::signature::Signed;
use vocab::{Compartment, FactKind, PatientId, SiteId};

use crate::edge::{Anything, Edge, now};

struct Hub {
    conn: Connection,
    north: Node,
}

impl Hub {
    fn new(edge: &Edge) -> Self {
        let mut conn = store::open_in_memory().unwrap();
        store::migrate(&mut conn, &[LEDGER, HUB, HUB_BUNDLES, EDGE, consent::store::ROOM]).unwrap();
        let hub = SqliteHub::new(&conn);
        hub.begin(1).unwrap();
        let site_name = "north".parse().unwrap();
        let (key, tls_key, site) = (edge.author.node(), [1; 32], SiteId::from_bytes([1; 16]));
        hub.enrol(now(), &NewNode { key, tls_key, site, site_name }).unwrap();
        let north = hub.node_by_tls_key(&tls_key).unwrap().unwrap();
        Self { conn, north }
    }

    fn take(&self, own: &OutboxEntry) {
        let entry = Signed::new(own.entry.clone()).verify(&own.key).unwrap();
        let entry =
            IngestEntry { epoch: own.epoch, oseq: own.oseq, entry, id: own.id, key: own.key };
        let hub = SqliteHub::new(&self.conn);
        let outcome = hub.ingest(now(), &self.north, vec![entry], &mut Anything).unwrap();
        assert_eq!(outcome.ingested.verdicts, []);
    }

    /// What a node that greets is told.
    fn told(&self) -> Vec<(Epoch, u64)> {
        let hello = HelloState {
            epoch: Epoch(99),
            parent: None,
            claims: Vec::new(),
            incarnation: None,
            unconfirmed: Vec::new(),
            history: Vec::new(),
        };
        SqliteHub::new(&self.conn).greet(now(), &self.north, &hello).unwrap().durable
    }
}

/// An edge that wrote about so many patients, each in a stream of its own.
fn edge(patients: u8) -> (Edge, Vec<OutboxEntry>) {
    let mut edge = Edge::new(1);
    for patient in 0..patients {
        let stream = patient_stream(PatientId::from_bytes([patient; 16]), Compartment::Identity);
        let draft = Draft {
            stream,
            kind: FactKind::DocumentChange,
            payload: b"a change".to_vec(),
            own_salt: true,
            urgent: false,
        };
        edge.author.write(&edge.conn, now(), draft).unwrap();
    }
    let own = edge.outbox();
    assert_eq!(own.len(), usize::from(patients));
    (edge, own)
}

#[test]
fn what_is_covered_ends_before_the_first_position_that_is_missing() {
    let (edge, own) = edge(4);
    let hub = Hub::new(&edge);
    let (node, epoch) = (edge.author.node(), own[0].epoch);
    assert_eq!(covered(&hub.conn).unwrap(), []);
    hub.take(&own[1]);
    assert_eq!(covered(&hub.conn).unwrap(), [], "the first is missing");
    for (taken, upto) in [(0, 2), (3, 2), (2, 4)] {
        hub.take(&own[taken]);
        assert_eq!(covered(&hub.conn).unwrap(), [Mark { node, epoch, upto }], "with {taken}");
    }
}

#[test]
fn marks_move_forward_only_and_a_greeting_tells_them() {
    let (edge, own) = edge(3);
    let hub = Hub::new(&edge);
    let (node, epoch) = (edge.author.node(), own[0].epoch);
    own.iter().for_each(|own| hub.take(own));
    assert_eq!(hub.told(), []);
    let at = |upto| Mark { node, epoch, upto };
    assert_eq!(mark(&hub.conn, &[at(2)]).unwrap(), [at(2)]);
    assert_eq!((hub.told(), count(&hub.conn).unwrap()), (vec![(epoch, 2)], 2));
    for behind in [1, 2] {
        assert_eq!(mark(&hub.conn, &[at(behind)]).unwrap(), []);
    }
    assert_eq!(mark(&hub.conn, &[at(3)]).unwrap(), [at(3)]);
    assert_eq!(hub.told(), [(epoch, 3)]);
    let unknown = Mark { epoch: Epoch(5), ..at(9) };
    assert_eq!(mark(&hub.conn, &[unknown]).unwrap(), [], "of a start that never sent anything");
}
