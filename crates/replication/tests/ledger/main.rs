//! The ledger, and what a clinic and a hub do with it, without anything above them.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "what a test did not expect ends it, in its helpers too"
)]

mod branches;
mod durable;
mod edge;
mod positions;
mod quarantine;
mod release;
mod starts;
mod verify;
