//! How long a copy may be opened by its holder alone: the terms under which the hub gives it.
//!
//! A lease outlives neither its end nor the time that it gives since the last word from the hub. It is
//! not renewed stream by stream: every conversation in which the sums of both sides agree renews all
//! that are held, so a session costs the same whatever is held.

use serde::{Deserialize, Serialize};

use crate::StreamId;

/// For how long a copy may be opened. `None` sets no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct LeaseTerms {
    /// After the last word from the hub, in seconds.
    pub offline_s: Option<u32>,
    /// The first moment of the hub's time, milliseconds since 1970, at which it ends by itself.
    pub until_ms: Option<u64>,
}

impl LeaseTerms {
    /// Of what its holder keeps itself.
    pub const UNLIMITED: Self = Self { offline_s: None, until_ms: None };
}

/// An edge may have a stream, under these terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Grant {
    /// Which stream.
    pub stream: StreamId,
    /// Version of its subscription.
    pub version: u32,
    /// The terms.
    pub lease: LeaseTerms,
}

/// Terms that are new to the edge; said again until they are stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grants {
    /// Number of this message in the conversation, from 1.
    pub number: u64,
    /// At most [`GRANTS_MAX`](crate::limits::GRANTS_MAX).
    pub grants: Vec<Grant>,
}

/// Sent after the commit that stored the terms up to this number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Granted {
    /// The number.
    pub number: u64,
}
