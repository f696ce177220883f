//! The rules of the protocol, each shown by trying to break it.

#![expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "a test that goes wrong here should stop; drawn numbers are cut to size on purpose"
)]

mod canonical;
mod dice;
mod exchange;
mod golden;
mod lanes;
mod random;
mod samples;
mod scheduler;
mod signatures;
