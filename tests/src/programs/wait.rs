//! Waiting for a state, with an end.

use std::panic::Location;
use std::time::Duration;

use host::Clock;

/// A test that waits so long has failed: ten times what a loaded machine of two cores needs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Pause between two looks. A look costs a request or the start of a command.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until `state` answers something.
///
/// # Panics
///
/// When it does not within [`PATIENCE`]; the message names the caller and `what`.
#[track_caller]
pub fn until_some<T>(what: &str, mut state: impl FnMut() -> Option<T>) -> T {
    let caller = Location::caller();
    let clock = Clock::system();
    loop {
        if let Some(found) = state() {
            return found;
        }
        let waited = Duration::from_nanos(clock.monotonic_nanos());
        assert!(waited < PATIENCE, "{caller}: waited {waited:?} in vain until {what}");
        pause();
    }
}

/// Waits until `state` holds.
///
/// # Panics
///
/// As [`until_some`].
#[track_caller]
pub fn until(what: &str, mut state: impl FnMut() -> bool) {
    until_some(what, || state().then_some(()));
}

#[expect(clippy::disallowed_methods, reason = "between two looks at a state there is a pause")]
fn pause() {
    std::thread::sleep(PAUSE);
}
