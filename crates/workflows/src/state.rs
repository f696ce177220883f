//! What the writer of an edge keeps beside its connection.

use std::fmt;

use replication::Author;
use vitals::cache::IngestCache;
use vocab::SiteId;

use crate::WorkflowError;

/// The writing side of this node and the caches of its rooms. The caches only speed things up: they
/// are emptied whenever a transaction is taken back.
pub struct EdgeState {
    /// Signs and queues.
    pub author: Author,
    /// The clinic this node stands at, once a hub has taken it in.
    pub site: Option<SiteId>,
    /// What alerts are raised by.
    pub rules: alerts::RuleTable,
    /// Of the vitals room.
    pub ingest: IngestCache,
}

impl fmt::Debug for EdgeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeState").field("author", &self.author).finish_non_exhaustive()
    }
}

impl EdgeState {
    /// A state whose caches are empty.
    #[must_use]
    pub fn new(author: Author, site: Option<SiteId>, rules: alerts::RuleTable) -> Self {
        Self { author, site, rules, ingest: IngestCache::default() }
    }

    /// Empties the caches that a roll-back makes wrong.
    pub fn forget(&mut self) {
        self.ingest = IngestCache::default();
    }

    /// The clinic this node stands at.
    ///
    /// # Errors
    ///
    /// [`WorkflowError::NotJoined`] before a hub has given it an id.
    pub fn own_site(&self) -> Result<SiteId, WorkflowError> {
        self.site.ok_or(WorkflowError::NotJoined)
    }

    /// This node as the author of changes of patients' records.
    ///
    /// # Errors
    ///
    /// As [`own_site`](Self::own_site).
    pub fn record_author(&self) -> Result<patients::Author, WorkflowError> {
        let actor = document::ActorSeed::new(self.author.actor());
        Ok(patients::Author { actor, site: self.own_site()? })
    }
}
