//! What two replicas say to each other.
//!
//! A frame is `generation | number | type | body`: the first three as postcard integers, the body a
//! postcard record of that type. Frames of one class travel in order on a lane of their own; the
//! generation and the number let a receiver see a repeat or a gap. A type that this version does not
//! know is skipped: a newer peer may say more than we understand.
//!
//! Type numbers 34 to 39 are kept for what follows: look-ups on demand, checkpoints
//! and attachments.

use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError};
use crate::entry::WithheldReason;
use crate::lease::{Granted, Grants};
use crate::mending::{Reconcile, Resupplied, Resupply};
use crate::purge::PurgeReceipt;
use crate::ranges::Ranges;
use crate::standing::{Opening, OwnEntries, OwnHoldings, OwnStored, Placed, Reported};
use crate::{ChainKey, Epoch, NodeId, SeqNo, StreamId, limits};

/// Lowest and highest version of this protocol that the program speaks.
pub const PROTOCOL_VERSIONS: (u16, u16) = (1, 1);

/// A message with its place on its lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// How often the lane was started anew.
    pub generation: u32,
    /// Position on the lane, from 0.
    pub number: u32,
    /// What is said; `None` for a type this version does not know.
    pub message: Option<Message>,
}

macro_rules! messages {
    ($($(#[$doc:meta])* $number:literal $name:ident),* $(,)?) => {
        /// Everything that can be said.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum Message {
            $($(#[$doc])* $name($name),)*
        }

        impl Message {
            fn parts(&self) -> (u16, Vec<u8>) {
                match self {
                    $(Self::$name(body) => ($number, codec::encode(body)),)*
                }
            }

            fn read(number: u16, body: &[u8]) -> Result<Option<Self>, CodecError> {
                match number {
                    $($number => codec::decode(body).map(|body| Some(Self::$name(body))),)*
                    _ => Ok(None),
                }
            }
        }

        $(impl From<$name> for Message {
            fn from(body: $name) -> Self {
                Self::$name(body)
            }
        })*
    };
}

messages! {
    /// The edge's opening.
    1 Hello,
    /// The hub's answer.
    2 HelloAck,
    /// New entries of the edge's own.
    3 Push,
    /// What became of pushed entries.
    4 PushAck,
    /// A run of a stream for an edge that may have it.
    5 StreamData,
    /// A run was stored.
    6 StreamAck,
    /// Acknowledgements were stored and need not be repeated.
    7 AcksStored,
    /// An entry could not be rebuilt from its short form.
    8 NeedFull,
    /// An entry in its long form.
    9 Full,
    /// Latest values, unlogged and droppable.
    10 Live,
    /// Per-stream digests, when the sums differ.
    11 Compare,
    /// A lane lost its thread and is to start anew.
    12 Resync,
    /// The end.
    13 Bye,
    /// A run cannot be stored because something before it is missing.
    14 Behind,
    /// A subscription ended: let the stream go.
    20 Purge,
    /// The stream was let go.
    21 PurgeDone,
    /// The edge's opening with the starts of its process.
    22 Opening,
    /// The hub's answer to it.
    23 Placed,
    /// What an edge that lost some of its own entries still has of them.
    24 OwnHoldings,
    /// Those that it lost.
    25 OwnEntries,
    /// They are stored.
    26 OwnStored,
    /// The streams of a comparison that differed start over.
    27 Compared,
    /// All that was written here is at a hub that came back from a backup.
    28 Reported,
    /// Terms under which streams may be opened.
    29 Grants,
    /// They are stored.
    30 Granted,
    /// One step of finding the streams that both hold differently.
    31 Reconcile,
    /// What the edge holds and the hub may have lost.
    32 Resupply,
    /// What the hub wants of it, or stored.
    33 Resupplied,
}

impl Frame {
    /// The bytes of `message` at its place on a lane.
    #[must_use]
    pub fn encode(generation: u32, number: u32, message: &Message) -> Vec<u8> {
        let (kind, body) = message.parts();
        let mut bytes = codec::encode(&(generation, number, kind));
        bytes.extend_from_slice(&body);
        bytes
    }

    /// Reads a frame.
    ///
    /// # Errors
    ///
    /// [`CodecError`] when it is too long, cut short or not canonical.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        if bytes.len() > limits::FRAME_BYTES_MAX {
            return Err(CodecError::TooLong);
        }
        let ((generation, number, kind), body) =
            postcard::take_from_bytes::<(u32, u32, u16)>(bytes)
                .map_err(|_| CodecError::Malformed)?;
        let head_len = bytes.len() - body.len();
        if bytes.get(..head_len) != Some(codec::encode(&(generation, number, kind)).as_slice()) {
            return Err(CodecError::NotCanonical);
        }
        Ok(Self { generation, number, message: Message::read(kind, body)? })
    }
}

/// Entries of one process start that the hub has not confirmed in full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EpochClaim {
    /// The start.
    pub epoch: Epoch,
    /// The highest position written under it.
    pub head: u64,
}

