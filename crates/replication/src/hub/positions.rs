//! How far a node holds a stream, as the node says.

mod store;

pub(super) use store::{acknowledge, restart, restart_differing, rewind, send_again};
