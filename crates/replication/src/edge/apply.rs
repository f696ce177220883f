//! Storing a run of a stream that the hub sent.

use ::store::{Connection, StoreError};
use sync_protocol::chain::NotFresh;
use sync_protocol::entry::WithheldReason;
use sync_protocol::exchange::{Applied, EdgeReply, StoredRun};
use sync_protocol::message::StreamPosition;
use sync_protocol::{ChainKey, Entry, EntryId, Header, ReplayGuard, SetDigest, Verified};
use vocab::Timestamp;

use super::store::{self, KnownNodes};
use crate::ledger::quarantine;
use crate::ledger::store::{self as ledger, StreamRow};
use crate::materialize::{Arrived, MaterializeError};
use crate::streams::{self, Topic};
use crate::{LedgerError, Materialize, erasure};

/// Why a run is not stored.
enum Held {
    /// An author is not known yet; the stream is held up to here.
    NotYet(u64),
    /// Something before it is missing.
    Behind(u64),
    Failed(LedgerError),
}

impl From<LedgerError> for Held {
    fn from(error: LedgerError) -> Self {
        Self::Failed(error)
    }
}

impl From<StoreError> for Held {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// Stores `run` as a whole if everything before it is here and its authors are known.
pub(super) fn apply(
    conn: &Connection,
    now: Timestamp,
    run: StoredRun,
    rooms: &mut dyn Materialize,
    known: &dyn KnownNodes,
) -> Result<EdgeReply, LedgerError> {
    let position = StreamPosition { stream: run.stream, version: run.version, to_idx: run.to_idx };
    match ::store::savepoint(conn, |conn| store_run(conn, now, run, rooms, known)) {
        Ok(applied) => Ok(EdgeReply::Applied(position, applied)),
        Err(Held::NotYet(have)) => Ok(EdgeReply::Applied(position, Applied::NotYet { have })),
        Err(Held::Behind(have)) => Ok(EdgeReply::Applied(position, Applied::Behind { have })),
        Err(Held::Failed(error)) => Err(error),
    }
}

fn store_run(
    conn: &Connection,
    now: Timestamp,
    run: StoredRun,
    rooms: &mut dyn Materialize,
    known: &dyn KnownNodes,
) -> Result<Applied, Held> {
    let (mut stream, _) = ledger::open_stream(conn, &run.stream)?;
    let Some(have) = store::subscribed_up_to(conn, stream.no, run.version)? else {
        return Ok(Applied::Ended);
    };
    if run.from_idx > have {
        return Err(Held::Behind(have));
    }
    let mut foreign = SetDigest::EMPTY;
    for (entry, key) in run.entries {
        if !known.is_known(conn, &entry.get().header.origin)? {
            return Err(Held::NotYet(have));
        }
        if let Some((id, grown)) = store_entry(conn, now, &stream, entry, key, rooms)? {
            stream = grown;
            foreign.insert(&id);
        }
    }
    store::advance(conn, stream.no, run.version, run.to_idx, &foreign)?;
    let diverged = match &run.head_sum {
        Some(sum) => store::differs(conn, stream.no, &stream.digest, run.to_idx, sum)?,
        None => false,
    };
    let fresh = u32::try_from(foreign.count).unwrap_or(u32::MAX);
    let admits = fresh > 0 && streams::topic(&run.stream) == Topic::Policy;
    Ok(Applied::Stored { fresh, diverged, admits })
}

/// Stores own entries that this disk lost; answers how many were new.
pub(super) fn take_back(
    conn: &Connection,
    now: Timestamp,
    entries: Vec<(Verified<Entry>, ChainKey)>,
    rooms: &mut dyn Materialize,
) -> Result<u32, LedgerError> {
    let mut fresh: u32 = 0;
    for (entry, key) in entries {
        let (stream, _) = ledger::open_stream(conn, &entry.get().header.stream)?;
        match store_entry(conn, now, &stream, entry, key, rooms) {
            Ok(stored) => fresh += u32::from(stored.is_some()),
            // The hub sends each after the one before it: then it comes with the next comparison.
            Err(Held::NotYet(_) | Held::Behind(_)) => {}
            Err(Held::Failed(error)) => return Err(error),
        }
    }
    store::count_returned(conn, fresh.into())?;
    Ok(fresh)
}

/// Stores one entry; `None` when it was here before.
fn store_entry(
    conn: &Connection,
    now: Timestamp,
    stream: &StreamRow,
    entry: Verified<Entry>,
    key: ChainKey,
    rooms: &mut dyn Materialize,
) -> Result<Option<(EntryId, StreamRow)>, Held> {
    let (header, id) = (entry.get().header, entry.id());
    let entry = erasure::shed(conn, stream, entry)?;
    let chain = ledger::open_chain(conn, stream.no, &header.origin, stream.key_of(key))?;
    if chain.last.is_none() && ledger::is_held(conn, &id)? {
        // Under another key: what carries its own salt does not depend on the chain's.
        return Ok(None);
    }
    let past = ledger::past(conn, &chain, &header)?;
    let fresh = match ReplayGuard::admit(entry, &past) {
        Ok(fresh) => fresh,
        Err((NotFresh::Known, entry)) => {
            if let Some(payload) = entry.get().payload.bytes() {
                fill(conn, now, rooms, &header, id, payload)?;
            }
            return Ok(None);
        }
        // The positions told us otherwise: a restored database, say. From the start, then.
        Err((NotFresh::Gap { .. }, _)) => return Err(Held::Behind(0)),
        Err((NotFresh::Fork, _)) => {
            ledger::raise_fork(conn, now, &header, &past, id)?;
            return Ok(None);
        }
    };
    let payload = fresh.get().payload.bytes().map(<[u8]>::to_vec);
    let (no, grown) = ledger::insert(conn, stream, &chain, fresh, id, now)?;
    if let Some(payload) = payload {
        materialize(conn, now, rooms, &header, id, no, &payload)?;
    }
    Ok(Some((id, grown)))
}

/// An entry as the rooms see it.
pub(crate) fn arrived<'a>(header: &Header, id: EntryId, payload: &'a [u8]) -> Arrived<'a> {
    Arrived {
        id,
        origin: header.origin,
        stream: header.stream,
        epoch: header.epoch,
        hlc: header.hlc,
        kind: header.kind,
        schema: header.schema,
        payload: crate::outbox::without_salt(header.flags, payload),
    }
}

