//! The clinic's server: devices push readings in, staff look at them, the hub gets them when it can.

pub mod backup;
pub mod commands;
pub mod config;
pub mod node;
pub mod rows;
pub mod server;

mod bundle;
mod bundle_body;
mod chores;
mod erasure;
mod hub_time;
mod ingest;
mod ingest_counts;
mod overview;
mod rates;
mod rotation;
mod status_body;
mod sync;
mod sync_board;
mod view;
