//! The storage trait on SQLite.

use ::store::{Connection, StoreError};
use sync_protocol::exchange::{Greeting, HelloState, IngestEntry, RunEntry};
use sync_protocol::lease::Grant;
use sync_protocol::message::{Purge, StreamPosition, StreamState, Verdict};
use sync_protocol::purge::PurgeReceipt;
use sync_protocol::reconcile::Claim;
use sync_protocol::{ChainKey, Entry, EntryId, Epoch, NodeId, StreamId, Verified};
use vocab::{SiteId, Timestamp};

use super::{
    HubStore, NewNode, Node, Outcome, TakenIn, durable, give_back, greeting, ingest, lease,
    mending, positions, purge, restored, store,
};
use crate::gate::{self, Released};
use crate::ledger::store::{self as ledger, Aside};
use crate::{LedgerError, Materialize};

/// A hub's database within one transaction.
#[derive(Debug)]
pub struct SqliteHub<'c> {
    conn: &'c Connection,
}

impl<'c> SqliteHub<'c> {
    /// Works on `conn`, in whatever transaction it has open.
    #[must_use]
    pub const fn new(conn: &'c Connection) -> Self {
        Self { conn }
    }

    /// This life of the database, drawn when it was made.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn incarnation(&self) -> Result<u64, StoreError> {
        store::incarnation(self.conn)
    }

    /// Gives a new database its incarnation; does nothing to one that has it.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn begin(&self, incarnation: u64) -> Result<(), StoreError> {
        store::begin_incarnation(self.conn, incarnation)
    }

    /// The keys that enrolled nodes connect with.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn tls_keys(&self) -> Result<Vec<[u8; 32]>, StoreError> {
        Ok(store::nodes(self.conn)?.into_iter().map(|node| node.tls_key).collect())
    }

    /// Lets the nodes of a site in no more; answers how many there were. What they hold is listed by
    /// [`outstanding`](super::outstanding) from then on.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn shut_out(&self, now: Timestamp, site: SiteId) -> Result<usize, StoreError> {
        store::shut_out(self.conn, now, site)
    }

    /// Ends what was allowed of a patient by events that were erased; answers who must be told.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn close_unallowed(
        &self,
        now: Timestamp,
        patient: vocab::PatientId,
    ) -> Result<Vec<NodeId>, StoreError> {
        let told = super::access::close_unallowed(self.conn, patient, now)?;
        store::keys_of(self.conn, &told)
    }

    /// Marks what the hub itself just wrote into `stream` for everybody who may have it.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn offer(&self, now: Timestamp, stream: &StreamId) -> Result<Vec<NodeId>, StoreError> {
        super::access::refresh_stream(self.conn, stream, now)?;
        let marked = store::mark_all_dirty(self.conn, stream)?;
        store::keys_of(self.conn, &marked)
    }
}

