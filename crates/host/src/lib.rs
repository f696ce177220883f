//! What a long-running program needs around the rooms: time, randomness, the database, a folder of
//! its own, settings, logs, a way to be asked and a way to be stopped.
//!
//! The only crate that reads a clock or draws randomness; everything else takes them as arguments.

pub mod account;
pub mod backup;
pub mod carried;
pub mod clock;
pub mod config;
pub mod control;
pub mod database;
pub mod folder;
pub mod logging;
pub mod random;
pub mod shutdown;

pub use clock::Clock;
pub use database::{Readers, Writer};
pub use folder::DataFolder;
pub use random::Random;
pub use shutdown::Shutdown;
