//! How sync stands, as one of nine states: the same word on a page, at the command line, in metrics
//! and in the hub's list.
//!
//! The state is computed in one place from facts; it says "up to date" only when everything this
//! clinic wrote was acknowledged by the hub after its commit, and the time it shows is that of the
//! last success, never of the last attempt.

mod ago;
mod state;

pub use ago::ago;
pub use state::{Facts, SyncState};
