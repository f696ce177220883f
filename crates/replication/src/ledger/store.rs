//! SQL of streams, chains and entries.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use store::StoreError;
use sync_protocol::entry::WithheldReason;
use sync_protocol::hlc::Hlc;
use sync_protocol::{
    ChainHead, ChainKey, Entry, EntryId, Epoch, Flags, Fresh, Header, NodeId, Past, Payload, SeqNo,
    SetDigest, StreamId,
};
use vocab::Timestamp;

use super::signing_keys::store::keys_of_node;
use crate::erasure::{self, Cover, tombstone};
use crate::streams;

const FIND_STREAM: &str = "SELECT no, count, sum, erased, closed FROM stream WHERE id = ?1";
const INSERT_STREAM: &str = "
    INSERT INTO stream (id, class, sum, erased, closed) VALUES (?1, ?2, zeroblob(32), ?3, ?4)";
const CHAINS_OF: &str = "SELECT key FROM chain WHERE stream = ?1 AND origin = ?2";
const GROW_STREAM: &str = "UPDATE stream SET count = ?2, sum = ?3 WHERE no = ?1";
const FIND_CHAIN: &str = "
    SELECT no, key, count, sseq, head, epoch FROM chain
    WHERE stream = ?1 AND origin = ?2 AND key = ?3";
/// The one that was begun last, where a restored disk has more than one.
const OWN_CHAIN: &str = "
    SELECT no, key, count, sseq, head, epoch FROM chain
    WHERE stream = ?1 AND origin = ?2 ORDER BY no DESC LIMIT 1";
const INSERT_CHAIN: &str = "
    INSERT INTO chain (stream, origin, key, count, sseq, head, epoch)
    VALUES (?1, ?2, ?3, 0, 0, zeroblob(32), 0)";
const GROW_CHAIN: &str = "
    UPDATE chain SET count = count + 1, sseq = ?2, head = ?3, epoch = ?4,
        branched = branched OR (count > 0 AND head <> ?5)
    WHERE no = ?1";
const ID_AT: &str = "SELECT id FROM entry WHERE chain = ?1 AND epoch = ?2 AND sseq = ?3";
const BRANCH_HEAD: &str = "
    SELECT sseq, id FROM entry WHERE chain = ?1 AND epoch = ?2 ORDER BY sseq DESC LIMIT 1";
const PLACE: &str = "SELECT sseq FROM entry WHERE id = ?1 AND chain = ?2";
const IS_HELD: &str = "SELECT 1 FROM entry WHERE id = ?1";
const INSERT_ENTRY: &str = "
    INSERT INTO entry (id, stream, idx, chain, sseq, sprev, epoch, hlc, kind, schema, actor, flags,
                       payload_len, commitment, signature, stored_at, payload_state, payload)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18)";
const WITHHOLD: &str = "UPDATE entry SET payload_state = ?2, payload = NULL WHERE no = ?1";
const PAYLOAD_OF: &str = "SELECT payload, flags FROM entry WHERE id = ?1";
/// What was taken once and is refused when it comes anew is open again; what was discarded stays so.
const SET_ASIDE: &str = "
    INSERT INTO quarantine (at, origin, epoch, oseq, entry_id, reason, raw)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
    ON CONFLICT (entry_id) WHERE entry_id IS NOT NULL DO UPDATE SET state = 0, at = excluded.at,
        reason = excluded.reason, raw = excluded.raw, settled_at = NULL, raw_len = NULL,
        raw_hash = NULL
    WHERE quarantine.state = 1";
const FORK: &str = "
    INSERT OR IGNORE INTO fork_alarm (at, origin, stream, sseq, held_id, offered_id)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const OF_KIND: &str = "
    SELECT entry.no, entry.id, stream.id, chain.origin, entry.payload, entry.flags
    FROM entry JOIN stream ON stream.no = entry.stream JOIN chain ON chain.no = entry.chain
    WHERE entry.kind = ?1 AND entry.payload_state = 0 ORDER BY entry.no";

