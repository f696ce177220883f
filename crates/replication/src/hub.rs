//! The hub's storage side of its conversations.

mod access;
pub mod bundle;
pub mod durable;
mod erasure;
mod give_back;
mod greeting;
mod ingest;
mod lease;
mod mending;
mod positions;
mod purge;
pub mod quarantine;
mod restored;
mod rotation;
pub(crate) mod sqlite;
pub(crate) mod store;
mod verify;

use std::collections::{BTreeMap, BTreeSet};

use ::store::{Connection, StoreError};
use sync_protocol::exchange::{
    Greeting, HelloState, HubOp, HubReply, IngestEntry, Ingested, RunEntry,
};
use sync_protocol::lease::Grant;
use sync_protocol::message::{Purge, StreamPosition, StreamState, Verdict};
use sync_protocol::purge::PurgeReceipt;
use sync_protocol::reconcile::Claim;
use sync_protocol::{ChainKey, Class, Entry, EntryId, Epoch, NodeId, StreamId, Verified};
use vocab::{SiteId, SiteName, Timestamp};

use crate::gate::Released;
use crate::{LedgerError, Materialize, streams};

pub use access::{fill_in_leases, is_access_due, refresh_due, refresh_patient};
pub use erasure::{
    OrderStanding, has_record, note_request, open_streams, receipt_arrived, standings,
};
pub use mending::resupplied;
pub use purge::{OutstandingCopy, outstanding};
pub use restored::{awaited, begin_again, is_in_safe_mode, leave_safe_mode, overridden};
pub use rotation::rotate;
pub use sqlite::SqliteHub;
pub use store::{HubStatus, NodeStatus, node_statuses, note_contact, status};
pub use verify::verify;

/// An enrolled node, as storage knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its row.
    pub no: i64,
    /// The key it signs with.
    pub key: NodeId,
    /// The key it connects with.
    pub tls_key: [u8; 32],
    /// The site it stands at.
    pub site: SiteId,
    /// What the operator calls that site.
    pub site_name: SiteName,
}

/// What a node that joins is recorded as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewNode {
    /// The key it signs with.
    pub key: NodeId,
    /// The key it connects with.
    pub tls_key: [u8; 32],
    /// The site it stands at.
    pub site: SiteId,
    /// What the operator calls that site.
    pub site_name: SiteName,
}

/// A batch that was stored, and who has to be told.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The answer to the sender.
    pub ingested: Ingested,
    /// Nodes that may now have something to fetch.
    pub wake: Vec<NodeId>,
}

/// Entries that need not have come from their authors were stored, and who has to be told.
#[derive(Debug, Default)]
pub struct TakenIn {
    /// How many were new.
    pub fresh: u32,
    /// How many cannot be taken now, but perhaps later.
    pub put_off: u32,
    /// Nodes that may now have something to fetch.
    pub wake: Vec<NodeId>,
    /// Authors that may have lost what others brought, and the streams.
    pub brought: BTreeMap<NodeId, BTreeSet<StreamId>>,
}

/// What a hub's database must be able to do for replication. Every method runs inside the caller's
/// transaction and only needs what any SQL engine with row locks gives: a dense counter per stream
/// that is raised while its row is locked, and marks on subscription rows.
pub trait HubStore {
    /// The node that connects with this TLS key, unless it was revoked.
    ///
    /// # Errors
    ///
    /// The database's, here and below.
    fn node_by_tls_key(&self, tls_key: &[u8; 32]) -> Result<Option<Node>, StoreError>;

    /// Whether this signing key is the hub's or an enrolled node's.
    ///
    /// # Errors
    ///
    /// The database's.
    fn is_enrolled(&self, node: &NodeId) -> Result<bool, StoreError>;

    /// Records a node that joins; its site then gets what it may have.
    ///
    /// # Errors
    ///
    /// The database's; a key that was enrolled before is refused by it.
    fn enrol(&self, now: Timestamp, node: &NewNode) -> Result<(), StoreError>;

    /// Settles a greeting: records the epoch, applies repeated acknowledgements.
    ///
    /// # Errors
    ///
    /// The database's.
    fn greet(
        &self,
        now: Timestamp,
        node: &Node,
        hello: &HelloState,
    ) -> Result<Greeting, StoreError>;

    /// Stores pushed entries: each once, in the order of its chain.
    ///
    /// # Errors
    ///
    /// The database's; then none is stored.
    fn ingest(
        &self,
        now: Timestamp,
        node: &Node,
        entries: Vec<IngestEntry>,
        rooms: &mut dyn Materialize,
    ) -> Result<Outcome, LedgerError>;

    /// Keeps what was refused, as received, for an operator.
    ///
    /// # Errors
    ///
    /// The database's.
    fn set_aside(
        &self,
        now: Timestamp,
        node: &Node,
        epoch: Epoch,
        oseq: u64,
        verdict: Verdict,
        raw: &[u8],
    ) -> Result<(), StoreError>;

