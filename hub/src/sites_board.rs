//! How the conversations go, by node, and what passed over the wire; for status and pages.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sync_protocol::NodeId;
use transport::drive::Progress;

/// The last word of each conversation.
#[derive(Debug, Default)]
pub(crate) struct SitesBoard(Mutex<BTreeMap<NodeId, Progress>>);

impl SitesBoard {
    /// How the conversation with `node` goes now.
    pub(crate) fn progress(&self, node: NodeId, progress: Progress) {
        self.lock().insert(node, progress);
    }

    /// How it went last.
    pub(crate) fn of(&self, node: &NodeId) -> Option<Progress> {
        self.lock().get(node).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Progress>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Bytes of conversations that are over.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    sent: AtomicU64,
    received: AtomicU64,
}

impl Traffic {
    pub(crate) fn add(&self, sent: u64, received: u64) {
        self.sent.fetch_add(sent, Ordering::Relaxed);
        self.received.fetch_add(received, Ordering::Relaxed);
    }

    /// Sent and received.
    pub(crate) fn totals(&self) -> (u64, u64) {
        (self.sent.load(Ordering::Relaxed), self.received.load(Ordering::Relaxed))
    }
}
