//! The hub's bundles: what it has for a clinic, and what a clinic has for it.
//!
//! Down goes what the clinic is not known to have: what was received of it, what is on a second medium,
//! what it is to let go, and the runs of its subscriptions, through the same gate as on a link. Runs
//! begin where the clinic said that it holds a stream, not where the hub takes it along with its own
//! entries: it may not have heard that.

mod store;

use std::collections::BTreeSet;
use std::io::Write;

use ::store::{Connection, StoreError};
use sync_protocol::exchange::{HubOp, HubReply, IngestEntry, NodeKeys, Run};
use sync_protocol::hlc::Hlc;
use sync_protocol::lane::LaneDecoder;
use sync_protocol::lease::Grants;
use sync_protocol::message::{
    AcksStored, Frame, Message, Purge, Push, PushAck, StreamData, StreamState, Verdict,
};
use sync_protocol::{Class, Epoch, NodeId, limits};
use vocab::{SiteId, Timestamp};

use super::{HubDesk, Node, Performed, durable, lease, restored, store as subs};
use crate::bundle::{BundleError, Checked, FORMAT, Header, Lanes, Writer};
use crate::gate::{self, Released};
use crate::ledger::{signing_keys, store as ledger};
use crate::{LedgerError, Materialize, streams};

/// Starts, marks or verdicts in one frame.
const MARKS_MAX: usize = 512;

/// Streams of which one bundle says what is held: as many as a clinic of a million patients has of
/// others, 40 MiB in memory.
const COMPARED_MAX: usize = 1_000_000;

/// What went into a bundle for a clinic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Packed {
    /// Entries of others.
    pub entries: u64,
    /// Streams that they are in.
    pub streams: u64,
    /// Streams that it is to let go.
    pub ended: u64,
    /// Whether it was full before everything was in it.
    pub more: bool,
}

/// The node that is let in as a site.
///
/// # Errors
///
/// The database's.
pub fn node_of_site(conn: &Connection, site: SiteId) -> Result<Option<Node>, StoreError> {
    Ok(subs::nodes_at(conn, &BTreeSet::from([site]))?.pop())
}

/// The node that signs with this key, if it is let in.
///
/// # Errors
///
/// The database's.
pub fn node_of_key(conn: &Connection, key: &NodeId) -> Result<Option<Node>, StoreError> {
    Ok(subs::nodes(conn)?.into_iter().find(|node| node.key == *key))
}

/// Whether two copies of a node have been seen, so that a bundle for it could reach either.
///
/// # Errors
///
/// The database's.
pub fn has_copies(conn: &Connection, node: &Node) -> Result<bool, StoreError> {
    store::has_copies(conn, node)
}

/// Gives the next bundle for `node` its number.
///
/// # Errors
///
/// The database's.
pub fn begin(
    conn: &Connection,
    now: Timestamp,
    me: NodeId,
    node: &Node,
) -> Result<Header, StoreError> {
    Ok(Header {
        format: FORMAT,
        from: me,
        to: node.key,
        number: store::next_number(conn, node.no)?,
        created: Hlc::default().tick(u64::try_from(now.millis()).unwrap_or(0)),
        life: Some(subs::incarnation(conn)?),
        policy: ledger::stream_digest(conn, &streams::policy_stream())?.count,
    })
}

/// Writes what `node` may have and is not known to have, of one state of the database. `seen` hears how
/// many frames were written.
///
/// # Errors
///
/// [`BundleError::Ledger`] and [`BundleError::Write`].
pub fn pack<W: Write>(
    conn: &Connection,
    now: Timestamp,
    me: NodeId,
    node: &Node,
    out: &mut Writer<W>,
    seen: &mut dyn FnMut(usize),
) -> Result<Packed, BundleError> {
    let mut packed = Packed::default();
    let mut say = |ack: PushAck| out.send(Class::Control, &ack.into());
    // Each of its own: what was received is marked first, and what is durable counts only then.
    for received in store::received(conn, node.no)?.chunks(MARKS_MAX) {
        say(PushAck { received: received.to_vec(), ..PushAck::default() })?;
    }
    for verdicts in store::verdicts(conn, node.no)?.chunks(MARKS_MAX) {
        say(PushAck { verdicts: verdicts.to_vec(), ..PushAck::default() })?;
    }
    for durable in durable::of_node(conn, node.no)?.chunks(MARKS_MAX) {
        say(PushAck { durable: durable.to_vec(), ..PushAck::default() })?;
    }
    if let Some(number) = store::acks_of(conn, node.no)? {
        out.send(Class::Control, &AcksStored { number }.into())?;
    }
    for order in orders(conn, now, node)? {
        packed.ended += 1;
        out.send(Class::Control, &order.into())?;
    }
    // Nobody says that a bundle's terms are stored: the next one, or a conversation, brings them again.
    let mut after = 0;
    while let (grants, Some(last)) = lease::untold_after(conn, node.no, after)? {
        out.send(Class::Control, &Grants { number: 0, grants }.into())?;
        after = last;
    }
    let safe_mode = restored::is_in_safe_mode(conn)?;
    for stream in store::dirty(conn, node.no)? {
        let Some(dirty) = subs::dirty(conn, node.no, stream)? else { continue };
        if safe_mode && !restored::goes_in_safe_mode(&dirty.id, dirty.author_site, node.site) {
            continue;
        }
        let mut from = store::said(conn, node, stream, dirty.acked)?;
        packed.streams += 1;
        while from < dirty.head.count {
            let runs = gate::release(conn, &dirty.id, dirty.author_site, node.site, now, || {
                subs::runs(conn, node, &dirty, from, limits::PAGE_BYTES)
            })?;
            let Some(last) = runs.iter().map(Released::to_idx).max() else { break };
            for run in runs {
                packed.entries += send_run(run.into_run(), me, out)?;
            }
            from = last;
            seen(out.frames());
            if out.is_full() {
                packed.more = true;
                return Ok(packed);
            }
        }
    }
    Ok(packed)
}