/// Opens a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Versions of the protocol this node speaks.
    pub versions: (u16, u16),
    /// The epoch it writes under now.
    pub epoch: Epoch,
    /// The one before its last start; `None` at the first.
    pub parent: Option<Epoch>,
    /// Epochs that the hub has not confirmed in full.
    pub claims: Vec<EpochClaim>,
    /// The hub incarnation it last spoke with.
    pub incarnation: Option<u64>,
    /// Runs it stored whose acknowledgement was not confirmed.
    pub unconfirmed: Vec<StreamPosition>,
    /// Its wall clock, milliseconds since 1970.
    pub wall_ms: u64,
}

/// How far a stream is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamPosition {
    /// Which stream.
    pub stream: StreamId,
    /// Which version of its subscription.
    pub version: u32,
    /// The last position of the hub's order that is stored.
    pub to_idx: u64,
}

/// Answers a greeting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HelloAck {
    /// The version both will speak.
    pub version: u16,
    /// This life of the hub's database; another number after a restore.
    pub incarnation: u64,
    /// What the hub holds of the claimed epochs.
    pub received: Vec<(Epoch, Ranges)>,
    /// How far each is on a second medium; positions up to here may be forgotten by their author.
    pub durable: Vec<(Epoch, u64)>,
    /// Count and short sum of what others wrote and this edge acknowledged.
    pub feed: (u64, [u8; 16]),
    /// The hub's wall clock, milliseconds since 1970.
    pub wall_ms: u64,
}

/// Gives a chain a short name on one lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainDef {
    /// Its author; `None` is the sender.
    pub origin: Option<NodeId>,
    /// Its stream.
    pub stream: StreamId,
    /// The key its commitments are salted with.
    pub key: ChainKey,
}

/// Where an entry stands, when that does not follow from the one before it on the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Its position.
    pub sseq: SeqNo,
    /// Its predecessor.
    pub sprev: [u8; 32],
    /// Its epoch.
    pub epoch: Epoch,
}

/// A payload as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WirePayload {
    /// All of it; the commitment is computed again from it.
    Present(#[serde(with = "serde_bytes")] Vec<u8>),
    /// Not given out.
    Withheld {
        /// Why.
        reason: WithheldReason,
        /// Its length.
        len: u32,
        /// What the header commits to.
        commitment: [u8; 32],
    },
    /// Erased by order.
    Erased {
        /// Its length.
        len: u32,
        /// What the header commits to.
        commitment: [u8; 32],
    },
}

/// An entry without what the receiver can put back in: about 13 bytes beside signature and payload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WireEntry {
    /// Short name of its chain on this lane.
    pub chain: u32,
    /// Where it stands, unless right after the chain's last one on this lane.
    pub anchor: Option<Anchor>,
    /// Clock difference to the chain's last one on this lane; to zero where there is an anchor.
    pub hlc_delta: i64,
    /// As in the header.
    pub kind: u16,
    /// As in the header.
    pub schema: u16,
    /// As in the header; `None` for nobody.
    pub actor: Option<[u8; 16]>,
    /// As in the header.
    pub flags: u16,
    /// As in the entry.
    #[serde(with = "serde_bytes")]
    pub signature: [u8; 64],
    /// As in the entry.
    pub payload: WirePayload,
}

/// An edge's own entries of one epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Push {
    /// Under which they were written.
    pub epoch: Epoch,
    /// New short names, numbered on from those the lane already has.
    pub chains: Vec<ChainDef>,
    /// Each with its position in the epoch's order of commits.
    pub entries: Vec<(u64, WireEntry)>,
}

/// What became of one entry that was not simply taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verdict {
    /// The header is held, the payload set aside for an operator.
    Quarantined(WithheldReason),
    /// The chain is held only up to here; send from there.
    Gap(SeqNo),
    /// The author wrote two things for one position.
    Fork,
    /// Not signed by its author, or not what was signed.
    NotAuthentic,
    /// Written by somebody other than the sender.
    Foreign,
}

