//! A clinic's bundles: what it has for the hub, and what the hub has for it.
//!
//! Up goes everything that the hub is not known to hold: own entries, acknowledgements of what was
//! stored here, and receipts for what was let go. All of it is as true later as it was when it was
//! written, or is passed by what came meanwhile. A disk that was put back from an older copy notices by
//! what comes that the hub takes it to hold more than it does; then it also says what it holds of every
//! stream, and those that differ start over.

mod store;

use std::io::Write;

use ::store::{Connection, StoreError};
use sync_protocol::exchange::{Applied, EdgeOp, EdgeReply, PUSH_CLASSES, StoredRun};
use sync_protocol::hlc::Hlc;
use sync_protocol::lane::LaneDecoder;
use sync_protocol::lease::Grants;
use sync_protocol::message::{
    Compare, Frame, Message, PurgeDone, Push, StreamAck, StreamData, StreamPosition,
};
use sync_protocol::purge::{PurgeReceipt, Purged};
use sync_protocol::signature::Signer;
use sync_protocol::{Class, Epoch, NodeId, limits};
use vocab::Timestamp;

use super::store::set_incarnation;
use super::{EdgeDesk, KnownNodes};
use crate::bundle::{BundleError, Checked, FORMAT, Header, Lanes, Writer};
use crate::ledger::store as ledger;
use crate::{LedgerError, Materialize, streams};

/// Positions in one frame: 29 bytes each keep it at two frames of entries.
const POSITIONS_MAX: usize = 1_024;

/// What went into a bundle for the hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Packed {
    /// Own entries.
    pub entries: u64,
    /// Streams of which it says how far they are held.
    pub acknowledged: u64,
    /// Receipts for streams that were let go.
    pub receipts: u64,
    /// Whether it was full before everything was in it.
    pub more: bool,
}

/// Gives the next bundle for `hub` its number, and notes which acknowledgements it carries.
///
/// # Errors
///
/// The database's.
pub fn begin(
    conn: &Connection,
    now: Timestamp,
    me: NodeId,
    hub: NodeId,
) -> Result<Header, StoreError> {
    let number = store::next_number(conn)?;
    store::carry_acks(conn, number)?;
    Ok(Header {
        format: FORMAT,
        from: me,
        to: hub,
        number,
        created: Hlc::default().tick(u64::try_from(now.millis()).unwrap_or(0)),
        life: store::life(conn)?,
        policy: ledger::stream_digest(conn, &streams::policy_stream())?.count,
    })
}

/// Writes what the hub is not known to hold, of one state of the database. `seen` hears how many
/// frames were written.
///
/// # Errors
///
/// [`BundleError::Ledger`] and [`BundleError::Write`].
pub fn pack<W: Write>(
    conn: &Connection,
    header: &Header,
    me: &Signer,
    out: &mut Writer<W>,
    seen: &mut dyn FnMut(usize),
) -> Result<Packed, BundleError> {
    let mut packed = Packed::default();
    // Before entries: of a stream that was let go the hub first hears that nothing is held.
    store::unconfirmed(conn, POSITIONS_MAX, |positions| {
        packed.acknowledged += count(positions.len());
        let ack = StreamAck { number: header.number, positions: positions.to_vec() };
        out.send(Class::Control, &ack.into())?;
        for position in positions.iter().filter(|position| position.to_idx == 0) {
            if let Some(receipt) = receipt(conn, position, me)? {
                packed.receipts += 1;
                out.send(Class::Control, &PurgeDone { receipt }.into())?;
            }
        }
        seen(out.frames());
        Ok::<_, BundleError>(())
    })?;
    if store::says_all(conn)? {
        compare(conn, out)?;
    }
    for class in PUSH_CLASSES {
        packed.more |= !push(conn, class, me.node(), out, &mut packed.entries, seen)?;
    }
    Ok(packed)
}

/// Writes count and sum of what others wrote, stream by stream.
fn compare<W: Write>(conn: &Connection, out: &mut Writer<W>) -> Result<(), BundleError> {
    let (_, streams) = super::store::feed(conn, true)?;
    let mut parts = streams.chunks(limits::COMPARE_STREAMS_MAX).peekable();
    loop {
        let streams = parts.next().map(<[_]>::to_vec).unwrap_or_default();
        let more = parts.peek().is_some();
        out.send(Class::Control, &Compare { streams, more }.into())?;
        if !more {
            return Ok(());
        }
    }
}

