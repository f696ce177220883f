//! Links, refusals and joining over real UDP and TCP on loopback. Nothing sleeps: every wait is for a state
//! and fails after [`world::PATIENCE`].

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "what a test did not expect ends it, in its helpers too"
)]

mod frames;
mod joining;
mod misbehaviour;
mod over_tcp;
mod refusals;
mod world;
