//! Moves opaque signed entries between replicas; knows streams, not what they are about.
//!
//! An author signs a 163-byte [`Header`](header::Header) over a salted commitment to its payload and
//! links it to its previous entry in the same stream. A replica that may see a stream gets the whole
//! of it or nothing, so every chain it holds can be checked without a gap. Two replicas prove that
//! they hold the same by comparing a count and a sum of entry ids.
//!
//! Nothing here reads a clock, draws a random number, opens a file or a socket, or waits. The two
//! sides of a conversation, [`exchange::EdgeExchange`] and [`exchange::HubExchange`], take inputs
//! and give outputs; who drives them decides what time it is and where bytes go.

pub mod canonical;
pub mod chain;
pub mod class;
pub mod codec;
pub mod commitment;
pub mod digest;
pub mod entry;
pub mod exchange;
pub mod header;
pub mod hlc;
pub mod lane;
pub mod lease;
pub mod limits;
pub mod mending;
pub mod message;
pub mod names;
pub mod purge;
pub mod ranges;
pub mod reconcile;
pub mod scheduler;
pub mod signature;
pub mod standing;

pub use chain::{ChainHead, Fresh, Past, ReplayGuard};
pub use class::Class;
pub use digest::SetDigest;
pub use entry::{Entry, EntryId, Payload};
pub use header::{Flags, Header};
pub use names::{ChainKey, Epoch, NodeId, SeqNo, StreamId};
pub use signature::{Signed, Verified};
