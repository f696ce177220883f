//! Runs automerge so that a panic inside it stays inside.
//!
//! automerge is treated as a parser of untrusted bytes that may panic (see `hostile/`). The caller
//! works on a copy, so after a panic the copy is dropped and nothing else has changed. Memory and
//! stack cannot be caught; the gates before keep inputs small and flat.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::Once;

use tracing::subscriber::{NoSubscriber, with_default};

/// The work panicked and its result is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panicked;

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `work`; a panic in it becomes an error, prints nothing and logs nothing.
///
/// A panic's message and automerge's own trace events can quote a record, so neither leaves this
/// function. `work` must not touch anything that is used after a panic.
pub(crate) fn contained<T>(work: impl FnOnce() -> T) -> Result<T, Panicked> {
    install_quiet_hook();
    let _quiet = Quiet::enter();
    catch_unwind(AssertUnwindSafe(|| with_default(NoSubscriber::new(), work))).map_err(|_| Panicked)
}

/// Puts one hook in front of whatever hook the process has, once. It decides by a flag of the
/// panicking thread, so a panic elsewhere at the same moment is reported as always. A hook that the
/// process installs later replaces it; houses install theirs before the first document is opened.
fn install_quiet_hook() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| {
        let previous = take_hook();
        set_hook(Box::new(move |info| {
            if !QUIET.try_with(Cell::get).unwrap_or(false) {
                previous(info);
            }
        }));
    });
}

/// Keeps this thread's panics quiet until dropped; restores what was there, so it nests.
struct Quiet {
    before: bool,
}

impl Quiet {
    fn enter() -> Self {
        Self { before: QUIET.replace(true) }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        QUIET.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tracing::span::{Attributes, Id, Record};
    use tracing::{Event, Metadata, Subscriber};

    use super::*;

    #[test]
    fn a_panic_becomes_an_error_and_the_thread_goes_on() {
        assert_eq!(contained(|| 7), Ok(7));
        assert_eq!(contained(|| -> u8 { panic!("planted-name") }), Err(Panicked));
        assert_eq!(contained(|| 8), Ok(8));
        assert!(!QUIET.get());
    }

    /// Counts the events that reach it.
    struct Heard(Arc<AtomicUsize>);

    impl Subscriber for Heard {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            true
        }

        fn new_span(&self, _: &Attributes<'_>) -> Id {
            Id::from_u64(1)
        }

        fn record(&self, _: &Id, _: &Record<'_>) {}

        fn record_follows_from(&self, _: &Id, _: &Id) {}

        fn event(&self, _: &Event<'_>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }

        fn enter(&self, _: &Id) {}

        fn exit(&self, _: &Id) {}
    }

    #[test]
    fn an_event_inside_reaches_no_log_and_the_next_one_outside_does() {
        let heard = Arc::new(AtomicUsize::new(0));
        with_default(Heard(Arc::clone(&heard)), || {
            assert_eq!(contained(|| tracing::error!("planted-name")), Ok(()));
            assert_eq!(heard.load(Ordering::Relaxed), 0);
            tracing::error!("something else");
            assert_eq!(heard.load(Ordering::Relaxed), 1);
        });
    }

    #[test]
    fn an_inner_panic_leaves_the_outer_section_quiet() {
        let outer = contained(|| {
            assert_eq!(contained(|| panic!("planted-name")), Err(Panicked));
            QUIET.get()
        });
        assert_eq!(outer, Ok(true));
    }
}