const NEWEST_OF_KIND: &str = "
    SELECT entry.no, entry.id, stream.id, chain.origin, entry.payload, entry.flags
    FROM entry JOIN stream ON stream.no = entry.stream JOIN chain ON chain.no = entry.chain
    WHERE entry.kind = ?1 AND entry.payload_state = 0 ORDER BY entry.no DESC LIMIT ?2";
const IDS_OF: &str = concat!(
    "SELECT stream.id, entry.id FROM chain
     JOIN entry ON entry.chain = chain.no JOIN stream ON stream.no = chain.stream
     WHERE chain.origin IN ",
    keys_of_node!("?1")
);
/// Where an author went on from somewhere else than the end, or began a second chain.
const REWRITTEN: &str = "
    SELECT stream.id FROM stream WHERE no IN (
        SELECT stream FROM chain WHERE branched
        UNION SELECT stream FROM chain GROUP BY stream, origin HAVING count(*) > 1)";
const STREAMS: &str = "SELECT id, count, sum FROM stream ORDER BY id";
const IN_STREAM: &str = "
    SELECT entry.id, entry.idx, entry.sseq, entry.sprev, chain.origin, entry.payload_state > 0,
           entry.epoch, entry.chain
    FROM entry JOIN chain ON chain.no = entry.chain JOIN stream ON stream.no = entry.stream
    WHERE stream.id = ?1 ORDER BY entry.idx";
const PAYLOADS_IN: &str = "
    SELECT chain.origin, entry.epoch, entry.flags, entry.payload
    FROM entry JOIN chain ON chain.no = entry.chain JOIN stream ON stream.no = entry.stream
    WHERE stream.id = ?1 AND entry.payload_state = 0 ORDER BY entry.idx";
const COUNTS: &str = "
    SELECT (SELECT count(*) FROM entry), (SELECT count(*) FROM quarantine WHERE state = 0),
           (SELECT count(*) FROM fork_alarm)";
const BEGIN_START: &str = "
    INSERT OR IGNORE INTO start (epoch, hlc, sum)
    VALUES (?1, coalesce((SELECT max(hlc) FROM start), 0), zeroblob(32))";
const TICK: &str = "SELECT hlc FROM start WHERE epoch = ?1";
const SET_HLC: &str = "UPDATE start SET hlc = ?2 WHERE epoch = ?1";

/// Columns that [`entry_from`] reads, in its order.
macro_rules! entry_columns {
    () => {
        "entry.id, entry.sseq, entry.sprev, entry.epoch, entry.hlc, entry.kind, entry.schema, \
         entry.actor, entry.flags, entry.payload_len, entry.commitment, entry.signature, \
         entry.payload_state, entry.payload, chain.origin, chain.key, stream.id"
    };
}
pub(crate) use entry_columns;

/// A stream's row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamRow {
    pub(crate) no: i64,
    pub(crate) digest: SetDigest,
    /// How an order to erase covers it.
    pub(crate) erased: Option<Cover>,
}

impl StreamRow {
    /// The key that a chain of it is filed under: of an erased stream none is kept.
    pub(crate) fn key_of(&self, key: ChainKey) -> ChainKey {
        if self.erased.is_some() { tombstone::of(&key) } else { key }
    }
}

/// A chain's row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChainRow {
    pub(crate) no: i64,
    pub(crate) key: ChainKey,
    /// The entry that was stored last, with its epoch.
    pub(crate) last: Option<(ChainHead, Epoch)>,
}

/// An entry as stored, with what is needed to send it on.
#[derive(Clone, Debug)]
pub(crate) struct StoredEntry {
    pub(crate) id: EntryId,
    pub(crate) entry: Entry,
    pub(crate) key: ChainKey,
}

/// Records a process start; `false` when this node used the epoch before.
pub(crate) fn begin_start(conn: &Connection, epoch: Epoch) -> Result<bool, StoreError> {
    Ok(conn.prepare_cached(BEGIN_START)?.execute([epoch.0.cast_signed()])? == 1)
}

