//! The ledger of a clinic without anything above it.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "what a test did not expect ends it, in its helpers too"
)]

mod edge;
mod positions;
mod verify;
