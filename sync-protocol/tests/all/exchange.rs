//! Conversations over bad links and with bad peers, against model stores in virtual time.

mod bounds;
mod chains;
mod durable;
mod edge_store;
mod faults;
mod hub_store;
mod idle;
mod leasing;
mod link;
mod mending;
mod mending_store;
mod pace;
mod pair;
mod purging;
mod refusals;
mod waiting;
mod world;
