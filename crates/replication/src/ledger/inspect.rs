//! Walking the ledger: does every stream hold what its counters say, and every chain link up?

use ::store::{Connection, StoreError};
use sync_protocol::{EntryId, NodeId, SetDigest, StreamId};

use super::links::Links;
use super::store;

/// What a walk over one stream found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamWalk {
    /// Which stream.
    pub stream: StreamId,
    /// Count and sum on record.
    pub recorded: SetDigest,
    /// Count and sum of the rows.
    pub found: SetDigest,
    /// Whether the rows are numbered 1 to count without a gap.
    pub dense: bool,
    /// Whether every chain runs from its first entry to its last without a gap or a false link.
    pub linked: bool,
    /// How many of the entries are held without their payload.
    pub bare: u64,
    /// The entries, in order, with their authors.
    pub entries: Vec<(EntryId, NodeId)>,
}

impl StreamWalk {
    /// Whether everything is as it should be.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.recorded == self.found && self.dense && self.linked
    }
}

/// Walks every stream.
///
/// # Errors
///
/// The database's.
pub fn walk(conn: &Connection) -> Result<Vec<StreamWalk>, StoreError> {
    store::streams(conn)?
        .into_iter()
        .map(|(stream, recorded)| one(conn, stream, recorded))
        .collect()
}

fn one(conn: &Connection, stream: StreamId, recorded: SetDigest) -> Result<StreamWalk, StoreError> {
    let mut walk = StreamWalk {
        stream,
        recorded,
        found: SetDigest::EMPTY,
        dense: true,
        linked: true,
        bare: 0,
        entries: Vec::new(),
    };
    let mut links = Links::default();
    store::for_each_in(conn, &stream, |row| {
        walk.found.insert(&row.id);
        walk.dense &= row.idx == walk.found.count;
        walk.linked &= links.follows(row.chain, row.epoch, (row.sseq, row.id), row.sprev);
        walk.bare += u64::from(row.bare);
        walk.entries.push((row.id, row.origin));
    })?;
    Ok(walk)
}
