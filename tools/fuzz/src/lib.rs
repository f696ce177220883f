//! One fuzz target for each decoder that reads foreign bytes.
//!
//! A target is a function of bytes that fails by panicking. `cargo xtask fuzz` lets libFuzzer call
//! it, with a cap on the heap; the inputs it found worth keeping lie in `corpus/NAME` and go through
//! the target once in the tests, which need neither libFuzzer nor a C++ compiler.
//!
//! Where a decoder stops at a checksum, a signature or a frame number, its target makes that part
//! good itself, so that what comes behind it is reached.

pub mod target;

mod entries;
mod script;
mod talker;
mod targets;

pub use target::{TARGETS, Target};
