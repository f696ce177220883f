//! What a conversation asks of storage, and what storage answers.

use crate::entry::{Entry, EntryId};
use crate::lease::Grant;
use crate::message::{EpochClaim, Purge, StreamPosition, StreamState, Verdict};
use crate::purge::PurgeReceipt;
use crate::ranges::Ranges;
use crate::reconcile::Claim;
use crate::standing::StartRecord;
use crate::{ChainKey, Class, Epoch, SetDigest, StreamId, Verified};

/// What the edge's storage knows when a conversation opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelloState {
    /// The epoch this process writes under.
    pub epoch: Epoch,
    /// The one before the last start.
    pub parent: Option<Epoch>,
    /// Epochs with entries the hub has not confirmed.
    pub claims: Vec<EpochClaim>,
    /// The hub incarnation last spoken with.
    pub incarnation: Option<u64>,
    /// Stored runs whose acknowledgement was not confirmed.
    pub unconfirmed: Vec<StreamPosition>,
    /// Its starts, the current one first, back to the last one that the hub welcomed; those of which
    /// no sum was kept are left out.
    pub history: Vec<StartRecord>,
}

/// Where to go on reading own entries of a class; opaque to the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OutboxCursor {
    /// Ordinal of the process start.
    pub start: u64,
    /// Position within it.
    pub oseq: u64,
}

/// An own entry to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxEntry {
    /// Its place in the order of own entries.
    pub cursor: OutboxCursor,
    /// Under which epoch.
    pub epoch: Epoch,
    /// Position in the epoch.
    pub oseq: u64,
    /// Its name.
    pub id: EntryId,
    /// The entry.
    pub entry: Entry,
    /// The key of its chain.
    pub key: ChainKey,
}

/// Own entries of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxPage {
    /// The class that was asked for.
    pub class: Class,
    /// The entries in order.
    pub entries: Vec<OutboxEntry>,
    /// Whether the end was reached.
    pub end: bool,
}

/// A run of a stream whose entries are authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRun {
    /// Which stream.
    pub stream: StreamId,
    /// Version of the subscription.
    pub version: u32,
    /// The run begins after this position.
    pub from_idx: u64,
    /// And ends with this one.
    pub to_idx: u64,
    /// Short sum of the whole stream, when the run ends at its head.
    pub head_sum: Option<[u8; 16]>,
    /// The entries with the keys of their chains.
    pub entries: Vec<(Verified<Entry>, ChainKey)>,
}

/// What an edge asks of its storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EdgeOp {
    /// Read what the greeting needs. Answer: [`EdgeReply::Hello`].
    LoadHello,
    /// Remember which own entries the hub holds, and its incarnation. Answer:
    /// [`EdgeReply::Received`].
    MarkReceived {
        /// By epoch.
        received: Vec<(Epoch, Ranges)>,
        /// On a second medium at the hub, by epoch.
        durable: Vec<(Epoch, u64)>,
        /// The hub's incarnation, when it was told.
        incarnation: Option<u64>,
        /// Verdicts to keep where people can see them.
        verdicts: Vec<(Epoch, u64, Verdict)>,
        /// Streams with the hub's count and sum, to be compared once all of it is here.
        streams: Vec<StreamState>,
    },
    /// Read own entries that the hub has not confirmed. Answer: [`EdgeReply::Outbox`].
    ReadOutbox {
        /// Of which class.
        class: Class,
        /// After which place; `None` from the start.
        after: Option<OutboxCursor>,
        /// Leave these out: they are on their way, or acknowledged and not yet marked.
        skip: Vec<OutboxCursor>,
        /// Stop after about so many bytes.
        bytes_max: usize,
    },
    /// Read one own entry. Answer: [`EdgeReply::One`].
    ReadOne {
        /// Its epoch.
        epoch: Epoch,
        /// Its position there.
        oseq: u64,
    },
    /// Store a run. Answer: [`EdgeReply::Applied`].
    Apply(StoredRun),
    /// Let go what others wrote in a stream, and refuse what was sent under an older version. Own
    /// entries and their chains stay. Asked twice it answers the same; an order under an older version
    /// than the one held has no effect. Answer: [`EdgeReply::Purged`].
    Purge(Purge),
    /// Remember under which terms streams may be opened; those of a subscription that has ended, or of
    /// an older version than the one known, have no effect. Answer: [`EdgeReply::StoredGrants`].
    StoreGrants {
        /// The message that brought them.
        number: u64,
        /// The terms.
        grants: Vec<Grant>,
    },
    /// The hub need not be told about these again, unless a stream has been stored further since.
    /// Answer: [`EdgeReply::Forgot`].
    ForgetAcks(Vec<StreamPosition>),
    /// Read count and sum of own entries, stream by stream. Answer: [`EdgeReply::OwnHoldings`].
    ReadOwnHoldings,
    /// Store own entries that this disk lost; those that are here stay as they are. Answer:
    /// [`EdgeReply::TakenBack`].
    TakeBack {
        /// The message that brought them.
        number: u64,
        /// The entries with the keys of their chains.
        entries: Vec<(Verified<Entry>, ChainKey)>,
    },
    /// Read the digest of what others wrote, over all streams and stream by stream. Answer:
    /// [`EdgeReply::Feed`].
    ReadFeed {
        /// Whether each stream is wanted too.
        by_stream: bool,
    },
    /// Read in which streams own entries stand that came back to this disk and were not offered to the
    /// hub since it has begun another life. Answer: [`EdgeReply::Returned`].
    ReadReturned,
    /// Those were offered, and the hub holds them. Answer: [`EdgeReply::Noted`].
    NoteReturnedOffered,
    /// Read the ids of entries, stream by stream in the order they were stored. Answer:
    /// [`EdgeReply::Ids`].
    ReadIds {
        /// Of which streams.
        streams: Vec<StreamIds>,
        /// In the first of them, after which position.
        after: u64,
        /// Stop after so many ids.
        ids_max: usize,
    },
    /// Read entries, as many of the first of these as are here and fit. Answer: [`EdgeReply::Held`].
    ReadHeld {
        /// Which.
        ids: Vec<EntryId>,
        /// Stop after about so many bytes.
        bytes_max: usize,
    },
}

