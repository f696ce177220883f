//! The live links of a listener by key, so that a revoked key can be cut off.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quinn::Connection;

use crate::close_code;
use crate::identity::KEY_BYTES;
use crate::link::Verdict;

type Live = BTreeMap<usize, (Connection, Arc<Verdict>)>;

#[derive(Debug, Default)]
pub(crate) struct Registry {
    links: Mutex<BTreeMap<[u8; KEY_BYTES], Live>>,
}

impl Registry {
    /// Keeps `connection` until it ends.
    pub(crate) fn insert(
        self: &Arc<Self>,
        key: [u8; KEY_BYTES],
        connection: Connection,
        verdict: Arc<Verdict>,
    ) {
        let id = connection.stable_id();
        self.links().entry(key).or_default().insert(id, (connection.clone(), verdict));
        let registry = Arc::clone(self);
        tokio::spawn(async move {
            connection.closed().await;
            registry.remove(&key, id);
        });
    }

    /// Closes every link of `key`; answers how many there were.
    pub(crate) fn cut(&self, key: &[u8; KEY_BYTES]) -> usize {
        let live = self.links().remove(key).unwrap_or_default();
        for (connection, verdict) in live.values() {
            verdict.close(connection, close_code::REVOKED, b"revoked");
        }
        live.len()
    }

    pub(crate) fn len(&self) -> usize {
        self.links().values().map(BTreeMap::len).sum()
    }

    fn remove(&self, key: &[u8; KEY_BYTES], id: usize) {
        let mut links = self.links();
        if let Some(live) = links.get_mut(key) {
            live.remove(&id);
            if live.is_empty() {
                links.remove(key);
            }
        }
    }

    fn links(&self) -> MutexGuard<'_, BTreeMap<[u8; KEY_BYTES], Live>> {
        // Nothing panics while holding it; if something did, the map is still whole.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
