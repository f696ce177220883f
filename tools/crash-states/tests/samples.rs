//! A small share of what `cargo crash-states` does, in every run of the tests.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test may stop at what it did not expect, and says when it is skipped"
)]

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crash_states::errors::{Fault, Scene, Span};
use crash_states::explore::{Plan, Subject, explore};
use crash_states::flips::{FILES, Fallen};
use crash_states::plant::Plant;
use crash_states::record::{Recording, can_trace};
use crash_states::reopen::Program;
use crash_states::trace::Call;

/// States of each of the three nodes.
const STATES: u64 = 120;

/// States in which a planted break must show.
const PLANTED_STATES: u64 = 60;

/// Flips in each file of each folder.
const FLIPS: u64 = 10;

/// A program that is just being started holds, for a moment, every lock of whoever starts it: no test
/// may open a folder while another starts programs.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One recording for all tests; `None` where programs cannot be traced.
fn recording() -> Option<&'static Recording> {
    static RECORDING: OnceLock<Option<Recording>> = OnceLock::new();
    let made = RECORDING.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        can_trace().then(|| Recording::make(folder.path(), None).unwrap())
    });
    if made.is_none() {
        println!("skipped: strace is missing or may not trace; on Debian: apt-get install strace");
    }
    made.as_ref()
}

fn plan(states: u64, plant: Option<Plant>) -> Plan {
    Plan { states, seed: 1, only: None, plant }
}

#[test]
fn no_disk_that_a_power_cut_leaves_breaks_a_promise() {
    let _alone = alone();
    let Some(recording) = recording() else { return };
    for subject in Subject::ALL {
        let found = explore(recording, subject, &plan(STATES, None));
        assert_eq!(found.states, STATES);
        assert!(found.violations.is_empty(), "{}: {:#?}", subject.name(), found.violations);
    }
}

#[test]
fn after_a_sync_that_failed_no_power_cut_breaks_a_promise() {
    let _alone = alone();
    if !can_trace() {
        println!("skipped: strace is missing or may not trace; on Debian: apt-get install strace");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let recording = Recording::make(folder.path(), Some(10)).unwrap();
    let failed = recording.north.iter().filter(|e| matches!(e.call, Call::FailedSync { .. }));
    assert!(failed.count() > 0);
    let found = explore(&recording, Subject::Ingest, &plan(STATES, None));
    assert!(found.violations.is_empty(), "{:#?}", found.violations);
}

#[test]
fn every_planted_break_is_found_at_every_node() {
    let _alone = alone();
    let Some(recording) = recording() else { return };
    for plant in Plant::ALL {
        for subject in Subject::ALL {
            let found = explore(recording, subject, &plan(PLANTED_STATES, Some(plant)));
            assert!(!found.violations.is_empty(), "{} at {}", plant.name(), subject.name());
        }
    }
}

#[test]
fn a_call_that_fails_loses_nothing_and_work_goes_on() {
    let _alone = alone();
    if !can_trace() {
        println!("skipped: strace is missing or may not trace; on Debian: apt-get install strace");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let scene = Scene::make(folder.path());
    let fault = |calls, error, span, n| Fault { calls, error, span, n };
    for fault in [
        fault("fsync,fdatasync", "EIO", Span::Once, 3),
        fault("fsync,fdatasync", "EIO", Span::While, 2),
        fault("pwrite64", "EIO", Span::Once, 30),
        fault("pwrite64", "ENOSPC", Span::While, 25),
        fault("pwrite64", "ENOSPC", Span::ForGood, 40),
        fault("ftruncate", "EIO", Span::Once, 1),
        fault("openat", "EIO", Span::Once, 34),
    ] {
        let found = scene.ingest(fault);
        assert!(found.injected > 0, "{fault:?}");
        assert_eq!(found.wrong, None, "{fault:?}");
    }
    for fault in [
        fault("fsync,fdatasync", "EIO", Span::Once, 1),
        fault("pwrite64", "EIO", Span::Once, 12),
        fault("pwrite64", "ENOSPC", Span::While, 8),
    ] {
        let found = scene.apply(fault);
        assert!(found.injected > 0, "{fault:?}");
        assert_eq!(found.wrong, None, "{fault:?}");
    }
}

#[test]
fn a_flipped_bit_in_any_file_of_a_data_folder_is_named_or_without_effect() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let fallen = Fallen::make(folder.path());
    let mut named = 0;
    for program in [Program::Edge, Program::Hub] {
        for file in FILES {
            let found = fallen.flip(program, file, FLIPS, 2);
            assert_eq!(found.tried, FLIPS, "{file}");
            assert!(found.silent.is_empty(), "{:?}", found.silent);
            named += found.named;
        }
    }
    // Log and keys, whatever bit it is, but for the last write and capital digits.
    assert!(named > 2 * 3 * FLIPS, "{named}");
}