impl HubStore for SqliteHub<'_> {
    fn node_by_tls_key(&self, tls_key: &[u8; 32]) -> Result<Option<Node>, StoreError> {
        store::node_by_tls_key(self.conn, tls_key)
    }

    fn is_enrolled(&self, node: &NodeId) -> Result<bool, StoreError> {
        store::is_enrolled(self.conn, node)
    }

    fn enrol(&self, now: Timestamp, node: &NewNode) -> Result<(), StoreError> {
        store::enrol(self.conn, now, node)?;
        super::access::refresh_stream(self.conn, &crate::streams::policy_stream(), now)?;
        super::access::refresh_home(self.conn, node.site, now)?;
        for patient in consent::store::patients(self.conn)? {
            super::access::close_unallowed(self.conn, patient, now)?;
        }
        Ok(())
    }

    fn greet(
        &self,
        now: Timestamp,
        node: &Node,
        hello: &HelloState,
    ) -> Result<Greeting, StoreError> {
        let mut greeting = greeting::greet(self.conn, now, node, hello)?;
        if !greeting.second_copy {
            // Positions of another life of this database say nothing.
            if hello.incarnation.is_none_or(|seen| seen == greeting.incarnation) {
                self.acknowledge(node, &hello.unconfirmed)?;
            }
            greeting.feed = store::node_feed(self.conn, node.no)?;
        }
        greeting.durable = durable::of_node(self.conn, node.no)?;
        Ok(greeting)
    }

    fn ingest(
        &self,
        now: Timestamp,
        node: &Node,
        entries: Vec<IngestEntry>,
        rooms: &mut dyn Materialize,
    ) -> Result<Outcome, LedgerError> {
        ingest::ingest(self.conn, now, node, entries, rooms)
    }

    fn set_aside(
        &self,
        now: Timestamp,
        node: &Node,
        epoch: Epoch,
        oseq: u64,
        verdict: Verdict,
        raw: &[u8],
    ) -> Result<(), StoreError> {
        let reason = verdict.word();
        let aside = Aside { at: now, origin: node.key, epoch, oseq, id: None, reason, raw };
        ledger::set_aside(self.conn, &aside)
    }

    fn next_runs(
        &self,
        now: Timestamp,
        node: &Node,
        sent: &[(StreamId, u64)],
        bytes_max: usize,
    ) -> Result<Vec<Released>, StoreError> {
        let safe_mode = restored::is_in_safe_mode(self.conn)?;
        let mut released = Vec::new();
        let mut bytes = 0;
        store::for_each_dirty(self.conn, node.no, |dirty| {
            let on_the_way = sent.iter().find(|(stream, _)| *stream == dirty.id);
            let from = on_the_way.map_or(dirty.acked, |(_, to)| dirty.acked.max(*to));
            let goes =
                !safe_mode || restored::goes_in_safe_mode(&dirty.id, dirty.author_site, node.site);
            if goes && from < dirty.head.count {
                let runs =
                    gate::release(self.conn, &dirty.id, dirty.author_site, node.site, now, || {
                        store::runs(self.conn, node, dirty, from, bytes_max - bytes)
                    })?;
                bytes += runs.iter().map(Released::weight).sum::<usize>();
                released.extend(runs);
            }
            Ok(bytes < bytes_max)
        })?;
        Ok(released)
    }

    fn acknowledge(&self, node: &Node, positions: &[StreamPosition]) -> Result<(), StoreError> {
        for position in positions {
            if position.to_idx == 0 {
                purge::emptied(self.conn, node, position)?;
            } else {
                positions::acknowledge(self.conn, node, position)?;
            }
        }
        Ok(())
    }

    fn rewind(&self, node: &Node, position: &StreamPosition) -> Result<(), StoreError> {
        positions::rewind(self.conn, node, position)
    }

    fn compare(
        &self,
        now: Timestamp,
        node: &Node,
        streams: &[StreamState],
    ) -> Result<u32, StoreError> {
        positions::restart_differing(self.conn, now, node, streams)
    }

    fn report(
        &self,
        now: Timestamp,
        node: &Node,
        incarnation: u64,
    ) -> Result<Vec<NodeId>, StoreError> {
        if !restored::report(self.conn, now, node, incarnation)? {
            return Ok(Vec::new());
        }
        tracing::info!("every clinic has reported: safe mode ends");
        Ok(store::nodes(self.conn)?.into_iter().map(|node| node.key).collect())
    }

    fn compare_own(
        &self,
        node: &Node,
        streams: &[StreamState],
    ) -> Result<Vec<StreamId>, StoreError> {
        give_back::differing(self.conn, &node.key, streams)
    }

    fn read_own(
        &self,
        node: &Node,
        stream: &StreamId,
        after: u64,
        bytes_max: usize,
    ) -> Result<(Vec<RunEntry>, Option<u64>), StoreError> {
        give_back::read(self.conn, &node.key, stream, after, bytes_max)
    }

    fn on_record(&self, node: &Node) -> Result<Vec<StreamState>, StoreError> {
        mending::on_record(self.conn, node)
    }

    fn settle(
        &self,
        now: Timestamp,
        node: &Node,
        claims: &[Claim],
    ) -> Result<Vec<StreamId>, StoreError> {
        mending::settle(self.conn, now, node, claims)
    }

    fn lacking(&self, ids: &[[u8; 16]]) -> Result<Vec<u16>, StoreError> {
        mending::lacking(self.conn, ids)
    }

    fn take_in(
        &self,
        now: Timestamp,
        entries: Vec<(Verified<Entry>, EntryId, ChainKey)>,
        rooms: &mut dyn Materialize,
    ) -> Result<TakenIn, LedgerError> {
        ingest::take_in(self.conn, now, entries, rooms)
    }

    fn ended(&self, node: &Node) -> Result<Vec<Purge>, StoreError> {
        // What it lets go may be all that is left of what this database lost.
        if restored::is_in_safe_mode(self.conn)? {
            return Ok(Vec::new());
        }
        purge::ended(self.conn, node)
    }

    fn untold(&self, node: &Node) -> Result<Vec<Grant>, StoreError> {
        lease::untold(self.conn, node.no)
    }

    fn told(&self, node: &Node, grants: &[Grant]) -> Result<(), StoreError> {
        lease::told(self.conn, node.no, grants)
    }

    fn purged(
        &self,
        now: Timestamp,
        node: &Node,
        receipt: &PurgeReceipt,
    ) -> Result<(), StoreError> {
        purge::purged(self.conn, now, node, receipt)
    }

    fn watchers(
        &self,
        now: Timestamp,
        stream: &StreamId,
        except: &Node,
    ) -> Result<Vec<NodeId>, StoreError> {
        let Some(access) = store::stream_access(self.conn, stream)? else { return Ok(Vec::new()) };
        let safe_mode = restored::is_in_safe_mode(self.conn)?;
        let mut keys = Vec::new();
        for node in store::subscribers(self.conn, access.no)? {
            let may = gate::may_have(self.conn, stream, access.author_site, node.site, now)?
                && (!safe_mode
                    || restored::goes_in_safe_mode(stream, access.author_site, node.site));
            if node.no != except.no && may {
                keys.push(node.key);
            }
        }
        Ok(keys)
    }
}
