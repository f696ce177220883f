//! One conversation between an edge and the hub, as two state machines.
//!
//! Each side is driven the same way: feed it one input, then take everything it has to give with
//! `poll_store`, `poll_transmit` and `poll_timeout` before the next. Neither reads a clock nor
//! touches storage; storage is asked through [`EdgeOp`] and [`HubOp`] and answers when it has
//! committed. Nothing is acknowledged to the peer before that answer.
//!
//! The edge opens ([`hello`](crate::message::Hello)), settles what the last conversation left
//! unconfirmed, compares one sum with the hub, and is then steady: its own entries go up, what it
//! may see comes down, both within windows that bound memory whatever the backlog is.

mod acks;
mod answering;
mod compare;
mod edge;
mod feed;
mod give_back;
mod hub;
mod intake;
mod lanes;
mod leases;
mod marks;
mod mend;
mod node_keys;
mod ops;
mod places;
mod purges;
mod push;
mod resupply;

pub use edge::EdgeExchange;
pub use hub::HubExchange;
pub use node_keys::NodeKeys;
pub use ops::{
    Applied, EdgeOp, EdgeReply, Greeting, HelloState, HubOp, HubReply, IngestEntry, Ingested,
    OutboxCursor, OutboxEntry, OutboxPage, Run, RunEntry, StoredRun, StreamIds,
};
pub use places::Places;

use crate::Class;
use crate::message::ByeReason;

/// Milliseconds on the driver's monotonic clock.
pub type Now = u64;

/// Why a conversation is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Closed {
    /// The peer said so.
    #[error("the peer ended the conversation: {reason:?}")]
    ByPeer {
        /// Why.
        reason: ByeReason,
        /// When it wants us back, milliseconds.
        retry_after_ms: Option<u32>,
    },
    /// The peer broke the protocol.
    #[error("the peer broke the rules of the protocol: {0}")]
    Violation(Violation),
    /// No answer to the greeting.
    #[error("the peer did not answer the greeting")]
    NoAnswer,
    /// No version both speak.
    #[error("the peer speaks no protocol version that this program does")]
    NoCommonVersion,
    /// The hub takes what this copy of the node wrote and gives it nothing.
    #[error("another copy of this node runs: enrol this one anew")]
    SecondCopy,
    /// The hub's database came back from a backup: what it had acknowledged is offered again.
    #[error("the hub came back from a backup; everything is offered to it again")]
    HubRestored,
    /// Safe mode of the hub ended: the edge greets anew.
    #[error("safe mode ended; what the edge holds is compared anew")]
    SafeModeEnded,
    /// Our own storage failed.
    #[error("storage failed")]
    Storage,
}

/// What a peer did wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// Bytes that are no frame.
    #[error("a frame that cannot be read")]
    Frame,
    /// Something that this side never gets, or not now.
    #[error("a message out of turn")]
    OutOfTurn,
    /// More of something than allowed.
    #[error("more than the limit")]
    Limit,
    /// A number that contradicts the ones before it.
    #[error("a contradiction")]
    Contradiction,
}

/// Counters of one conversation, for status and metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tally {
    /// Entries sent, repeats included.
    pub entries_sent: u64,
    /// Entries taken from the peer and stored.
    pub entries_stored: u64,
    /// Entries or frames that were seen before.
    pub repeats: u64,
    /// Entries refused, whatever the reason.
    pub refused: u64,
    /// Lanes started anew.
    pub resyncs: u64,
    /// Entries or runs sent again because nobody acknowledged them in time.
    pub resent: u64,
    /// Sums that differed where they should not.
    pub divergences: u64,
}

/// Classes that carry entries up.
pub const PUSH_CLASSES: [Class; 5] =
    [Class::Urgent, Class::Policy, Class::Records, Class::Fresh, Class::Backfill];