/// The clock value of the next entry, kept so that it never goes back across starts.
pub(crate) fn tick(conn: &Connection, epoch: Epoch, now: Timestamp) -> Result<Hlc, StoreError> {
    let last: i64 =
        conn.prepare_cached(TICK)?.query_row([epoch.0.cast_signed()], |row| row.get(0))?;
    let next = crate::outbox::next_hlc(Hlc(last.cast_unsigned()), now);
    conn.prepare_cached(SET_HLC)?.execute(params![epoch.0.cast_signed(), next.0.cast_signed()])?;
    Ok(next)
}

pub(crate) fn find_stream(
    conn: &Connection,
    id: &StreamId,
) -> Result<Option<StreamRow>, StoreError> {
    let row = conn
        .prepare_cached(FIND_STREAM)?
        .query_row([id.bytes()], |row| {
            let cover = if row.get(4)? { Cover::Subject } else { Cover::Stream };
            let erased = (row.get::<_, i64>(3)? > 0).then_some(cover);
            Ok(StreamRow { no: row.get(0)?, digest: digest_from(row, 1, 2)?, erased })
        })
        .optional()?;
    Ok(row)
}

/// The stream's row, made if it is new; the flag says whether it was.
pub(crate) fn open_stream(
    conn: &Connection,
    id: &StreamId,
) -> Result<(StreamRow, bool), StoreError> {
    if let Some(row) = find_stream(conn, id)? {
        return Ok((row, false));
    }
    let covering = erasure::store::covering(conn, id)?;
    let (order, erased) = covering.map_or((0, None), |(order, cover)| (order, Some(cover)));
    conn.prepare_cached(INSERT_STREAM)?.execute(params![
        id.bytes(),
        streams::class(id).number(),
        order,
        erased == Some(Cover::Subject)
    ])?;
    Ok((StreamRow { no: conn.last_insert_rowid(), digest: SetDigest::EMPTY, erased }, true))
}

fn find_chain(
    conn: &Connection,
    stream: i64,
    origin: &NodeId,
    key: &ChainKey,
) -> Result<Option<ChainRow>, StoreError> {
    let mut statement = conn.prepare_cached(FIND_CHAIN)?;
    Ok(statement.query_row(params![stream, origin.0, key.0], chain_from).optional()?)
}

fn chain_from(row: &Row<'_>) -> rusqlite::Result<ChainRow> {
    let head = ChainHead { sseq: SeqNo(row.get(3)?), id: EntryId(row.get(4)?) };
    let epoch = Epoch(row.get::<_, i64>(5)?.cast_unsigned());
    Ok(ChainRow {
        no: row.get(0)?,
        key: ChainKey(row.get(1)?),
        last: (row.get::<_, i64>(2)? > 0).then_some((head, epoch)),
    })
}

/// The chain with this key; it is made if it is new.
pub(crate) fn open_chain(
    conn: &Connection,
    stream: i64,
    origin: &NodeId,
    key: ChainKey,
) -> Result<ChainRow, StoreError> {
    if let Some(row) = find_chain(conn, stream, origin, &key)? {
        return Ok(row);
    }
    // Its key is gone at whoever sends it, and not here yet: the order is on its way.
    if tombstone::is(&key) {
        let mut statement = conn.prepare_cached(CHAINS_OF)?;
        let mut rows = statement.query(params![stream, origin.0])?;
        while let Some(row) = rows.next()? {
            let held = ChainKey(row.get(0)?);
            if tombstone::of(&held) == key {
                return find_chain(conn, stream, origin, &held)?
                    .ok_or(StoreError::Damaged { what: "chain" });
            }
        }
    }
    begin_chain(conn, stream, origin, key)
}

