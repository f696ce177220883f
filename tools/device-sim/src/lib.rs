//! Bedside devices that replay a recording into a clinic's node, and misbehave on demand.
//!
//! A device forms the same batches every time and sends each until it has a receipt, so that a
//! crash of either side leaves nothing lost and nothing twice.

pub mod batch;
pub mod faults;
pub mod keys;
pub mod outcome;
pub mod recording;
pub mod replay;
pub mod wire;

mod connection;
mod describe;
mod device;
mod pace;

pub use describe::describe;
pub use faults::Faults;
pub use keys::Keys;
pub use outcome::Outcome;
pub use recording::Recording;
pub use replay::{Plan, Replay, replay};
