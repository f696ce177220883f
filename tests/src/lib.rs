//! The world in a box: a hub and clinics with the real core and the real storage, on a network and
//! under clocks that a seed decides.

pub mod clinic;
pub mod hub;
pub mod invariants;
pub mod network;
pub mod world;
