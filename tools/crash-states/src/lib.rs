//! Power cuts by the thousand: real runs of the programs are recorded, call by call, and every disk
//! that a power cut could have left of them is one that the programs must be able to go on from.

pub mod disk;
pub mod errors;
pub mod explore;
pub mod flips;
pub mod plant;
pub mod promises;
pub mod record;
pub mod reopen;
mod store;
pub mod trace;
