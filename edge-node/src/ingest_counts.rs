//! How many readings became what since this process started, for pages and metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use vitals::receipt::Tally;

/// Counters since the start.
#[derive(Debug, Default)]
pub(crate) struct IngestCounts {
    batches: AtomicU64,
    accepted: AtomicU64,
    duplicate: AtomicU64,
    quarantined: AtomicU64,
    rejected: AtomicU64,
    refused_batches: AtomicU64,
}

/// What the counters say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) batches: u64,
    pub(crate) accepted: u64,
    pub(crate) duplicate: u64,
    pub(crate) quarantined: u64,
    pub(crate) rejected: u64,
    pub(crate) refused_batches: u64,
}

impl IngestCounts {
    /// A batch was answered with a new receipt.
    pub(crate) fn receipt(&self, tally: Tally) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.accepted.fetch_add(tally.accepted, Ordering::Relaxed);
        self.duplicate.fetch_add(tally.duplicate, Ordering::Relaxed);
        self.quarantined.fetch_add(tally.quarantined, Ordering::Relaxed);
        self.rejected.fetch_add(tally.rejected, Ordering::Relaxed);
    }

    /// A batch was refused whole.
    pub(crate) fn refused(&self) {
        self.refused_batches.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> Counted {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counted {
            batches: of(&self.batches),
            accepted: of(&self.accepted),
            duplicate: of(&self.duplicate),
            quarantined: of(&self.quarantined),
            rejected: of(&self.rejected),
            refused_batches: of(&self.refused_batches),
        }
    }
}