/// What the node is to let go: what a conversation would order.
fn orders(conn: &Connection, now: Timestamp, node: &Node) -> Result<Vec<Purge>, LedgerError> {
    let asked = HubDesk::perform(conn, now, node, HubOp::ReadPurges, &mut Nothing)?;
    Ok(match asked.reply {
        Some(HubReply::Purges { orders, .. }) => orders,
        _ => Vec::new(),
    })
}

fn send_run<W: Write>(run: Run, me: NodeId, out: &mut Writer<W>) -> Result<u64, BundleError> {
    let lane = out.lane(run.class);
    let mut chains = Vec::new();
    let entries: Vec<_> = run
        .entries
        .iter()
        .map(|held| lane.shorten(&held.entry, held.id, &held.key, me, &mut chains))
        .collect();
    let sent = u64::try_from(entries.len()).unwrap_or(u64::MAX);
    let data = StreamData {
        stream: run.stream,
        version: run.version,
        from_idx: run.from_idx,
        to_idx: run.to_idx,
        head_sum: run.head_sum,
        chains,
        entries,
    };
    out.send(run.class, &data.into())?;
    Ok(sent)
}

/// Whether a bundle with this header is for `me`, and which node it comes from.
///
/// # Errors
///
/// [`BundleError`] saying why not.
pub fn expect(header: &Header, me: NodeId, from: Option<&Node>) -> Result<(), BundleError> {
    if from.is_none_or(|node| node.key != header.from) {
        return Err(BundleError::Stranger);
    }
    if header.to == me { Ok(()) } else { Err(BundleError::ForAnother) }
}

/// When this bundle was imported to its end, if it was.
///
/// # Errors
///
/// The database's.
pub fn imported(
    conn: &Connection,
    node: &Node,
    bundle: &Checked,
) -> Result<Option<Timestamp>, StoreError> {
    store::imported(conn, node.no, &bundle.digest)
}

/// Turns the frames of a clinic's bundle into what is to be stored, checking every signature.
#[derive(Debug)]
pub struct Unpacker {
    /// What a key signed that the node had before is its own, as in a conversation.
    peer: NodeKeys,
    /// Positions of another life of this database say nothing.
    same_life: bool,
    lanes: Lanes<LaneDecoder>,
    compared: Vec<StreamState>,
    /// Entries left out because they are not authentic or not the clinic's own.
    pub refused: u64,
}

impl Unpacker {
    /// For a bundle with this header, which this database is to take in.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn begin(conn: &Connection, header: &Header) -> Result<Self, StoreError> {
        let peer = signing_keys::of_node(conn, header.from)?;
        Ok(Self::new(peer, header.life == Some(subs::incarnation(conn)?)))
    }

    /// For a bundle of the node with these keys; positions in it count when it was written to this life
    /// of the database.
    #[must_use]
    pub fn new(peer: NodeKeys, same_life: bool) -> Self {
        Self { peer, same_life, lanes: Lanes::default(), compared: Vec::new(), refused: 0 }
    }

    /// What a frame asks to be stored.
    ///
    /// # Errors
    ///
    /// [`BundleError::Damaged`] for a frame that does not follow on the one before it.
    pub fn step(&mut self, class: Class, frame: Frame) -> Result<Option<HubOp>, BundleError> {
        let lane = self.lanes.of(class);
        lane.place(&frame).map_err(|_| BundleError::Damaged)?;
        Ok(match frame.message {
            Some(Message::Push(push)) => {
                lane.define(self.peer.current(), &push.chains).map_err(|_| BundleError::Damaged)?;
                let sent = push.entries.len();
                let batch = batch(lane, &self.peer, push);
                self.refused += u64::try_from(sent - batch.len()).unwrap_or(u64::MAX);
                (!batch.is_empty()).then_some(HubOp::Ingest(batch))
            }
            Some(Message::StreamAck(ack)) if self.same_life => Some(HubOp::Ack(ack.positions)),
            Some(Message::Compare(compare)) if self.same_life => {
                if self.compared.len() + compare.streams.len() > COMPARED_MAX {
                    return Err(BundleError::TooLong);
                }
                self.compared.extend(compare.streams);
                (!compare.more).then(|| HubOp::Compare(std::mem::take(&mut self.compared)))
            }
            Some(Message::PurgeDone(done)) if done.receipt.is_signed_by(&self.peer.current()) => {
                Some(HubOp::Purged(done.receipt))
            }
            _ => None,
        })
    }
}

