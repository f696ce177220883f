//! The terms under which nodes may open their copies: what they have not been told yet, and when what a
//! patient allows changes by time alone.

mod store;

pub(super) use store::{
    are_known, due, set_due, set_known, told, untell, untell_stream, untold, untold_after,
};