/// The chain that this node goes on with under `epoch`, and the entry that the next one follows: the
/// last of this epoch, or else the one that was stored last. The chain is made if there is none.
pub(crate) fn own_chain(
    conn: &Connection,
    stream: i64,
    me: &NodeId,
    epoch: Epoch,
    key: impl FnOnce() -> ChainKey,
) -> Result<(ChainRow, Option<ChainHead>), StoreError> {
    let mut statement = conn.prepare_cached(OWN_CHAIN)?;
    let found = statement.query_row(params![stream, me.0], chain_from).optional()?;
    let Some(chain) = found else { return Ok((begin_chain(conn, stream, me, key())?, None)) };
    let head = match chain.last {
        // An entry from before a restore came back after this process had written.
        Some((last, of)) if of != epoch => {
            Some(branch_head(conn, chain.no, epoch)?.unwrap_or(last))
        }
        last => last.map(|(head, _)| head),
    };
    Ok((chain, head))
}

/// The last entry of a chain under an epoch.
fn branch_head(
    conn: &Connection,
    chain: i64,
    epoch: Epoch,
) -> Result<Option<ChainHead>, StoreError> {
    let head = conn
        .prepare_cached(BRANCH_HEAD)?
        .query_row(params![chain, epoch.0.cast_signed()], |row| {
            Ok(ChainHead { sseq: SeqNo(row.get(0)?), id: EntryId(row.get(1)?) })
        })
        .optional()?;
    Ok(head)
}

fn begin_chain(
    conn: &Connection,
    stream: i64,
    origin: &NodeId,
    key: ChainKey,
) -> Result<ChainRow, StoreError> {
    conn.prepare_cached(INSERT_CHAIN)?.execute(params![stream, origin.0, key.0])?;
    Ok(ChainRow { no: conn.last_insert_rowid(), key, last: None })
}

/// Whether an entry is held, in whatever stream.
pub(crate) fn is_held(conn: &Connection, id: &EntryId) -> Result<bool, StoreError> {
    Ok(conn.prepare_cached(IS_HELD)?.exists([id.0])?)
}

/// What is held of the chain that matters for an entry with this header.
pub(crate) fn past(
    conn: &Connection,
    chain: &ChainRow,
    header: &Header,
) -> Result<Past, StoreError> {
    let Some((last, epoch)) = chain.last else { return Ok(Past::NOTHING) };
    let head =
        if epoch == header.epoch { Some(last) } else { branch_head(conn, chain.no, header.epoch)? };
    let Some(head) = head else {
        let before = conn
            .prepare_cached(PLACE)?
            .query_row(params![header.sprev.0, chain.no], |row| Ok(SeqNo(row.get(0)?)))
            .optional()?;
        return Ok(Past::New { before, have: last.sseq });
    };
    let held = if header.sseq > head.sseq {
        None
    } else {
        let place = params![chain.no, header.epoch.0.cast_signed(), header.sseq.0];
        let mut statement = conn.prepare_cached(ID_AT)?;
        statement.query_row(place, |row| Ok(EntryId(row.get(0)?))).optional()?
    };
    Ok(Past::Begun { head, held })
}

/// Stores a fresh entry as the next of its stream and chain; answers its row and the stream's state
/// after it.
pub(crate) fn insert(
    conn: &Connection,
    stream: &StreamRow,
    chain: &ChainRow,
    fresh: Fresh<Entry>,
    id: EntryId,
    now: Timestamp,
) -> Result<(i64, StreamRow), StoreError> {
    let entry = fresh.into_inner();
    let header = &entry.header;
    let mut digest = stream.digest;
    digest.insert(&id);
    let (state, payload) = match &entry.payload {
        Payload::Present(bytes) => (0, Some(bytes.as_slice())),
        Payload::Withheld(reason) => (withheld_state(*reason), None),
        Payload::Erased => (3, None),
    };
    conn.prepare_cached(INSERT_ENTRY)?.execute(params![
        id.0,
        stream.no,
        digest.count.cast_signed(),
        chain.no,
        header.sseq.0,
        header.sprev.0,
        header.epoch.0.cast_signed(),
        header.hlc.0.cast_signed(),
        header.kind,
        header.schema,
        header.actor,
        header.flags.0,
        header.payload_len,
        header.commitment,
        entry.signature,
        now.millis(),
        state,
        payload,
    ])?;
    let no = conn.last_insert_rowid();
    conn.prepare_cached(GROW_CHAIN)?.execute(params![
        chain.no,
        header.sseq.0,
        id.0,
        header.epoch.0.cast_signed(),
        header.sprev.0
    ])?;
    conn.prepare_cached(GROW_STREAM)?.execute(params![
        stream.no,
        digest.count.cast_signed(),
        digest.sum_bytes()
    ])?;
    Ok((no, StreamRow { no: stream.no, digest, erased: stream.erased }))
}