/// The entries that are authentic and the sender's own.
fn batch(lane: &mut LaneDecoder, peer: &NodeKeys, push: Push) -> Vec<IngestEntry> {
    let mut batch = Vec::with_capacity(push.entries.len());
    for (oseq, wire) in push.entries {
        let chain = wire.chain;
        let Ok(expanded) = lane.expand(wire) else { continue };
        let header = expanded.entry.unchecked().header;
        if !peer.owns(&header.origin) || header.epoch != push.epoch {
            continue;
        }
        match expanded.entry.verify(&expanded.key) {
            Ok(entry) => {
                let (id, key) = (expanded.id, expanded.key);
                batch.push(IngestEntry { epoch: push.epoch, oseq, entry, id, key });
            }
            Err(_) => lane.cut_thread(chain),
        }
    }
    batch
}

/// What an import changed.
#[derive(Debug, Default)]
pub struct Stored {
    /// Entries that were new.
    pub entries: u64,
    /// Of those, with a payload that is set aside; and entries that were refused.
    pub set_aside: u64,
    /// Entries that wait for something before them, which a later bundle brings.
    pub waiting: u64,
    /// Receipts for streams that were let go.
    pub receipts: u64,
    /// Nodes that may have something to fetch.
    pub wake: BTreeSet<NodeId>,
}

/// Stores what a bundle of `node` brings within the caller's transaction, and adds to `stored` what was
/// new.
///
/// # Errors
///
/// The database's; the caller rolls back.
pub fn store(
    conn: &Connection,
    now: Timestamp,
    node: &Node,
    ops: Vec<HubOp>,
    rooms: &mut dyn Materialize,
    stored: &mut Stored,
) -> Result<(), LedgerError> {
    for op in ops {
        if let HubOp::Ingest(entries) = &op {
            let epochs: BTreeSet<Epoch> = entries.iter().map(|entry| entry.epoch).collect();
            for epoch in epochs {
                store::note_start(conn, node.no, epoch)?;
            }
        }
        stored.receipts += u64::from(matches!(op, HubOp::Purged(_)));
        let Performed { reply, wake, .. } = HubDesk::perform(conn, now, node, op, rooms)?;
        stored.wake.extend(wake);
        let Some(HubReply::Ingested(ingested)) = reply else { continue };
        stored.entries += u64::from(ingested.fresh);
        for (epoch, oseq, verdict) in ingested.verdicts {
            if let Verdict::Gap(_) = verdict {
                stored.waiting += 1;
            } else {
                stored.set_aside += 1;
                store::note_verdict(conn, node.no, epoch, oseq, verdict)?;
            }
        }
    }
    Ok(())
}

/// Notes that all of a bundle of `node` is stored.
///
/// # Errors
///
/// The database's.
pub fn finish(
    conn: &Connection,
    now: Timestamp,
    node: &Node,
    bundle: &Checked,
) -> Result<(), StoreError> {
    let life =
        bundle.header.life.filter(|life| subs::incarnation(conn).is_ok_and(|own| own == *life));
    store::note_imported(conn, now, node.no, bundle, life)
}

/// Rooms for a question that touches none.
struct Nothing;

impl Materialize for Nothing {
    fn apply(
        &mut self,
        _: &Connection,
        _: &crate::Arrived<'_>,
    ) -> Result<(), crate::materialize::MaterializeError> {
        Ok(())
    }

    fn founds(&self, _: &crate::Arrived<'_>) -> bool {
        false
    }

    fn erase_stream(
        &mut self,
        _: &Connection,
        _: &sync_protocol::StreamId,
    ) -> Result<(), StoreError> {
        Ok(())
    }

    fn erase_entry(&mut self, _: &Connection, _: &crate::Arrived<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    fn let_go(&mut self, _: &Connection, _: &sync_protocol::StreamId) -> Result<(), StoreError> {
        Ok(())
    }
}
