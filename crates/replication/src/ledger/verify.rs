//! Checking everything that is held, from the first entry on: each header against its id, each
//! signature, each payload against its commitment, each link, position, count and sum.

mod store;

use ::store::{Connection, StoreError};
use sync_protocol::signature::NotAuthentic;
use sync_protocol::{EntryId, SetDigest, Signed};

use self::store::Filed;
use super::links::Links;
use super::store::StoredEntry;

/// What was checked and found right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Streams.
    pub streams: u64,
    /// Entries.
    pub entries: u64,
    /// Of those, with their payload.
    pub payloads: u64,
}

/// The first thing that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// An entry.
    #[error("stream {stream}, position {idx}, entry {id}: {wrong}")]
    Entry {
        /// The stream's number here; its id may name a patient.
        stream: i64,
        /// The position on record.
        idx: u64,
        /// The id on record.
        id: EntryId,
        /// What is wrong.
        wrong: WrongEntry,
    },
    /// An entry whose row cannot be read.
    #[error("stream {stream}: the row after position {after} does not read back as an entry")]
    Row {
        /// The stream's number here.
        stream: i64,
        /// The last position that could be read.
        after: u64,
    },
    /// A stream, a chain or a sum that does not fit the entries.
    #[error("{place}: {wrong}")]
    Record {
        /// Which record.
        place: String,
        /// What is wrong with it.
        wrong: &'static str,
    },
    /// The database could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What can be wrong with an entry.
#[derive(Debug, thiserror::Error)]
pub enum WrongEntry {
    /// The header is another one's.
    #[error("its header does not give this id")]
    Id,
    /// It stands where another should, or one is missing before it.
    #[error("the positions before it are not all there")]
    Position,
    /// It does not follow what its author wrote before in this stream.
    #[error("it does not follow the entry before it in its author's chain")]
    Link,
    /// It is filed under the chain of another stream.
    #[error("it is filed under another stream's chain")]
    Chain,
    /// It is not what its author signed.
    #[error(transparent)]
    Author(#[from] NotAuthentic),
}

impl VerifyError {
    pub(crate) fn record(place: impl Into<String>, wrong: &'static str) -> Self {
        Self::Record { place: place.into(), wrong }
    }
}

/// Checks all streams; `progress` hears what was checked after each.
///
/// # Errors
///
/// [`VerifyError`] with the first thing that is wrong.
pub(crate) fn streams(
    conn: &Connection,
    progress: &mut dyn FnMut(Checked),
) -> Result<Checked, VerifyError> {
    if store::has_strays(conn)? {
        return Err(VerifyError::record("entries", "some belong to no stream"));
    }
    let mut checked = Checked::default();
    for (no, recorded) in store::streams(conn)? {
        one(conn, no, &recorded, &mut checked)?;
        checked.streams += 1;
        progress(checked);
    }
    Ok(checked)
}

fn one(
    conn: &Connection,
    stream: i64,
    recorded: &SetDigest,
    checked: &mut Checked,
) -> Result<(), VerifyError> {
    let mut found = SetDigest::EMPTY;
    let mut links = Links::default();
    store::for_each_filed(conn, stream, |filed| {
        let Some(Filed { idx, chain, chain_stream, stored }) = filed else {
            return Err(VerifyError::Row { stream, after: found.count });
        };
        let StoredEntry { id, entry, key } = stored;
        checked.payloads += u64::from(entry.payload.bytes().is_some());
        let wrong = |wrong| VerifyError::Entry { stream, idx, id, wrong };
        if idx != found.count + 1 {
            return Err(wrong(WrongEntry::Position));
        }
        if chain_stream != stream {
            return Err(wrong(WrongEntry::Chain));
        }
        let header = entry.header;
        if entry.id() != id {
            return Err(wrong(WrongEntry::Id));
        }
        if !links.follows(chain, header.epoch, (header.sseq, id), header.sprev) {
            return Err(wrong(WrongEntry::Link));
        }
        Signed::new(entry).verify(&key).map_err(|error| wrong(error.into()))?;
        found.insert(&id);
        checked.entries += 1;
        Ok(())
    })?;
    if found != *recorded {
        let place = format!("stream {stream}");
        return Err(VerifyError::record(place, "its count and sum are not those of its entries"));
    }
    ends(conn, stream, &links)
}

/// The chains on record end where the entries do.
fn ends(conn: &Connection, stream: i64, links: &Links) -> Result<(), VerifyError> {
    for (chain, recorded) in store::chains(conn, stream)? {
        if recorded != links.end(chain) {
            let place = format!("stream {stream}, chain {chain}");
            let wrong = "its count and its last entry are not those of its entries";
            return Err(VerifyError::record(place, wrong));
        }
    }
    Ok(())
}
