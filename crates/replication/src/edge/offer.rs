//! What this node holds and the hub may have lost.

mod store;

pub(super) use store::{held, ids, note_returned_offered, returned};