/// Takes the payload of an entry out of the ledger; the header stays.
pub(crate) fn withhold(
    conn: &Connection,
    entry: i64,
    reason: WithheldReason,
) -> Result<(), StoreError> {
    conn.prepare_cached(WITHHOLD)?.execute(params![entry, withheld_state(reason)])?;
    Ok(())
}

/// What goes into the quarantine table.
#[derive(Debug)]
pub(crate) struct Aside<'a> {
    pub(crate) at: Timestamp,
    pub(crate) origin: NodeId,
    pub(crate) epoch: Epoch,
    pub(crate) oseq: u64,
    pub(crate) id: Option<EntryId>,
    pub(crate) reason: &'static str,
    pub(crate) raw: &'a [u8],
}

pub(crate) fn set_aside(conn: &Connection, aside: &Aside<'_>) -> Result<(), StoreError> {
    conn.prepare_cached(SET_ASIDE)?.execute(params![
        aside.at.millis(),
        aside.origin.0,
        aside.epoch.0.cast_signed(),
        aside.oseq.cast_signed(),
        aside.id.map(|id| id.0),
        aside.reason,
        aside.raw,
    ])?;
    Ok(())
}

pub(crate) fn raise_fork(
    conn: &Connection,
    now: Timestamp,
    header: &Header,
    past: &Past,
    offered: EntryId,
) -> Result<(), StoreError> {
    let held = match past {
        Past::Begun { held, .. } => *held,
        Past::New { .. } => None,
    };
    conn.prepare_cached(FORK)?.execute(params![
        now.millis(),
        header.origin.0,
        header.stream.bytes(),
        header.sseq.0,
        held.map(|id| id.0),
        offered.0,
    ])?;
    Ok(())
}

/// The payload of an entry without its salt; `None` when it is not held or not present.
///
/// # Errors
///
/// The database's.
pub fn payload_of(conn: &Connection, id: &EntryId) -> Result<Option<Vec<u8>>, StoreError> {
    let payload = conn
        .prepare_cached(PAYLOAD_OF)?
        .query_row([id.0], |row| Ok((row.get::<_, Option<Vec<u8>>>(0)?, Flags(row.get(1)?))))
        .optional()?;
    Ok(payload.and_then(|(bytes, flags)| {
        bytes.map(|bytes| crate::outbox::without_salt(flags, &bytes).to_vec())
    }))
}

/// Count and sum of a stream as it is held here.
///
/// # Errors
///
/// The database's.
pub fn stream_digest(conn: &Connection, id: &StreamId) -> Result<SetDigest, StoreError> {
    Ok(find_stream(conn, id)?.map_or(SetDigest::EMPTY, |row| row.digest))
}

/// Entries held, payloads and frames set aside, positions with two histories.
///
/// # Errors
///
/// The database's.
pub fn counts(conn: &Connection) -> Result<(u64, u64, u64), StoreError> {
    let counts = conn.prepare_cached(COUNTS)?.query_row([], |row| {
        let at = |column: usize| row.get::<_, i64>(column).map(i64::cast_unsigned);
        Ok((at(0)?, at(1)?, at(2)?))
    })?;
    Ok(counts)
}

