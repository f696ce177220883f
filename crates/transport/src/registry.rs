//! The live links of a listener by key, so that a revoked key can be cut off.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::carrier::Carrier;
use crate::close_code;
use crate::identity::KEY_BYTES;

#[derive(Default)]
pub(crate) struct Registry {
    links: Mutex<Links>,
}

#[derive(Default)]
struct Links {
    live: BTreeMap<[u8; KEY_BYTES], BTreeMap<u64, Carrier>>,
    /// Numbers given out so far.
    numbers: u64,
}

impl Registry {
    /// Keeps `carrier` until it ends.
    pub(crate) fn insert(self: &Arc<Self>, key: [u8; KEY_BYTES], carrier: Carrier) {
        let mut links = self.links();
        links.numbers += 1;
        let number = links.numbers;
        links.live.entry(key).or_default().insert(number, carrier.clone());
        drop(links);
        let registry = Arc::clone(self);
        tokio::spawn(async move {
            carrier.closed().await;
            registry.remove(&key, number);
        });
    }

    /// Closes every link of `key`; answers how many there were.
    pub(crate) fn cut(&self, key: &[u8; KEY_BYTES]) -> usize {
        let live = self.links().live.remove(key).unwrap_or_default();
        live.values().for_each(|carrier| carrier.close(close_code::REVOKED, "revoked"));
        live.len()
    }

    /// Closes every link.
    pub(crate) fn stop(&self) {
        for carrier in self.links().live.values().flat_map(BTreeMap::values) {
            carrier.close(close_code::STOPPING, "stopping");
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.links().live.values().map(BTreeMap::len).sum()
    }

    fn remove(&self, key: &[u8; KEY_BYTES], number: u64) {
        let live = &mut self.links().live;
        if let Some(links) = live.get_mut(key) {
            links.remove(&number);
            if links.is_empty() {
                live.remove(key);
            }
        }
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        // Nothing panics while holding it; if something did, the map is still whole.
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
