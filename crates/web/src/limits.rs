//! How much and how long a request may be.
//!
//! Source of the figures: the table of parsers and limits in the security requirements, row HTTP.

use std::time::Duration;

/// Connections of everybody. Each may hold [`READ_BUFFER_BYTES`] and a body of
/// [`BODY_BYTES_MAX`]: 272 MiB at the very worst, on a machine that has 1 GiB.
pub const CONNECTIONS_MAX: usize = 256;

/// Connections of one address. A clinic behind one address translator has some twenty devices;
/// seven more such addresses are still served when one of them goes mad.
pub const CONNECTIONS_PER_ADDRESS_MAX: usize = 32;
const _: () = assert!(CONNECTIONS_PER_ADDRESS_MAX * 8 == CONNECTIONS_MAX);

/// Time for the head of a request, and for a connection to be idle before the next one. A device
/// that sends once a minute connects anew; that costs a round trip and frees a place.
pub const HEADER_TIME_MAX: Duration = Duration::from_secs(5);

/// Bytes of request line and headers together.
pub const HEADER_BYTES_MAX: usize = 16 * 1024;

/// Headers of a request.
pub const HEADERS_MAX: usize = 64;

/// Bytes of path and query.
pub const URL_BYTES_MAX: usize = 4 * 1024;

/// Bytes of a body that is read whole: a batch of 5,000 readings of 200 bytes each.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
const _: () = assert!(5_000 * 200 <= BODY_BYTES_MAX);

/// A body that comes slower than this is broken off. The slowest modem of the field has 1.2 KiB/s.
pub const BODY_BYTES_PER_SECOND_MIN: u64 = 1024;

/// A body may fall this far behind its rate: a link that loses a packet or two.
pub const BODY_DELAY_MAX: Duration = Duration::from_secs(5);

/// Time from the end of the head to the answer.
pub const REQUEST_TIME_MAX: Duration = Duration::from_secs(30);

/// A client that takes nothing of an answer for this long is gone.
pub const ANSWER_STALL_MAX: Duration = Duration::from_secs(30);

/// Rows of an answer; more are asked for page by page.
pub const ANSWER_ROWS_MAX: usize = 500;

/// Bytes that a connection reads ahead. Holds an ordinary batch of 100 readings in one read.
pub const READ_BUFFER_BYTES: usize = 64 * 1024;
const _: () = assert!(HEADER_BYTES_MAX < READ_BUFFER_BYTES);

/// The limits that a server holds to. Tests make them small; nothing else changes them.
#[derive(Clone, Debug)]
pub struct Limits {
    /// See [`CONNECTIONS_MAX`].
    pub connections_max: usize,
    /// See [`CONNECTIONS_PER_ADDRESS_MAX`].
    pub connections_per_address_max: usize,
    /// See [`HEADER_TIME_MAX`].
    pub header_time_max: Duration,
    /// See [`BODY_BYTES_PER_SECOND_MIN`].
    pub body_bytes_per_second_min: u64,
    /// See [`BODY_DELAY_MAX`].
    pub body_delay_max: Duration,
    /// See [`REQUEST_TIME_MAX`].
    pub request_time_max: Duration,
    /// See [`ANSWER_STALL_MAX`].
    pub answer_stall_max: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: CONNECTIONS_MAX,
            connections_per_address_max: CONNECTIONS_PER_ADDRESS_MAX,
            header_time_max: HEADER_TIME_MAX,
            body_bytes_per_second_min: BODY_BYTES_PER_SECOND_MIN,
            body_delay_max: BODY_DELAY_MAX,
            request_time_max: REQUEST_TIME_MAX,
            answer_stall_max: ANSWER_STALL_MAX,
        }
    }
}