/// Writes the waiting entries of a class; answers whether all of them.
fn push<W: Write>(
    conn: &Connection,
    class: Class,
    me: NodeId,
    out: &mut Writer<W>,
    entries: &mut u64,
    seen: &mut dyn FnMut(usize),
) -> Result<bool, BundleError> {
    let mut frame: Option<Push> = None;
    let mut bytes = 0;
    let mut all = true;
    store::for_each_waiting(conn, class, |epoch: Epoch, oseq, held| {
        let is_other = frame.as_ref().is_some_and(|push| push.epoch != epoch);
        let is_full = bytes >= limits::FRAME_BYTES_TARGET
            || frame.as_ref().is_some_and(|push| push.entries.len() >= limits::FRAME_ENTRIES_MAX);
        if is_other || is_full {
            if let Some(push) = frame.take() {
                out.send(class, &push.into())?;
                seen(out.frames());
            }
            bytes = 0;
            if out.is_full() {
                all = false;
                return Ok(false);
            }
        }
        let empty = || Push { epoch, chains: Vec::new(), entries: Vec::new() };
        // A lane makes room between frames only.
        let lane = if frame.is_none() { out.lane(class) } else { out.same_lane(class) };
        let push = frame.get_or_insert_with(empty);
        let wire = lane.shorten(&held.entry, held.id, &held.key, me, &mut push.chains);
        push.entries.push((oseq, wire));
        bytes += held.entry.payload.bytes().map_or(0, <[u8]>::len) + 128;
        *entries += 1;
        Ok::<_, BundleError>(true)
    })?;
    if let Some(push) = frame {
        out.send(class, &push.into())?;
    }
    Ok(all)
}

/// What this node signs for a stream that it let go under this version.
fn receipt(
    conn: &Connection,
    position: &StreamPosition,
    me: &Signer,
) -> Result<Option<PurgeReceipt>, StoreError> {
    let gone = store::let_go(conn, &position.stream, position.version)?;
    Ok(gone
        .map(|gone| PurgeReceipt::sign(Purged::new(position.stream, position.version, &gone), me)))
}

/// Whether a bundle with this header is for `me` and from `hub`, in the life of it that is known here.
///
/// # Errors
///
/// [`BundleError`] saying why not.
pub fn expect(
    header: &Header,
    me: NodeId,
    hub: NodeId,
    life: Option<u64>,
) -> Result<(), BundleError> {
    if header.from != hub {
        return Err(BundleError::Stranger);
    }
    if header.to != me {
        return Err(BundleError::ForAnother);
    }
    match (header.life, life) {
        (None, _) => Err(BundleError::OtherLife),
        (Some(theirs), Some(known)) if theirs != known => Err(BundleError::OtherLife),
        (Some(_), _) => Ok(()),
    }
}

/// The life of the hub's database that was heard of last.
///
/// # Errors
///
/// The database's.
pub fn life(conn: &Connection) -> Result<Option<u64>, StoreError> {
    store::life(conn)
}

/// When this bundle was imported to its end, if it was.
///
/// # Errors
///
/// The database's.
pub fn imported(conn: &Connection, bundle: &Checked) -> Result<Option<Timestamp>, StoreError> {
    store::imported(conn, &bundle.digest)
}

/// Something to store that a bundle brought.
#[derive(Debug)]
pub enum Step {
    /// As a conversation would.
    Op(EdgeOp),
    /// The hub has stored the acknowledgements of the bundle with this number.
    AcksStored(u64),
}

/// Turns the frames of a bundle from the hub into what is to be stored, checking every signature.
#[derive(Debug)]
pub struct Unpacker {
    hub: NodeId,
    lanes: Lanes<LaneDecoder>,
    /// Runs left out because an entry in them is not authentic.
    pub refused: u64,
}

impl Unpacker {
    /// For a bundle of this hub.
    #[must_use]
    pub fn new(hub: NodeId) -> Self {
        Self { hub, lanes: Lanes::default(), refused: 0 }
    }

