//! The hub in the box.

mod bundles;
mod keys;

use std::collections::BTreeMap;

use directory::NodeCertificate;
use host::Random;
use replication::erasure::OrderId;
use replication::hub::{HubDesk, HubStore as _, NewNode, Node, Performed, SqliteHub};
use replication::ledger::signing_keys;
use replication::streams::policy_stream;
use replication::{Author, Draft};
use store::{Connection, Group};
use sync_protocol::NodeId;
use sync_protocol::exchange::{HubExchange, HubOp, Places};
use sync_protocol::signature::Signer;
use vocab::{FactKind, SiteId, Timestamp};
use workflows::apply_fact::{NO_SITE, Rooms};
use workflows::erase::{Erased, What, erase};
use workflows::tend_orders::tend_orders;

use crate::clinic::EPOCH_MS;
use crate::disk::{Database, DiskCopy, Medium};

/// A hub.
pub struct BoxHub {
    /// Its database.
    pub conn: Database,
    author: Author,
    seed: [u8; 32],
    random: Random,
    /// Its key.
    pub key: NodeId,
    /// Enrolled nodes.
    pub nodes: BTreeMap<NodeId, Node>,
    /// Open conversations.
    pub exchanges: BTreeMap<NodeId, HubExchange>,
    /// One for all clinics, so that they wait for each other.
    places: Places,
}

const NO_LIMIT: &str = "the box works on sound storage";

fn start(conn: &Connection, seed: &[u8; 32], random: &Random) -> Author {
    let draw = random.clone();
    let fill = Box::new(move |bytes: &mut [u8]| draw.fill(bytes));
    Author::start(conn, Signer::from_seed(seed), fill).expect(NO_LIMIT)
}

impl BoxHub {
    /// A hub; `seed` decides its keys and randomness.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    #[must_use]
    pub fn new(medium: Medium, seed: u64) -> Self {
        Self::on(Database::hub(medium), seed)
    }

    /// The same on a database of the caller's, which has a hub's tables and no row.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    #[must_use]
    pub fn on(conn: Database, seed: u64) -> Self {
        let random = Random::seeded(seed);
        let key_seed: [u8; 32] = random.bytes();
        SqliteHub::new(&conn).begin(random.number()).expect(NO_LIMIT);
        let author = start(&conn, &key_seed, &random);
        let key = author.node();
        let (nodes, exchanges) = (BTreeMap::new(), BTreeMap::new());
        let places = Places::new(1);
        Self { conn, author, seed: key_seed, random, key, nodes, exchanges, places }
    }

    /// Copies the database.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    #[must_use]
    pub fn backup(&self) -> DiskCopy {
        self.conn.copy()
    }

    /// The process is killed and started again: what was committed is there, all else is gone.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    pub fn restart(&mut self) {
        self.exchanges.clear();
        self.conn.crash();
        self.author = start(&self.conn, &self.seed, &self.random);
    }

    /// The database is lost, and an older copy brought back as an operator does.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    pub fn restore(&mut self, now_ms: u64, backup: &DiskCopy) {
        self.exchanges.clear();
        self.conn.put_back(backup);
        let incarnation = self.random.number();
        replication::hub::begin_again(&self.conn, Self::wall(now_ms), incarnation).expect(NO_LIMIT);
        self.author = start(&self.conn, &self.seed, &self.random);
    }

    /// Enrols a node, as a used invitation does.
    ///
    /// # Panics
    ///
    /// When the box is built wrongly.
    pub fn enrol(&mut self, site: SiteId, name: &str, key: NodeId) {
        let now = Timestamp::from_millis(EPOCH_MS);
        let site_name: vocab::SiteName = name.parse().expect("a sound name");
        let certificate = NodeCertificate {
            site,
            site_name: site_name.clone(),
            node_key: key.0,
            tls_key: key.0.map(|byte| !byte),
            issued_at: now,
            succeeds: None,
        };
        let group = Group::begin(&self.conn).expect(NO_LIMIT);
        directory::store::sites::apply_certificate(&self.conn, &certificate).expect(NO_LIMIT);
        let draft = Draft {
            stream: policy_stream(),
            kind: FactKind::NodeCertificate,
            payload: certificate.to_bytes(),
            own_salt: true,
            urgent: false,
        };
        self.author.write_at_hub(&self.conn, now, &draft).expect(NO_LIMIT);
        let hub = SqliteHub::new(&self.conn);
        let node = NewNode { key, tls_key: certificate.tls_key, site, site_name };
        hub.enrol(now, &node).expect(NO_LIMIT);
        hub.offer(now, &policy_stream()).expect(NO_LIMIT);
        let enrolled = hub.node_by_tls_key(&certificate.tls_key).expect(NO_LIMIT);
        group.commit().expect(NO_LIMIT);
        self.nodes.insert(key, enrolled.expect("just enrolled"));
    }

    /// An operator has something erased; answers what came of it, and nothing where it is refused.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    pub fn erase(&mut self, now_ms: u64, what: &What) -> Option<Erased> {
        let (now, id) = (Self::wall(now_ms), OrderId(self.random.bytes()));
        let group = Group::begin(&self.conn).expect(NO_LIMIT);
        let done = erase(&self.conn, &mut self.author, now, id, what, "a reason").ok()?;
        group.commit().expect(NO_LIMIT);
        Some(done)
    }

    /// Its wall clock.
    #[must_use]
    pub fn wall(now_ms: u64) -> Timestamp {
        Timestamp::from_millis(EPOCH_MS + i64::try_from(now_ms).unwrap_or(i64::MAX))
    }

    /// Answers what a conversation asks, each in a transaction of its own.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    pub fn perform(&mut self, now_ms: u64, peer: NodeId, op: HubOp) -> Performed {
        let node = self.nodes.get(&peer).expect("enrolled");
        let now = Self::wall(now_ms);
        let mut rooms = Rooms { hub: self.key, site: NO_SITE, now };
        let group = Group::begin(&self.conn).expect(NO_LIMIT);
        let before = replication::erasure::orders(&self.conn).expect(NO_LIMIT);
        let mut performed =
            HubDesk::perform(&self.conn, now, node, op, &mut rooms).expect(NO_LIMIT);
        let wake = tend_orders(&self.conn, &mut self.author, now, before).expect(NO_LIMIT);
        performed.wake.extend(wake);
        group.commit().expect(NO_LIMIT);
        performed
    }

    /// A node called.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    pub fn answer(&mut self, now_ms: u64, peer: NodeId) {
        let wall = u64::try_from(Self::wall(now_ms).millis()).unwrap_or(0);
        let keys = signing_keys::of_node(&self.conn, peer).expect(NO_LIMIT);
        let exchange = HubExchange::new(self.key, keys, wall).sharing(self.places.clone());
        self.exchanges.insert(peer, exchange);
    }
}
