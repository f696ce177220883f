//! The connection keys of enrolled nodes, in memory: a handshake cannot wait for the database.

use std::collections::BTreeSet;
use std::sync::{PoisonError, RwLock};

use replication::hub::SqliteHub;
use store::{Connection, StoreError};
use transport::Listener;

use crate::node::Hub;

/// Keys that are let in.
#[derive(Debug, Default)]
pub(crate) struct Keys(RwLock<BTreeSet<[u8; 32]>>);

impl Keys {
    /// The keys that the database lets in.
    pub(crate) fn load(conn: &Connection) -> Result<Self, StoreError> {
        let keys = SqliteHub::new(conn).tls_keys()?;
        Ok(Self(RwLock::new(keys.into_iter().collect())))
    }

    /// Whether this key is let in.
    pub(crate) fn contains(&self, key: &[u8; 32]) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    /// Reads the keys again and cuts the links of those that are let in no more.
    pub(crate) async fn reload(&self, hub: &Hub, listener: &Listener) {
        let fresh = match hub.readers.read(|conn| SqliteHub::new(conn).tls_keys()).await {
            Ok(fresh) => fresh.into_iter().collect::<BTreeSet<_>>(),
            Err(error) => return tracing::error!(%error, "the enrolled keys cannot be read"),
        };
        let gone: Vec<[u8; 32]> = {
            let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
            let gone = keys.difference(&fresh).copied().collect();
            *keys = fresh;
            gone
        };
        for key in gone {
            listener.cut(&key);
        }
    }
}
