//! The thirty invariants of the sync design, each by its number.
//!
//! Most are watched in every storm, or checked after it; those tests say that no storm broke theirs, and
//! that what could break it did happen. The rest are stories, in the files beside this one. The table in
//! `tests/README.md` says what shows which.

mod clocks;
mod copies;
mod hub;
mod table;
mod traffic;

use tests::faults::Fault;

use crate::simulation::{IN_MEMORY, ON_FILES};

#[test]
fn invariant_01_an_entry_takes_effect_once() {
    held(1, &[Fault::Repeated, Fault::Replayed, Fault::KilledAtStorage]);
}

#[test]
fn invariant_02_nobody_honest_forks() {
    held(2, &[Fault::ClinicKilled, Fault::ClinicRestored, Fault::KilledAtStorage]);
}

#[test]
fn invariant_03_chains_have_no_gap() {
    held(3, &[Fault::Lost, Fault::ClinicRestored]);
}

#[test]
fn invariant_04_streams_are_numbered_from_one_to_their_count() {
    held(4, &[Fault::Lost, Fault::HubRestored]);
}

#[test]
fn invariant_05_sums_are_those_of_the_entries() {
    held(5, &[Fault::HubRestored, Fault::KilledAtStorage]);
}

#[test]
fn invariant_06_when_nothing_waits_both_hold_the_same() {
    held(6, &[Fault::Lost, Fault::Cut, Fault::HubSlow, Fault::ClinicSlow]);
}

#[test]
fn invariant_07_nothing_is_sent_that_is_not_allowed_when_it_is_sent() {
    held(7, &[Fault::ClockJumped, Fault::HubRestored]);
}

#[test]
fn invariant_08_what_was_let_go_is_gone() {
    held(8, &[Fault::Lost, Fault::ClinicRestored]);
}

#[test]
fn invariant_09_versions_of_subscriptions_never_decrease() {
    held(9, &[Fault::HubRestored]);
}

#[test]
fn invariant_11_own_entries_are_never_deleted() {
    held(11, &[Fault::ClinicKilled]);
}

#[test]
fn invariant_13_the_order_of_arrival_does_not_matter() {
    held(13, &[Fault::Repeated, Fault::Lost]);
}

#[test]
fn invariant_14_what_became_of_each_entry_is_known() {
    held(14, &[Fault::MixedSignature, Fault::Truncated, Fault::NoFrame]);
}

#[test]
fn invariant_15_every_chain_verifies() {
    held(15, &[Fault::ClinicRestored, Fault::UnknownKind]);
}

#[test]
fn invariant_23_what_is_not_known_is_passed_on_byte_for_byte() {
    held(23, &[Fault::UnknownKind, Fault::UnknownMessage, Fault::Trailing]);
}

#[test]
fn invariant_27_safe_mode_gives_a_clinic_its_own_only_and_ends() {
    held(27, &[Fault::HubRestored]);
}

#[test]
fn invariant_28_any_older_copy_of_any_disk_comes_back_into_step() {
    held(6, &[Fault::ClinicRestored, Fault::HubRestored, Fault::ClinicGone]);
    held(28, &[]);
}

#[test]
fn invariant_30_the_same_seed_is_the_same_storm() {
    let again = |seed| tests::world::World::new(seed).run();
    assert_eq!(again(12), again(12));
    assert_ne!(again(12), again(13));
}

/// No storm broke it, and each of `faults` happened in some storm of either kind.
#[track_caller]
fn held(invariant: u32, faults: &[Fault]) {
    for storms in [&IN_MEMORY, &ON_FILES] {
        for storm in storms.iter() {
            let mut broken = storm.broken.iter();
            let broken = broken.find(|broken| broken.invariant == invariant);
            assert!(broken.is_none(), "seed {}: {broken:?}", storm.seed);
        }
        for fault in faults {
            let times: u64 = storms.iter().map(|storm| storm.figures.times(*fault)).sum();
            assert!(times > 0, "{fault:?} never happened");
        }
    }
}
