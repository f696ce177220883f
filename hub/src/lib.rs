//! The meeting place of all clinics.

pub mod backup;
pub mod commands;
pub mod config;
pub mod node;
pub mod server;

mod bundle;
mod bundle_body;
mod chores;
mod door;
mod erasure;
mod keys;
mod overview;
mod sessions;
mod sites_board;
mod status_body;
mod sync;
mod view;
