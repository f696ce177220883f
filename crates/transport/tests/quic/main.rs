//! Links, refusals and joining over real UDP on loopback. Nothing sleeps: every wait is for a state
//! and fails after [`world::PATIENCE`].

#![expect(
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "what a test did not expect ends it, in its helpers too"
)]

mod joining;
mod links;
mod misbehaviour;
mod refusals;
mod world;