impl Verdict {
    /// One word for tables, lists and metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Quarantined(WithheldReason::Quarantined) => "unreadable",
            Self::Quarantined(WithheldReason::NoAccess) => "no-access",
            Self::Gap(_) => "gap",
            Self::Fork => "fork",
            Self::NotAuthentic => "not-authentic",
            Self::Foreign => "foreign",
        }
    }
}

/// State of one stream at the hub after a push.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamState {
    /// Which stream.
    pub stream: StreamId,
    /// Number of its entries.
    pub count: u64,
    /// Short sum of their ids.
    pub sum: [u8; 16],
}

/// Sent after the commit that stored what it acknowledges.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct PushAck {
    /// Stored, by epoch.
    pub received: Vec<(Epoch, Ranges)>,
    /// On a second medium, by epoch.
    pub durable: Vec<(Epoch, u64)>,
    /// The streams that grew.
    pub streams: Vec<StreamState>,
    /// Whatever was not simply taken.
    pub verdicts: Vec<(Epoch, u64, Verdict)>,
}

/// A run of a stream in the hub's order, without the receiver's own entries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamData {
    /// Which stream.
    pub stream: StreamId,
    /// Version of the subscription it is sent under.
    pub version: u32,
    /// The run begins after this position.
    pub from_idx: u64,
    /// And ends with this one.
    pub to_idx: u64,
    /// Short sum of the whole stream, when the run ends at its head.
    pub head_sum: Option<[u8; 16]>,
    /// New short names, numbered on from those the lane already has.
    pub chains: Vec<ChainDef>,
    /// The entries.
    pub entries: Vec<WireEntry>,
}

/// Sent after the commit that stored the runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamAck {
    /// Number of this message in the conversation, from 1.
    pub number: u64,
    /// What is stored.
    pub positions: Vec<StreamPosition>,
}

/// The hub committed every [`StreamAck`] up to this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcksStored {
    /// The highest number.
    pub number: u64,
}

/// Asks for the long form of one of the edge's own entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeedFull {
    /// Its epoch.
    pub epoch: Epoch,
    /// Its position there.
    pub oseq: u64,
}

/// One of the edge's own entries with its header as signed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Full {
    /// Its position in the epoch.
    pub oseq: u64,
    /// The canonical header.
    #[serde(with = "serde_bytes")]
    pub header: Vec<u8>,
    /// The signature.
    #[serde(with = "serde_bytes")]
    pub signature: [u8; 64],
    /// The key of its chain.
    pub key: ChainKey,
    /// The payload.
    pub payload: WirePayload,
}

/// The latest values of a stream, for screens; never stored, never repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// Which stream they will end up in.
    pub stream: StreamId,
    /// Opaque here.
    #[serde(with = "serde_bytes")]
    pub values: Vec<u8>,
}

/// What an edge holds of what others wrote, stream by stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compare {
    /// Each with its count and short sum; streams it leaves out it does not hold.
    pub streams: Vec<StreamState>,
    /// Whether more frames of this comparison follow.
    pub more: bool,
}

/// Sent after the commit that settled a [`Compare`]; until then it is said again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// How many streams start over.
    pub restarted: u32,
}

/// Asks the sender to start a lane anew, with fresh handles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resync {
    /// Which lane.
    pub class: u8,
    /// The generation that lost its thread.
    pub generation: u32,
}

/// The edge lacks what goes before a run: it holds the stream only up to here, and wants it from
/// there on. The hub counts a stream's author as up to date with its own entries; an edge that did
/// not hear of that says so with this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Behind {
    /// How far the stream is held.
    pub position: StreamPosition,
}

/// Nobody allows the edge to have this stream any more: what others wrote in it is to be let go. Said
/// again until the receipt is here, however long that takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purge {
    /// Which stream.
    pub stream: StreamId,
    /// Version of the subscription that this ends; what was sent under an older one is refused.
    pub version: u32,
}

/// Sent after the commit that let the stream go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeDone {
    /// What the node says and signs.
    pub receipt: PurgeReceipt,
}

/// Why a conversation ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ByeReason {
    /// Nothing more to say.
    Done,
    /// No version both speak.
    NoCommonVersion,
    /// The peer broke the rules of the protocol.
    ProtocolViolation,
    /// The epoch it names was left behind by another copy of this node.
    Clone,
    /// Too busy; come back later.
    Busy,
}

/// Ends a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bye {
    /// Why.
    pub reason: ByeReason,
    /// When to come back, milliseconds from now.
    pub retry_after_ms: Option<u32>,
}
