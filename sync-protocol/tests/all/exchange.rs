//! Conversations over bad links and with bad peers, against model stores in virtual time.

mod edge_store;
mod faults;
mod hub_store;
mod link;
mod world;
