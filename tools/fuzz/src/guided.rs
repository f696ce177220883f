//! The program that libFuzzer drives, for the target that `FUZZ_TARGET` names when it is built.
//!
//! One program per target keeps out the code of the others, whose counters would have to be looked
//! through after each input. An allocation beyond the target's limit fails, which ends the program
//! and counts as a crash.

#![no_main]

use std::alloc::System;

use cap::Cap;
use fuzz::target::named;

const NAME: &str = match option_env!("FUZZ_TARGET") {
    Some(name) => name,
    None => "frame",
};
// Values, not a reference: it would keep the other targets in the program.
const RUN: fn(&[u8]) = named(NAME).run;
const HEAP_BYTES_MAX: usize = named(NAME).heap_bytes_max;

#[global_allocator]
static HEAP: Cap<System> = Cap::new(System, HEAP_BYTES_MAX);

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| RUN(bytes));
