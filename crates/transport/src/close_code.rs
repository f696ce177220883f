//! The numbers a link is closed with, as the other end reads them.
//!
//! Numbers below [`FIRST_FREE`] belong to this crate; whoever uses a link numbers its own reasons
//! from there on.

/// Both sides are done; also what a link that was dropped tells the peer.
pub const DONE: u32 = 0;
/// The peer sent what no lane carries: a second lane of a class, an unknown class, a broken frame.
pub const MISBEHAVED: u32 = 1;
/// A frame was longer than allowed.
pub const FRAME_TOO_LONG: u32 = 2;
/// The peer's key is not enrolled any more.
pub const REVOKED: u32 = 3;
/// The program at this end stops.
pub const STOPPING: u32 = 4;
/// A joining node took longer than it may, or its request was not answered in time.
pub const JOIN_LATE: u32 = 5;
/// A joining node sent more than its one request, or none that can be read.
pub const JOIN_REFUSED: u32 = 6;
/// Nobody took the connection from the listener in time.
pub const BUSY: u32 = 7;
/// The first number that this crate does not use.
pub const FIRST_FREE: u32 = 0x100;