/// An entry that is held without its payload came with it: the hub took it on a second try.
fn fill(
    conn: &Connection,
    now: Timestamp,
    rooms: &mut dyn Materialize,
    header: &Header,
    id: EntryId,
    payload: &[u8],
) -> Result<(), LedgerError> {
    let Some(no) = quarantine::fill(conn, &id, payload)? else { return Ok(()) };
    if materialize(conn, now, rooms, header, id, no, payload)? {
        quarantine::taken(conn, now, &id)?;
    }
    Ok(())
}

/// Hands a payload to its room; one that is refused is set aside and the entry kept without it.
/// Answers whether the room took it.
pub(crate) fn materialize(
    conn: &Connection,
    now: Timestamp,
    rooms: &mut dyn Materialize,
    header: &Header,
    id: EntryId,
    entry: i64,
    payload: &[u8],
) -> Result<bool, LedgerError> {
    let arrived = arrived(header, id, payload);
    match ::store::savepoint(conn, |conn| rooms.apply(conn, &arrived)) {
        Ok(()) => Ok(true),
        Err(MaterializeError::Store(error)) => Err(error.into()),
        Err(MaterializeError::Refused(refusal)) => {
            let origin = header.origin.short();
            tracing::warn!(%origin, kind = header.kind, reason = refusal.word(), "payload set aside");
            ledger::withhold(conn, entry, WithheldReason::Quarantined)?;
            let aside = ledger::Aside {
                at: now,
                origin: header.origin,
                epoch: header.epoch,
                oseq: 0,
                id: Some(id),
                reason: refusal.word(),
                raw: payload,
            };
            ledger::set_aside(conn, &aside)?;
            Ok(false)
        }
    }
}
