//! Storing entries that somebody else than their author sends, or their author without their places.
//!
//! They pass the gates of what their author would send itself. What those leave open while something
//! may be on its way is put off, not held back: who offered it keeps it, and the author comes first.

use std::collections::{BTreeMap, BTreeSet};

use ::store::Connection;
use sync_protocol::chain::NotFresh;
use sync_protocol::lane::full;
use sync_protocol::{ChainKey, Entry, EntryId, NodeId, ReplayGuard, Verified, codec};
use vocab::{SiteId, Timestamp};

use super::{Ingest, Writer};
use crate::hub::TakenIn;
use crate::hub::mending::{self, Author};
use crate::ledger::store as ledger;
use crate::streams::{self, Topic};
use crate::{LedgerError, Materialize};

/// What stands for the hub among the writers, and for who is not enrolled in this database.
const NOBODY: i64 = -1;

enum Taken {
    Stored,
    /// It is here, or can never be.
    Settled,
    PutOff,
}

/// Stores `entries`, each once and in the order of its chain.
pub(in crate::hub) fn take_in(
    conn: &Connection,
    now: Timestamp,
    entries: Vec<(Verified<Entry>, EntryId, ChainKey)>,
    rooms: &mut dyn Materialize,
) -> Result<TakenIn, LedgerError> {
    let mut all = TakenIn::default();
    let mut wake = BTreeSet::new();
    let mut rest = entries.into_iter().peekable();
    while let Some(first) = rest.next() {
        // Those of one author that stand together are a batch, as the author itself would send it.
        let origin = first.0.get().header.origin;
        let mut run = vec![first];
        while let Some(next) = rest.next_if(|(entry, ..)| entry.get().header.origin == origin) {
            run.push(next);
        }
        let Some(author) = author_of(conn, &origin, rooms)? else {
            // Its certificate may be on its way.
            all.put_off += u32::try_from(run.len()).unwrap_or(u32::MAX);
            continue;
        };
        let taken = of_author(conn, now, (origin, author), run, rooms)?;
        all.fresh += taken.fresh;
        all.put_off += taken.put_off;
        wake.extend(taken.wake);
        for (author, streams) in taken.brought {
            all.brought.entry(author).or_default().extend(streams);
        }
    }
    all.wake = wake.into_iter().collect();
    Ok(all)
}

/// Who wrote something. A node that joined after the backup is known by its certificate.
fn author_of(
    conn: &Connection,
    node: &NodeId,
    rooms: &dyn Materialize,
) -> Result<Option<Author>, LedgerError> {
    if let Some(author) = mending::author(conn, node)? {
        return Ok(Some(author));
    }
    if mending::wrote_the_directory(conn, node)? {
        let site = SiteId::from_bytes([0; 16]);
        return Ok(Some(Author { no: NOBODY, site, has_told_all: true, is_hub: true }));
    }
    let author = |site| Author { no: NOBODY, site, has_told_all: true, is_hub: false };
    Ok(rooms.certified_site(conn, node)?.map(author))
}

fn of_author(
    conn: &Connection,
    now: Timestamp,
    (key, author): (NodeId, Author),
    entries: Vec<(Verified<Entry>, EntryId, ChainKey)>,
    rooms: &mut dyn Materialize,
) -> Result<TakenIn, LedgerError> {
    let writer = Writer { no: author.no, key, site: author.site };
    let mut batch = Ingest::new(conn, now, writer, rooms)?;
    let mut put_off = 0;
    let mut streams = BTreeSet::new();
    for (entry, id, chain_key) in entries {
        let stream = entry.get().header.stream;
        let taken = batch.resupplied(author, entry, id, chain_key)?;
        put_off += u32::from(matches!(taken, Taken::PutOff));
        if matches!(taken, Taken::Stored) {
            streams.insert(stream);
        }
    }
    let fresh = batch.out.fresh;
    // That its author holds it is not known: perhaps that is where it was lost.
    let wake = batch.finish(NOBODY)?.wake;
    let brought = match author.no {
        _ if streams.is_empty() => BTreeMap::new(),
        NOBODY => BTreeMap::new(),
        _ => BTreeMap::from([(key, streams)]),
    };
    Ok(TakenIn { fresh, put_off, wake, brought })
}

impl Ingest<'_> {
    fn resupplied(
        &mut self,
        author: Author,
        entry: Verified<Entry>,
        id: EntryId,
        key: ChainKey,
    ) -> Result<Taken, LedgerError> {
        let header = entry.get().header;
        if ledger::is_held(self.conn, &id)? {
            return Ok(Taken::Settled);
        }
        let directory = streams::topic(&header.stream) == Topic::Policy;
        if directory != author.is_hub {
            return Ok(Taken::Settled); // Nobody else writes there, and the hub nowhere else.
        }
        // Without its payload only when it is certain that the author does not bring it with it.
        let bare = entry.get().payload.bytes().is_none();
        if bare && (self.safe_mode || !author.has_told_all) {
            return Ok(Taken::PutOff);
        }
        // Who offers it first need not have it from who wrote first.
        if !directory && !self.may_open(&entry)? {
            return Ok(Taken::PutOff);
        }
        let (row, author_site) = self.stream(&header.stream)?;
        if self.safe_mode && !directory && !self.may_write(&header.stream, author_site)? {
            return Ok(Taken::PutOff);
        }
        let chain = ledger::open_chain(self.conn, row.no, &header.origin, key)?;
        let past = ledger::past(self.conn, &chain, &header)?;
        let fresh = match ReplayGuard::admit(entry, &past) {
            Ok(fresh) => fresh,
            Err((NotFresh::Known, _)) => return Ok(Taken::Settled),
            Err((NotFresh::Gap { .. }, _)) => return Ok(Taken::PutOff),
            Err((NotFresh::Fork, entry)) => {
                ledger::raise_fork(self.conn, self.now, &header, &past, id)?;
                let raw = codec::encode(&full(entry.get(), &key, 0));
                self.set_aside((header.epoch, 0), id, "fork", &raw)?;
                return Ok(Taken::Settled);
            }
        };
        let (_, no) = self.insert(&row, &chain, fresh, id, (author_site, 0))?;
        if author.no != NOBODY {
            mending::mark_resupplied(self.conn, no)?;
        }
        Ok(Taken::Stored)
    }
}
