//! What all HTTP doors share: limits, problems, bodies, and a server that holds to them.
//!
//! A door faces devices that misbehave and networks that stall. Whatever they send, a request is
//! bounded in size and time before a handler sees it, and what is refused is refused in one form.

pub mod body;
pub mod limits;
pub mod problem;
pub mod serve;

pub use body::Whole;
pub use limits::Limits;
pub use problem::{Kind, Problem};
pub use serve::serve;