    /// What a frame asks to be stored.
    ///
    /// # Errors
    ///
    /// [`BundleError::Damaged`] for a frame that does not follow on the one before it.
    pub fn step(&mut self, class: Class, frame: Frame) -> Result<Option<Step>, BundleError> {
        let hub = self.hub;
        let lane = self.lanes.of(class);
        lane.place(&frame).map_err(|_| BundleError::Damaged)?;
        Ok(match frame.message {
            Some(Message::PushAck(ack)) => Some(Step::Op(EdgeOp::MarkReceived {
                received: ack.received,
                durable: ack.durable,
                // A life that was not heard of is noted at the end; nobody welcomed this start.
                incarnation: None,
                verdicts: ack.verdicts,
                streams: ack.streams,
            })),
            Some(Message::AcksStored(stored)) => Some(Step::AcksStored(stored.number)),
            Some(Message::Purge(order)) => Some(Step::Op(EdgeOp::Purge(order))),
            Some(Message::Grants(Grants { number, grants }))
                if grants.len() <= limits::GRANTS_MAX =>
            {
                Some(Step::Op(EdgeOp::StoreGrants { number, grants }))
            }
            Some(Message::StreamData(data)) => {
                lane.define(hub, &data.chains).map_err(|_| BundleError::Damaged)?;
                let run = run(lane, data);
                self.refused += u64::from(run.is_none());
                run.map(|run| Step::Op(EdgeOp::Apply(run)))
            }
            _ => None,
        })
    }
}

/// The run with every entry verified; `None` when one is not its author's.
fn run(lane: &mut LaneDecoder, data: StreamData) -> Option<StoredRun> {
    let mut entries = Vec::with_capacity(data.entries.len());
    let mut authentic = data.entries.len() <= limits::FRAME_ENTRIES_MAX;
    for wire in data.entries {
        let chain = wire.chain;
        let Ok(expanded) = lane.expand(wire) else {
            authentic = false;
            continue;
        };
        match expanded.entry.verify(&expanded.key) {
            Ok(entry) if entry.get().header.stream == data.stream => {
                entries.push((entry, expanded.key));
            }
            _ => {
                authentic = false;
                lane.cut_thread(chain);
            }
        }
    }
    authentic.then_some(StoredRun {
        stream: data.stream,
        version: data.version,
        from_idx: data.from_idx,
        to_idx: data.to_idx,
        head_sum: data.head_sum,
        entries,
    })
}

/// What an import changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Stored {
    /// Entries of others that were new.
    pub entries: u64,
    /// Own entries that are at the hub now and were not known to be.
    pub received: u64,
    /// Streams that were let go.
    pub let_go: u64,
    /// Runs that wait for something before them: this disk lost it, and the next bundles bring it back.
    pub waiting: u64,
}

impl Stored {
    fn add(&mut self, other: Self) {
        self.entries += other.entries;
        self.received += other.received;
        self.let_go += other.let_go;
        self.waiting += other.waiting;
    }
}

/// Stores `steps` within the caller's transaction, and adds to `stored` what was new.
///
/// # Errors
///
/// The database's; the caller rolls back.
pub fn store(
    conn: &Connection,
    now: Timestamp,
    steps: Vec<Step>,
    rooms: &mut dyn Materialize,
    known: &dyn KnownNodes,
    me: &Signer,
    stored: &mut Stored,
) -> Result<(), LedgerError> {
    let before = super::store::own_at_hub(conn)?;
    let mut fresh = Stored::default();
    for step in steps {
        let op = match step {
            Step::Op(op) => op,
            Step::AcksStored(number) => {
                store::acks_stored(conn, number)?;
                continue;
            }
        };
        let reply = EdgeDesk::perform(conn, now, op, rooms, known, me)?;
        if let EdgeReply::Applied(_, applied) = &reply {
            match applied {
                Applied::Stored { fresh: new, .. } => fresh.entries += u64::from(*new),
                Applied::Behind { .. } | Applied::NotYet { .. } => fresh.waiting += 1,
                Applied::Ended => {}
            }
        } else if let EdgeReply::Purged(Some(receipt)) = &reply {
            // Also where it was let go before: the hub has not heard of it.
            store::remember_let_go(conn, &receipt.purged)?;
            fresh.let_go += 1;
        }
    }
    fresh.received = super::store::own_at_hub(conn)?.saturating_sub(before);
    stored.add(fresh);
    Ok(())
}

/// Notes that all of a bundle is stored, with what that changed.
///
/// # Errors
///
/// The database's.
pub fn finish(
    conn: &Connection,
    now: Timestamp,
    bundle: &Checked,
    stored: &Stored,
) -> Result<(), StoreError> {
    store::set_says_all(conn, stored.waiting > 0)?;
    if let (None, Some(life)) = (store::life(conn)?, bundle.header.life) {
        set_incarnation(conn, life)?;
    }
    store::note_imported(conn, now, &bundle.digest, bundle.header.number)
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