/// A payload with the author and process start it was written under.
#[derive(Clone, Debug)]
pub struct AuthoredPayload {
    /// Its author.
    pub origin: NodeId,
    /// The author's process start.
    pub epoch: Epoch,
    /// The payload without salt.
    pub payload: Vec<u8>,
}

/// The payloads of a stream that are here, in the order they were stored; for making a room's
/// tables anew.
///
/// # Errors
///
/// The database's.
pub fn payloads_in(
    conn: &Connection,
    stream: &StreamId,
) -> Result<Vec<AuthoredPayload>, StoreError> {
    let mut statement = conn.prepare_cached(PAYLOADS_IN)?;
    let payloads = statement.query_map([stream.bytes()], |row| {
        let (flags, payload) = (Flags(row.get(2)?), row.get::<_, Vec<u8>>(3)?);
        Ok(AuthoredPayload {
            origin: NodeId(row.get(0)?),
            epoch: Epoch(row.get::<_, i64>(1)?.cast_unsigned()),
            payload: crate::outbox::without_salt(flags, &payload).to_vec(),
        })
    })?;
    Ok(payloads.collect::<Result<_, _>>()?)
}

/// Count and sum of what one author wrote, stream by stream; it reads every id.
pub(crate) fn sums_of(
    conn: &Connection,
    author: &NodeId,
) -> Result<BTreeMap<StreamId, SetDigest>, StoreError> {
    let mut sums: BTreeMap<StreamId, SetDigest> = BTreeMap::new();
    let mut statement = conn.prepare_cached(IDS_OF)?;
    let mut rows = statement.query([author.0])?;
    while let Some(row) = rows.next()? {
        let stream = StreamId::from_bytes(&row.get(0)?);
        sums.entry(stream).or_insert(SetDigest::EMPTY).insert(&EntryId(row.get(1)?));
    }
    Ok(sums)
}

/// Streams in which a node that was put back from an older copy wrote on: what it had written since
/// the copy was made may stand there twice.
///
/// # Errors
///
/// The database's.
pub fn rewritten(conn: &Connection) -> Result<BTreeSet<StreamId>, StoreError> {
    let mut statement = conn.prepare(REWRITTEN)?;
    let streams = statement.query_map([], |row| Ok(StreamId::from_bytes(&row.get(0)?)))?;
    Ok(streams.collect::<Result<_, _>>()?)
}

/// Every stream with its count and sum on record.
pub(super) fn streams(conn: &Connection) -> Result<Vec<(StreamId, SetDigest)>, StoreError> {
    let mut statement = conn.prepare_cached(STREAMS)?;
    let streams = statement
        .query_map([], |row| Ok((StreamId::from_bytes(&row.get(0)?), digest_from(row, 1, 2)?)))?;
    Ok(streams.collect::<Result<_, _>>()?)
}

/// Where an entry stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) id: EntryId,
    pub(super) idx: u64,
    pub(super) sseq: SeqNo,
    pub(super) sprev: EntryId,
    pub(super) origin: NodeId,
    pub(super) bare: bool,
    pub(super) epoch: Epoch,
    pub(super) chain: i64,
}

/// Visits the entries of a stream in their order.
pub(super) fn for_each_in(
    conn: &Connection,
    stream: &StreamId,
    mut visit: impl FnMut(Place),
) -> Result<(), StoreError> {
    let mut statement = conn.prepare_cached(IN_STREAM)?;
    let mut rows = statement.query([stream.bytes()])?;
    while let Some(row) = rows.next()? {
        visit(Place {
            id: EntryId(row.get(0)?),
            idx: row.get::<_, i64>(1)?.cast_unsigned(),
            sseq: SeqNo(row.get(2)?),
            sprev: EntryId(row.get(3)?),
            origin: NodeId(row.get(4)?),
            bare: row.get(5)?,
            epoch: Epoch(row.get::<_, i64>(6)?.cast_unsigned()),
            chain: row.get(7)?,
        });
    }
    Ok(())
}