/// A stream of which ids are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamIds {
    /// Which.
    pub stream: StreamId,
    /// Whether those of own entries are wanted too.
    pub own: bool,
}

/// Whether a run was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Applied {
    /// All of it, or it was there before: everything up to here is held.
    Stored {
        /// How many entries were new.
        fresh: u32,
        /// Whether the stream's sum was compared and differed.
        diverged: bool,
        /// Whether it lets in authors, so that what was [`NotYet`](Self::NotYet) may be now.
        admits: bool,
    },
    /// Its author is not known yet; the stream is held only up to here.
    NotYet {
        /// The last position held.
        have: u64,
    },
    /// The stream is held only up to here, and the run begins later.
    Behind {
        /// The last position held.
        have: u64,
    },
    /// The run was sent under a version of the subscription that has ended.
    Ended,
}

/// What an edge's storage answers, in the order in which it did what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EdgeReply {
    /// To [`EdgeOp::LoadHello`].
    Hello(HelloState),
    /// To [`EdgeOp::MarkReceived`]: how many of the streams that could be compared differed.
    Received {
        /// Sums that differed.
        diverged: u32,
        /// Own entries that are known to be at the hub, those included that came back from it.
        own_at_hub: u64,
        /// Whether the hub has another incarnation than before, so that what it had acknowledged waits
        /// again. The conversation then begins anew, to hear what is held of it.
        reoffered: bool,
    },
    /// To [`EdgeOp::ReadOutbox`].
    Outbox(OutboxPage),
    /// To [`EdgeOp::ReadOne`].
    One(Option<Box<OutboxEntry>>),
    /// To [`EdgeOp::Apply`].
    Applied(StreamPosition, Applied),
    /// To [`EdgeOp::Purge`], after the commit.
    Purged(Option<PurgeReceipt>),
    /// To [`EdgeOp::StoreGrants`], after the commit.
    StoredGrants {
        /// The message that brought them.
        number: u64,
    },
    /// To [`EdgeOp::ForgetAcks`].
    Forgot,
    /// To [`EdgeOp::ReadFeed`].
    Feed {
        /// Of everything.
        total: SetDigest,
        /// Of each stream, if asked.
        streams: Vec<StreamState>,
    },
    /// To [`EdgeOp::ReadOwnHoldings`].
    OwnHoldings(Vec<StreamState>),
    /// To [`EdgeOp::TakeBack`], after the commit.
    TakenBack {
        /// The message that brought them.
        number: u64,
        /// How many were new; `None` when they were not stored, because the certificate of this node
        /// is not here yet. They come again.
        fresh: Option<u32>,
    },
    /// To [`EdgeOp::ReadReturned`].
    Returned(Vec<StreamId>),
    /// To [`EdgeOp::NoteReturnedOffered`].
    Noted,
    /// To [`EdgeOp::ReadIds`].
    Ids {
        /// The ids.
        ids: Vec<EntryId>,
        /// Of so many of the streams all of them.
        streams: usize,
        /// Of the next stream those up to this position.
        after: u64,
    },
    /// To [`EdgeOp::ReadHeld`].
    Held {
        /// The entries.
        entries: Vec<RunEntry>,
        /// How many of those asked for this settles: what is not here any more is left out.
        of: usize,
    },
    /// The operation failed; the conversation ends.
    Failed,
}

