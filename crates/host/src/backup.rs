//! Backups: copies of the database on another medium, made while the program runs, tried out, and
//! brought back.
//!
//! A backup is a folder `hub-3f2a9c1d-000012`: which program, the first digits of its key, a number
//! that only grows. In it are the encrypted database and a manifest. It gets that name only when all of
//! it is on the medium and was read back, so a folder of that name was whole once; whether it still is
//! shows the digest in the manifest. The keys are never in it.

mod drill;
mod error;
mod generations;
mod keeper;
mod make;
mod manifest;
mod medium;
mod restore;
mod schedule;
mod settings;
mod state;
mod unpack;
mod wire;

pub use drill::{Drill, drill};
pub use error::{BackupError, Cause};
pub use generations::{About, Backup, choose};
pub use keeper::{Keeper, Made};
pub use manifest::Manifest;
pub use restore::{Keys, restore};
pub use schedule::run;
pub use settings::Settings;
pub use state::{Good, Standing, State};

#[cfg(test)]
mod tests;