/// An entry as exports and rebuilds see it.
#[derive(Clone, Debug)]
pub struct HeldEntry {
    /// Its name.
    pub id: EntryId,
    /// Its stream.
    pub stream: StreamId,
    /// Its author.
    pub origin: NodeId,
    /// Its payload without salt.
    pub payload: Vec<u8>,
}

/// Visits every entry of a kind whose payload is here, in the order they were stored.
///
/// # Errors
///
/// The database's, or the visitor's.
pub fn for_each_of_kind<E: From<StoreError>>(
    conn: &Connection,
    kind: u16,
    mut visit: impl FnMut(HeldEntry) -> Result<(), E>,
) -> Result<(), E> {
    let mut statement = conn.prepare_cached(OF_KIND).map_err(StoreError::from)?;
    let mut rows = statement.query([kind]).map_err(StoreError::from)?;
    while let Some(row) = rows.next().map_err(StoreError::from)? {
        visit(held_from(row).map_err(StoreError::from)?)?;
    }
    Ok(())
}

/// The last entries of a kind that were stored and whose payload is here, the newest first.
///
/// # Errors
///
/// The database's.
pub fn newest_of_kind(
    conn: &Connection,
    kind: u16,
    limit: u32,
) -> Result<Vec<HeldEntry>, StoreError> {
    let mut statement = conn.prepare(NEWEST_OF_KIND)?;
    let held = statement.query_map(params![kind, limit], held_from)?;
    Ok(held.collect::<Result<_, _>>()?)
}

fn held_from(row: &Row<'_>) -> rusqlite::Result<HeldEntry> {
    let flags = Flags(row.get(5)?);
    let payload: Vec<u8> = row.get(4)?;
    Ok(HeldEntry {
        id: EntryId(row.get(1)?),
        stream: StreamId::from_bytes(&row.get(2)?),
        origin: NodeId(row.get(3)?),
        payload: crate::outbox::without_salt(flags, &payload).to_vec(),
    })
}

/// Reads the `entry_columns!` that begin at column `offset`.
pub(crate) fn entry_from(row: &Row<'_>, offset: usize) -> rusqlite::Result<StoredEntry> {
    let at = |column: usize| offset + column;
    let payload = match row.get::<_, i64>(at(12))? {
        0 => Payload::Present(row.get(at(13))?),
        1 => Payload::Withheld(WithheldReason::Quarantined),
        2 => Payload::Withheld(WithheldReason::NoAccess),
        _ => Payload::Erased,
    };
    let header = Header {
        origin: NodeId(row.get(at(14))?),
        epoch: Epoch(row.get::<_, i64>(at(3))?.cast_unsigned()),
        stream: StreamId::from_bytes(&row.get(at(16))?),
        sseq: SeqNo(row.get(at(1))?),
        sprev: EntryId(row.get(at(2))?),
        hlc: Hlc(row.get::<_, i64>(at(4))?.cast_unsigned()),
        kind: row.get(at(5))?,
        schema: row.get(at(6))?,
        actor: row.get(at(7))?,
        flags: Flags(row.get(at(8))?),
        payload_len: row.get(at(9))?,
        commitment: row.get(at(10))?,
    };
    Ok(StoredEntry {
        id: EntryId(row.get(at(0))?),
        entry: Entry { header, signature: row.get(at(11))?, payload },
        key: ChainKey(row.get(at(15))?),
    })
}

pub(crate) fn digest_from(row: &Row<'_>, count: usize, sum: usize) -> rusqlite::Result<SetDigest> {
    Ok(SetDigest::from_parts(row.get::<_, i64>(count)?.cast_unsigned(), &row.get(sum)?))
}

const fn withheld_state(reason: WithheldReason) -> i64 {
    match reason {
        WithheldReason::Quarantined => 1,
        WithheldReason::NoAccess => 2,
    }
}
