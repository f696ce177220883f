//! The world in a box: a hub and clinics with the real core and the real storage, on a network and
//! under clocks that a seed decides. [`programs`] is the other half: the real programs around it.

mod blank;
pub mod clinic;
mod decisions;
pub mod disk;
pub mod faults;
mod forgery;
pub mod hub;
pub mod invariants;
pub mod network;
pub mod programs;
pub mod world;