    /// Runs that the node may have and has not acknowledged, through the consent gate.
    ///
    /// # Errors
    ///
    /// The database's.
    fn next_runs(
        &self,
        now: Timestamp,
        node: &Node,
        sent: &[(StreamId, u64)],
        bytes_max: usize,
    ) -> Result<Vec<Released>, StoreError>;

    /// Records what the node holds.
    ///
    /// # Errors
    ///
    /// The database's.
    fn acknowledge(&self, node: &Node, positions: &[StreamPosition]) -> Result<(), StoreError>;

    /// Records that the node holds a stream only up to here.
    ///
    /// # Errors
    ///
    /// The database's.
    fn rewind(&self, node: &Node, position: &StreamPosition) -> Result<(), StoreError>;

    /// Starts streams over whose sum at the node differs from the one on record; answers how many.
    ///
    /// # Errors
    ///
    /// The database's.
    fn compare(
        &self,
        now: Timestamp,
        node: &Node,
        streams: &[StreamState],
    ) -> Result<u32, StoreError>;

    /// All that the node wrote is here, in this life of the database; answers whom that lets have more.
    ///
    /// # Errors
    ///
    /// The database's.
    fn report(
        &self,
        now: Timestamp,
        node: &Node,
        incarnation: u64,
    ) -> Result<Vec<NodeId>, StoreError>;

    /// The streams of which the node's own entries are others here than it says.
    ///
    /// # Errors
    ///
    /// The database's.
    fn compare_own(
        &self,
        node: &Node,
        streams: &[StreamState],
    ) -> Result<Vec<StreamId>, StoreError>;

    /// The node's own entries of a stream after a position, for a node that lost them, and where to
    /// go on. What a node wrote itself is its own to have, whatever others allow it.
    ///
    /// # Errors
    ///
    /// The database's.
    fn read_own(
        &self,
        node: &Node,
        stream: &StreamId,
        after: u64,
        bytes_max: usize,
    ) -> Result<(Vec<RunEntry>, Option<u64>), StoreError>;

    /// Terms that the node does not have, of streams that hold something of others for it.
    ///
    /// # Errors
    ///
    /// The database's.
    fn untold(&self, node: &Node) -> Result<Vec<Grant>, StoreError>;

    /// The node stored these terms.
    ///
    /// # Errors
    ///
    /// The database's.
    fn told(&self, node: &Node, grants: &[Grant]) -> Result<(), StoreError>;

    /// Count and sum of what is on record of the node, stream by stream.
    ///
    /// # Errors
    ///
    /// The database's.
    fn on_record(&self, node: &Node) -> Result<Vec<StreamState>, StoreError>;

    /// Starts those streams over of which the record is not what the node holds, and answers which.
    ///
    /// # Errors
    ///
    /// The database's.
    fn settle(
        &self,
        now: Timestamp,
        node: &Node,
        claims: &[Claim],
    ) -> Result<Vec<StreamId>, StoreError>;

    /// The places of those entries, by the first half of their ids, that are not held.
    ///
    /// # Errors
    ///
    /// The database's.
    fn lacking(&self, ids: &[[u8; 16]]) -> Result<Vec<u16>, StoreError>;

    /// Stores entries that need not have come from their authors, as if those had sent them.
    ///
    /// # Errors
    ///
    /// The database's; then none is stored.
    fn take_in(
        &self,
        now: Timestamp,
        entries: Vec<(Verified<Entry>, EntryId, ChainKey)>,
        rooms: &mut dyn Materialize,
    ) -> Result<TakenIn, LedgerError>;

    /// What the node is to let go and has not signed for.
    ///
    /// # Errors
    ///
    /// The database's.
    fn ended(&self, node: &Node) -> Result<Vec<Purge>, StoreError>;

    /// Stores what the node signed for letting a stream go.
    ///
    /// # Errors
    ///
    /// The database's.
    fn purged(&self, now: Timestamp, node: &Node, receipt: &PurgeReceipt)
    -> Result<(), StoreError>;

    /// Which nodes, other than `except`, may see latest values of a stream.
    ///
    /// # Errors
    ///
    /// The database's.
    fn watchers(
        &self,
        now: Timestamp,
        stream: &StreamId,
        except: &Node,
    ) -> Result<Vec<NodeId>, StoreError>;
}

/// What came of an operation.
#[derive(Debug)]
pub struct Performed {
    /// For the conversation, after the commit.
    pub reply: Option<HubReply>,
    /// Nodes to wake, after the commit.
    pub wake: Vec<NodeId>,
    /// Authors of what others brought, and the streams: their conversations are to hear of it after the
    /// commit. Who is not connected learns it from the count in the next greeting.
    pub brought: BTreeMap<NodeId, BTreeSet<StreamId>>,
}

impl Performed {
    const fn new(reply: Option<HubReply>, wake: Vec<NodeId>) -> Self {
        Self { reply, wake, brought: BTreeMap::new() }
    }
}

