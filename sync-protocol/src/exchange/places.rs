//! How many reconciliations a hub answers at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::{NodeId, limits};

/// Places that all conversations of a process share. Each reconciliation holds one, and what is held
/// in memory for it: see [`RECONCILIATIONS_MAX`](limits::RECONCILIATIONS_MAX).
#[derive(Clone, Debug)]
pub struct Places {
    free: Arc<AtomicUsize>,
}

impl Places {
    /// So many.
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self { free: Arc::new(AtomicUsize::new(count)) }
    }

    /// One of them, if one is free.
    pub(super) fn take(&self) -> Option<Place> {
        let one_less = |free: usize| free.checked_sub(1);
        let taken = self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        taken.is_ok().then(|| Place { free: Arc::clone(&self.free) })
    }
}

impl Default for Places {
    fn default() -> Self {
        Self::new(limits::RECONCILIATIONS_MAX)
    }
}

/// A place that is taken until this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    free: Arc<AtomicUsize>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.free.fetch_add(1, Ordering::Relaxed);
    }
}

/// When who finds no place may ask again: not all at the same time.
pub(super) fn retry_after_ms(peer: &NodeId) -> u32 {
    let [first, ..] = peer.0;
    limits::RECONCILE_RETRY_MS + u32::from(first) * 20
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_left() {
        let places = Places::new(1);
        let other = places.clone();
        let place = places.take();
        assert!(place.is_some() && other.take().is_none());
        drop(place);
        assert!(other.take().is_some(), "and is taken by another conversation");
    }
}