/// The hub's answer to a greeting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// This life of the hub's database.
    pub incarnation: u64,
    /// What is held of the claimed epochs.
    pub received: Vec<(Epoch, Ranges)>,
    /// How far each is on a second medium.
    pub durable: Vec<(Epoch, u64)>,
    /// What others wrote and this edge acknowledged.
    pub feed: SetDigest,
    /// Whether this is a second copy of the node.
    pub second_copy: bool,
    /// Entries of the node's own that are held.
    pub own_entries: u64,
    /// Whether the node is to say when all it wrote is here.
    pub wants_report: bool,
}

/// A pushed entry that is authentic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestEntry {
    /// Its epoch at the sender.
    pub epoch: Epoch,
    /// Its position there.
    pub oseq: u64,
    /// The entry.
    pub entry: Verified<Entry>,
    /// Its name.
    pub id: EntryId,
    /// The key of its chain.
    pub key: ChainKey,
}

/// What became of a batch of pushed entries, after the commit.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Ingested {
    /// Held now, whether new or known.
    pub received: Vec<(Epoch, u64)>,
    /// How many of them were new.
    pub fresh: u32,
    /// Streams that grew.
    pub streams: Vec<StreamState>,
    /// Whatever was not simply taken.
    pub verdicts: Vec<(Epoch, u64, Verdict)>,
}

/// An entry that may be put into a frame for the edge it was read for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunEntry {
    /// Its name.
    pub id: EntryId,
    /// The entry.
    pub entry: Entry,
    /// The key of its chain.
    pub key: ChainKey,
}

/// A run of a stream that an edge may have, as the hub's storage released it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Which stream.
    pub stream: StreamId,
    /// Its class.
    pub class: Class,
    /// Version of the subscription.
    pub version: u32,
    /// The run begins after this position.
    pub from_idx: u64,
    /// And ends with this one.
    pub to_idx: u64,
    /// Short sum of the whole stream, when the run ends at its head.
    pub head_sum: Option<[u8; 16]>,
    /// The entries that the edge did not write itself.
    pub entries: Vec<RunEntry>,
}