/// Answers what a [`HubExchange`](sync_protocol::exchange::HubExchange) asks of storage.
#[derive(Debug)]
pub struct HubDesk;

impl HubDesk {
    /// Whether `op` only reads, so that it can be answered from a snapshot beside the writer.
    #[must_use]
    pub const fn is_read(op: &HubOp) -> bool {
        match op {
            HubOp::NextRuns { .. }
            | HubOp::ReadPurges
            | HubOp::ReadGrants
            | HubOp::CompareOwn(_)
            | HubOp::ReadOwn { .. }
            | HubOp::ReadHeld
            | HubOp::Lacking(_)
            | HubOp::Live { .. } => true,
            HubOp::Greet(_)
            | HubOp::Ingest(_)
            | HubOp::SetAside { .. }
            | HubOp::Ack(_)
            | HubOp::Rewind(_)
            | HubOp::Purged(_)
            | HubOp::Granted(_)
            | HubOp::Report { .. }
            | HubOp::Settle(_)
            | HubOp::TakeIn(_)
            | HubOp::Compare(_) => false,
        }
    }

    /// Whether `op` stores what somebody must see now. It goes before other writes: it is in streams
    /// of its own, so no chain is broken.
    #[must_use]
    pub fn is_urgent(op: &HubOp) -> bool {
        let HubOp::Ingest(entries) = op else { return false };
        let class = |ingest: &IngestEntry| streams::class(&ingest.entry.get().header.stream);
        entries.iter().all(|entry| class(entry) == Class::Urgent)
    }

    /// Performs `op` for `node`. A writing one runs inside the caller's transaction; nothing of its
    /// outcome may be used before that is committed.
    ///
    /// # Errors
    ///
    /// The database's; the caller rolls back and answers [`HubReply::Failed`].
    pub fn perform(
        conn: &Connection,
        now: Timestamp,
        node: &Node,
        op: HubOp,
        rooms: &mut dyn Materialize,
    ) -> Result<Performed, LedgerError> {
        let hub = SqliteHub::new(conn);
        let reply = match op {
            HubOp::Greet(hello) => HubReply::Greeted(hub.greet(now, node, &hello)?),
            HubOp::Ingest(entries) => {
                let outcome = hub.ingest(now, node, entries, rooms)?;
                let reply = Some(HubReply::Ingested(outcome.ingested));
                return Ok(Performed::new(reply, outcome.wake));
            }
            HubOp::SetAside { epoch, oseq, verdict, raw } => {
                hub.set_aside(now, node, epoch, oseq, verdict, &raw)?;
                HubReply::SetAside
            }
            HubOp::NextRuns { sent, bytes_max } => {
                let released = hub.next_runs(now, node, &sent, bytes_max)?;
                HubReply::Runs(released.into_iter().map(Released::into_run).collect())
            }
            HubOp::Ack(positions) => {
                hub.acknowledge(node, &positions)?;
                HubReply::Acked
            }
            HubOp::Rewind(position) => {
                hub.rewind(node, &position)?;
                HubReply::Rewound
            }
            HubOp::ReadPurges => {
                HubReply::Purges { orders: hub.ended(node)?, safe_mode: is_in_safe_mode(conn)? }
            }
            HubOp::Purged(receipt) => {
                hub.purged(now, node, &receipt)?;
                HubReply::PurgeSettled(receipt.purged.stream)
            }
            HubOp::ReadGrants => HubReply::Grants(hub.untold(node)?),
            HubOp::Granted(grants) => {
                hub.told(node, &grants)?;
                HubReply::Granted
            }
            HubOp::Compare(streams) => {
                HubReply::Compared { restarted: hub.compare(now, node, &streams)? }
            }
            HubOp::Report { incarnation } => {
                let wake = hub.report(now, node, incarnation)?;
                return Ok(Performed::new(Some(HubReply::Reported), wake));
            }
            HubOp::CompareOwn(streams) => HubReply::OwnStreams(hub.compare_own(node, &streams)?),
            HubOp::ReadOwn { stream, after, bytes_max } => {
                let (entries, next) = hub.read_own(node, &stream, after, bytes_max)?;
                HubReply::Own { entries, next }
            }
            HubOp::ReadHeld => HubReply::Held(hub.on_record(node)?),
            HubOp::Settle(claims) => {
                HubReply::Settled { restarted: hub.settle(now, node, &claims)? }
            }
            HubOp::Lacking(ids) => HubReply::Lacking(hub.lacking(&ids)?),
            HubOp::TakeIn(entries) => {
                let TakenIn { fresh, put_off, wake, brought } = hub.take_in(now, entries, rooms)?;
                let reply = Some(HubReply::TakenIn { fresh, put_off });
                return Ok(Performed { reply, wake, brought });
            }
            HubOp::Live { stream, .. } => {
                let wake = hub.watchers(now, &stream, node)?;
                return Ok(Performed::new(None, wake));
            }
        };
        Ok(Performed::new(Some(reply), Vec::new()))
    }
}
