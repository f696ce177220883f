//! What a long-running program needs around the rooms: time, randomness, the database, a folder of
//! its own, settings, logs, a way to be asked and a way to be stopped.
//!
//! The only crate that reads a clock or draws randomness; everything else takes them as arguments.

pub mod clock;
pub mod database;
pub mod random;

pub use clock::Clock;
pub use database::{Readers, Writer};
pub use random::Random;