/// What the hub asks of its storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubOp {
    /// Settle the greeting. Answer: [`HubReply::Greeted`].
    Greet(HelloState),
    /// Store pushed entries. Answer: [`HubReply::Ingested`].
    Ingest(Vec<IngestEntry>),
    /// Keep a frame's refused entry aside, with its reason. Answer: [`HubReply::SetAside`].
    SetAside {
        /// Its epoch.
        epoch: Epoch,
        /// Its position there.
        oseq: u64,
        /// Why it was refused.
        verdict: Verdict,
        /// Its bytes as received.
        raw: Vec<u8>,
    },
    /// Read runs that the edge may have and has not acknowledged. Each is sent as one frame: at most
    /// [`FRAME_ENTRIES_MAX`](crate::limits::FRAME_ENTRIES_MAX) entries and about
    /// [`FRAME_BYTES_TARGET`](crate::limits::FRAME_BYTES_TARGET) bytes, more only where a single entry
    /// is longer; a stream may have several runs in the answer, each beginning where the one before
    /// ends. The first begins at the position that `sent` names, or else at the last one on record
    /// for this edge. Answer: [`HubReply::Runs`].
    NextRuns {
        /// Streams on their way, each with the position up to which it was sent.
        sent: Vec<(StreamId, u64)>,
        /// Stop after about so many bytes.
        bytes_max: usize,
    },
    /// The edge stored these. Answer: [`HubReply::Acked`].
    Ack(Vec<StreamPosition>),
    /// The edge holds a stream only up to here; start from there. Answer: [`HubReply::Rewound`].
    Rewind(StreamPosition),
    /// Start those streams over whose digest differs from what is on record for this edge. Answer:
    /// [`HubReply::Compared`].
    Compare(Vec<StreamState>),
    /// The edge holds this of its own entries. Answer with the streams of which more is held here:
    /// [`HubReply::OwnStreams`].
    CompareOwn(Vec<StreamState>),
    /// Read the edge's own entries of a stream, in the order of the stream. Answer:
    /// [`HubReply::Own`].
    ReadOwn {
        /// Which stream.
        stream: StreamId,
        /// After which position.
        after: u64,
        /// Stop after about so many bytes.
        bytes_max: usize,
    },
    /// Read which subscriptions of the edge ended and have no receipt yet: the first
    /// [`PURGES_OPEN_MAX`](crate::limits::PURGES_OPEN_MAX), always in the same order. Answer:
    /// [`HubReply::Purges`].
    ReadPurges,
    /// Store what the edge signed for letting a stream go. Answer: [`HubReply::PurgeSettled`].
    Purged(PurgeReceipt),
    /// Read terms that the edge does not have, of streams of which it holds or is to get something
    /// that others wrote: at most [`GRANTS_MAX`](crate::limits::GRANTS_MAX). Answer:
    /// [`HubReply::Grants`].
    ReadGrants,
    /// The edge stored these terms; those that changed since are told again. Answer:
    /// [`HubReply::Granted`].
    Granted(Vec<Grant>),
    /// All that the edge wrote is here, in this life of the database. Answer: [`HubReply::Reported`].
    Report {
        /// Which life it means.
        incarnation: u64,
    },
    /// Read count and sum of what is on record of the edge, stream by stream. Answer:
    /// [`HubReply::Held`].
    ReadHeld,
    /// Start those of these streams over of which the record is not what the edge says it holds. What
    /// it acknowledged since the record was read may have settled some. Answer:
    /// [`HubReply::Settled`].
    Settle(Vec<Claim>),
    /// Say which of these entries, by the first half of their ids, are not held. Answer:
    /// [`HubReply::Lacking`].
    Lacking(Vec<[u8; 16]>),
    /// Store entries that the edge holds and need not have written, if their authors are enrolled or
    /// were. Answer: [`HubReply::TakenIn`].
    TakeIn(Vec<(Verified<Entry>, EntryId, ChainKey)>),
    /// Pass latest values on to other screens. No answer.
    Live {
        /// Which stream.
        stream: StreamId,
        /// The values.
        values: Vec<u8>,
    },
}

/// What the hub's storage answers, in the order it was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HubReply {
    /// To [`HubOp::Greet`].
    Greeted(Greeting),
    /// To [`HubOp::Ingest`].
    Ingested(Ingested),
    /// To [`HubOp::SetAside`].
    SetAside,
    /// To [`HubOp::NextRuns`]; empty when nothing more may be sent now.
    Runs(Vec<Run>),
    /// To [`HubOp::Ack`].
    Acked,
    /// To [`HubOp::Rewind`].
    Rewound,
    /// To [`HubOp::ReadPurges`].
    Purges {
        /// The orders.
        orders: Vec<Purge>,
        /// Whether the database came back from a backup, and not all edges have reported: then
        /// nothing is ordered.
        safe_mode: bool,
    },
    /// To [`HubOp::Purged`]: the order for this stream is settled, or no longer holds.
    PurgeSettled(StreamId),
    /// To [`HubOp::Compare`]: how many streams are sent again.
    Compared {
        /// How many.
        restarted: u32,
    },
    /// To [`HubOp::ReadGrants`].
    Grants(Vec<Grant>),
    /// To [`HubOp::Granted`].
    Granted,
    /// To [`HubOp::Report`].
    Reported,
    /// To [`HubOp::CompareOwn`].
    OwnStreams(Vec<StreamId>),
    /// To [`HubOp::ReadOwn`].
    Own {
        /// The entries.
        entries: Vec<RunEntry>,
        /// Where to go on; `None` at the end of the stream.
        next: Option<u64>,
    },
    /// To [`HubOp::ReadHeld`].
    Held(Vec<StreamState>),
    /// To [`HubOp::Settle`].
    Settled {
        /// The streams that start over, and those that the hub knows nothing of.
        restarted: Vec<StreamId>,
    },
    /// To [`HubOp::Lacking`]: places among those asked about.
    Lacking(Vec<u16>),
    /// To [`HubOp::TakeIn`].
    TakenIn {
        /// How many were new.
        fresh: u32,
        /// How many cannot be taken now, but perhaps later.
        put_off: u32,
    },
    /// The operation failed; the conversation ends.
    Failed,
}
