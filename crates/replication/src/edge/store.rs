//! SQL of an edge's own queue and of what it may have from others.

use rusqlite::{Connection, OptionalExtension as _, params};
use store::StoreError;
use sync_protocol::exchange::{HelloState, OutboxCursor, OutboxEntry, OutboxPage};
use sync_protocol::message::{EpochClaim, StreamPosition, StreamState, Verdict};
use sync_protocol::ranges::Ranges;
use sync_protocol::standing::StartRecord;
use sync_protocol::{Class, EntryId, Epoch, NodeId, SetDigest, StreamId, limits};
use vocab::Timestamp;

use crate::ledger::store::{self as ledger, digest_from, entry_columns, entry_from};

const START: &str = "SELECT no, head, sum FROM start WHERE epoch = ?1";
const GROW_START: &str = "UPDATE start SET head = ?2, sum = ?3 WHERE no = ?1";
const ENQUEUE: &str = "
    INSERT INTO outbox (start, oseq, entry, stream, class, later, state)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, coalesce(
        (SELECT 5 FROM outbox WHERE stream = ?4 AND state IN (3, 5) LIMIT 1), 0))";
/// An urgent entry takes those of its stream that wait before it to the front with it.
const PROMOTE: &str = "UPDATE outbox SET later = 0 WHERE stream = ?1 AND state = 0 AND later = 1";
const LAST_STARTS: &str = "SELECT epoch FROM start ORDER BY no DESC LIMIT 2";
/// Back to the last one that the hub welcomed; that one in any case, of the others the newest.
const HISTORY: &str = "
    SELECT epoch, head, sum FROM start
    WHERE sum IS NOT NULL AND no >= coalesce((SELECT max(no) FROM start WHERE confirmed = 1), 0)
    ORDER BY (confirmed = 1 AND no < (SELECT max(no) FROM start)) DESC, no DESC LIMIT ?1";
const CONFIRM_START: &str =
    "UPDATE start SET confirmed = 1 WHERE no = (SELECT max(no) FROM start) AND confirmed = 0";
/// Those that came back are not known to be there while they wait to be offered again.
const OWN_AT_HUB: &str =
    "SELECT received + quarantined + iif(returned_wait, 0, returned) FROM feed";
const COUNT_RETURNED: &str = "UPDATE feed SET returned = returned + ?1";
/// At most as many as one greeting may name.
const CLAIMS: &str = "
    SELECT epoch, head FROM start
    WHERE no IN (SELECT DISTINCT start FROM outbox WHERE state = 0) ORDER BY no DESC LIMIT ?1";
const UNCONFIRMED: &str = "
    SELECT stream.id, unconfirmed_ack.version, unconfirmed_ack.idx
    FROM unconfirmed_ack JOIN stream ON stream.no = unconfirmed_ack.stream LIMIT ?1";
const INCARNATION: &str = "SELECT incarnation FROM feed";
const SET_INCARNATION: &str = "UPDATE feed SET incarnation = ?1";
/// What the hub had acknowledged waits again, and what it was told of runs is of another life.
const REOFFER: &str = "
    UPDATE outbox SET state = 0, reason = '' WHERE state IN (1, 2, 4);
    UPDATE feed SET received = 0, durable = 0, quarantined = 0, returned_wait = returned > 0;
    DELETE FROM unconfirmed_ack";
const MARK_RECEIVED: &str = "
    UPDATE outbox SET state = 1
    WHERE start = (SELECT no FROM start WHERE epoch = ?1) AND oseq BETWEEN ?2 AND ?3 AND state = 0";
const COUNT_RECEIVED: &str = "UPDATE feed SET received = received + ?1";
const MARK_DURABLE: &str = "
    UPDATE outbox SET state = 2
    WHERE start = (SELECT no FROM start WHERE epoch = ?1) AND oseq <= ?2 AND state = 1";
const COUNT_DURABLE: &str = "UPDATE feed SET durable = durable + ?1";
const MARK_ONE: &str = "
    UPDATE outbox SET state = ?3, reason = ?4
    WHERE start = (SELECT no FROM start WHERE epoch = ?1) AND oseq = ?2 AND state IN (0, ?5)
    RETURNING stream";
const OWN_NOT_AT_HUB: &str = "
    SELECT EXISTS (SELECT 1 FROM outbox WHERE stream = ?1 AND state = 0)
        OR EXISTS (SELECT 1 FROM outbox WHERE stream = ?1 AND state IN (3, 5))";
const HOLD_STREAM: &str = "UPDATE outbox SET state = 5 WHERE stream = ?1 AND state = 0";
const COUNT_QUARANTINED: &str = "UPDATE feed SET quarantined = quarantined + 1";
const COUNT_REFUSED: &str = "UPDATE feed SET refused = refused + 1";
const SUBSCRIPTION: &str =
    "SELECT idx, version, purged_version FROM subscription WHERE stream = ?1";
const SUBSCRIBE: &str = "
    INSERT INTO subscription (stream, version, idx, foreign_sum) VALUES (?1, ?2, 0, zeroblob(32))
    ON CONFLICT (stream) DO UPDATE SET version = max(version, excluded.version)";
const FOLLOW_OWN: &str = "
    INSERT INTO subscription (stream, version, idx, foreign_sum) VALUES (?1, 0, ?2, zeroblob(32))
    ON CONFLICT (stream) DO UPDATE SET idx = max(idx, excluded.idx)";
const SUBSCRIPTION_SUM: &str =
    "SELECT foreign_count, foreign_sum FROM subscription WHERE stream = ?1";
const ADVANCE: &str = "
    UPDATE subscription SET idx = max(idx, ?2), foreign_count = ?3, foreign_sum = ?4
    WHERE stream = ?1";
const REMEMBER_ACK: &str = "
    INSERT INTO unconfirmed_ack (stream, version, idx) VALUES (?1, ?2, ?3)
    ON CONFLICT (stream) DO UPDATE SET
        version = max(version, excluded.version),
        idx = CASE WHEN excluded.version > version THEN excluded.idx ELSE max(idx, excluded.idx) END";
const FORGET_ACK: &str = "
    DELETE FROM unconfirmed_ack
    WHERE stream = (SELECT no FROM stream WHERE id = ?1) AND version <= ?2 AND idx <= ?3";
const FEED: &str = "SELECT count, sum FROM feed";
const SET_FEED: &str = "UPDATE feed SET count = ?1, sum = ?2";
const FEED_BY_STREAM: &str = "
    SELECT stream.id, subscription.foreign_count, subscription.foreign_sum
    FROM subscription JOIN stream ON stream.no = subscription.stream
    WHERE subscription.foreign_count > 0";
const OUTBOX: &str = concat!(
    "SELECT outbox.start, outbox.oseq, start.epoch, ",
    entry_columns!(),
    " FROM outbox
      CROSS JOIN entry ON entry.no = outbox.entry
      CROSS JOIN chain ON chain.no = entry.chain
      CROSS JOIN stream ON stream.no = entry.stream
      CROSS JOIN start ON start.no = outbox.start
      WHERE outbox.class = ?1 AND outbox.state = 0
        AND (outbox.start, outbox.oseq) > (?2, ?3)
      ORDER BY outbox.later, outbox.start, outbox.oseq"
);
const OUTBOX_ONE: &str = concat!(
    "SELECT outbox.start, outbox.oseq, ",
    entry_columns!(),
    " FROM start JOIN outbox ON outbox.start = start.no AND outbox.oseq = ?2
      JOIN entry ON entry.no = outbox.entry JOIN chain ON chain.no = entry.chain
      JOIN stream ON stream.no = entry.stream
      WHERE start.epoch = ?1"
);
const NOT_TAKEN: &str = "
    SELECT start.epoch, outbox.oseq, entry.kind, entry.id, outbox.state, outbox.reason
    FROM outbox JOIN start ON start.no = outbox.start JOIN entry ON entry.no = outbox.entry
    WHERE outbox.state IN (3, 4) ORDER BY outbox.start DESC, outbox.oseq DESC LIMIT ?1";
const LAST_SUCCESS: &str = "SELECT last_success FROM feed";
const SET_LAST_SUCCESS: &str = "UPDATE feed SET last_success = ?1";
const STATUS: &str = "
    SELECT (SELECT coalesce(sum(head), 0) FROM start) + returned,
           (SELECT count(*) FROM outbox WHERE state = 0),
           received + returned, quarantined, refused,
           (SELECT count(*) FROM outbox WHERE state IN (3, 5) AND state = 5),
           durable, count
    FROM feed";

/// Whose entries this node takes: those with a certificate of the hub.
pub trait KnownNodes {
    /// Whether `node` may write at all.
    ///
    /// # Errors
    ///
    /// The database's.
    fn is_known(&self, conn: &Connection, node: &NodeId) -> Result<bool, StoreError>;
}

/// Where this node's own entries are. `authored = received + pending + quarantined + refused + held`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct EdgeStatus {
    /// Written here, ever.
    pub authored: u64,
    /// Waiting to reach the hub.
    pub pending: u64,
    /// At the hub and readable there, acknowledged after its commit.
    pub received: u64,
    /// At the hub, the payload set aside for an operator.
    pub quarantined: u64,
    /// Refused by the hub.
    pub refused: u64,
    /// Not sent, because an earlier entry of the same stream was refused.
    pub held: u64,
    /// Of those received, on a second medium at the hub.
    pub durable: u64,
    /// Written by others and held here.
    pub foreign: u64,
}

pub(crate) fn enqueue(
    conn: &Connection,
    epoch: Epoch,
    (entry, id): (i64, EntryId),
    stream: i64,
    class: Class,
    urgent: bool,
) -> Result<(), StoreError> {
    let (start, written) =
        conn.prepare_cached(START)?.query_row([epoch.0.cast_signed()], |row| {
            Ok((row.get::<_, i64>(0)?, digest_from(row, 1, 2)?))
        })?;
    let mut written = written;
    written.insert(&id);
    let oseq = written.count.cast_signed();
    conn.prepare_cached(GROW_START)?.execute(params![start, oseq, written.sum_bytes()])?;
    // Other classes are read in the order of writing, from where the last page ended.
    let urgent = urgent && class == Class::Urgent;
    conn.prepare_cached(ENQUEUE)?.execute(params![
        start,
        oseq,
        entry,
        stream,
        class.number(),
        !urgent
    ])?;
    if urgent {
        conn.prepare_cached(PROMOTE)?.execute([stream])?;
    }
    Ok(())
}

pub(super) fn hello(conn: &Connection) -> Result<HelloState, StoreError> {
    let starts: Vec<Epoch> = conn
        .prepare_cached(LAST_STARTS)?
        .query_map([], |row| Ok(Epoch(row.get::<_, i64>(0)?.cast_unsigned())))?
        .collect::<Result<_, _>>()?;
    let epoch = starts.first().copied().ok_or(StoreError::Damaged { what: "process start" })?;
    let claims = conn
        .prepare_cached(CLAIMS)?
        .query_map([count_of(limits::HELLO_EPOCHS_MAX)], |row| {
            Ok(EpochClaim {
                epoch: Epoch(row.get::<_, i64>(0)?.cast_unsigned()),
                head: row.get::<_, i64>(1)?.cast_unsigned(),
            })
        })?
        .collect::<Result<_, _>>()?;
    let unconfirmed = conn
        .prepare_cached(UNCONFIRMED)?
        .query_map([count_of(limits::HELLO_ACKS_MAX)], |row| {
            Ok(StreamPosition {
                stream: StreamId::from_bytes(&row.get(0)?),
                version: row.get(1)?,
                to_idx: row.get::<_, i64>(2)?.cast_unsigned(),
            })
        })?
        .collect::<Result<_, _>>()?;
    let mut history: Vec<StartRecord> = conn
        .prepare_cached(HISTORY)?
        .query_map([count_of(limits::HELLO_STARTS_MAX)], |row| {
            let written = digest_from(row, 1, 2)?;
            let epoch = Epoch(row.get::<_, i64>(0)?.cast_unsigned());
            Ok(StartRecord { epoch, head: written.count, sum: written.short() })
        })?
        .collect::<Result<_, _>>()?;
    // The confirmed one was read first, so that it is never the one that does not fit.
    if history.first().is_some_and(|first| first.epoch != epoch) {
        history.rotate_left(1);
    }
    let incarnation: Option<i64> =
        conn.prepare_cached(INCARNATION)?.query_row([], |row| row.get(0))?;
    Ok(HelloState {
        epoch,
        parent: starts.get(1).copied(),
        claims,
        incarnation: incarnation.map(i64::cast_unsigned),
        unconfirmed,
        history,
    })
}

/// The hub has welcomed this start.
pub(super) fn confirm_start(conn: &Connection) -> Result<(), StoreError> {
    conn.prepare_cached(CONFIRM_START)?.execute([])?;
    Ok(())
}

/// Own entries that are known to be at the hub, those included that came back from it.
pub(super) fn own_at_hub(conn: &Connection) -> Result<u64, StoreError> {
    let count: i64 = conn.prepare_cached(OWN_AT_HUB)?.query_row([], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

/// So many own entries came back that this disk did not have any more.
pub(super) fn count_returned(conn: &Connection, returned: u64) -> Result<(), StoreError> {
    if returned > 0 {
        conn.prepare_cached(COUNT_RETURNED)?.execute([returned.cast_signed()])?;
    }
    Ok(())
}

fn count_of(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Marks own entries as held by the hub.
pub(super) fn mark_received(
    conn: &Connection,
    received: &[(Epoch, Ranges)],
) -> Result<(), StoreError> {
    let mut newly = 0;
    let mut statement = conn.prepare_cached(MARK_RECEIVED)?;
    for (epoch, ranges) in received {
        for (low, high) in ranges.runs() {
            let bounds = params![epoch.0.cast_signed(), low.cast_signed(), high.cast_signed()];
            newly += statement.execute(bounds)?;
        }
    }
    if newly > 0 {
        let newly = i64::try_from(newly).unwrap_or(i64::MAX);
        conn.prepare_cached(COUNT_RECEIVED)?.execute([newly])?;
    }
    Ok(())
}

pub(super) fn mark_durable(conn: &Connection, durable: &[(Epoch, u64)]) -> Result<(), StoreError> {
    for (epoch, upto) in durable {
        let newly = conn
            .prepare_cached(MARK_DURABLE)?
            .execute(params![epoch.0.cast_signed(), upto.cast_signed()])?;
        conn.prepare_cached(COUNT_DURABLE)?.execute([i64::try_from(newly).unwrap_or(i64::MAX)])?;
    }
    Ok(())
}

pub(super) fn mark_verdicts(
    conn: &Connection,
    verdicts: &[(Epoch, u64, Verdict)],
) -> Result<(), StoreError> {
    for (epoch, oseq, verdict) in verdicts {
        let (state, counter, from) = match verdict {
            // Its header was received.
            Verdict::Quarantined(_) => (4, COUNT_QUARANTINED, 1),
            // What the hub has it cannot refuse: somebody else sent something under this position.
            Verdict::Fork | Verdict::NotAuthentic | Verdict::Foreign => (3, COUNT_REFUSED, 0),
            Verdict::Gap(_) => continue,
        };
        let stream: Option<i64> = conn
            .prepare_cached(MARK_ONE)?
            .query_row(
                params![epoch.0.cast_signed(), oseq.cast_signed(), state, verdict.word(), from],
                |row| row.get(0),
            )
            .optional()?;
        let Some(stream) = stream else { continue };
        conn.prepare_cached(counter)?.execute([])?;
        if state == 3 {
            conn.prepare_cached(HOLD_STREAM)?.execute([stream])?;
        } else {
            // It is at the hub, but not among what can be read there.
            conn.prepare_cached(COUNT_RECEIVED)?.execute([-1])?;
        }
    }
    Ok(())
}

/// Notes which life of the hub's database this is. Of another one than before, everything that it had
/// acknowledged is offered again; answers whether that is so.
pub(super) fn set_incarnation(conn: &Connection, incarnation: u64) -> Result<bool, StoreError> {
    let before: Option<i64> = conn.prepare_cached(INCARNATION)?.query_row([], |row| row.get(0))?;
    let is_another = before.is_some_and(|before| before.cast_unsigned() != incarnation);
    if is_another {
        conn.execute_batch(REOFFER)?;
    }
    conn.prepare_cached(SET_INCARNATION)?.execute([incarnation.cast_signed()])?;
    Ok(is_another)
}

/// Takes the hub's word on streams that grew by entries of ours. Where we hold the very same
/// entries, we hold the stream up to there. Counting our own alone would not do: those that are
/// acknowledged late came before what others wrote meanwhile. Answers how many of the streams of
/// which we hold as many entries as the hub have another sum.
pub(super) fn compare_streams(
    conn: &Connection,
    streams: &[StreamState],
) -> Result<u32, StoreError> {
    let mut diverged = 0;
    for state in streams {
        let Some(row) = ledger::find_stream(conn, &state.stream)? else { continue };
        if (row.digest.count, row.digest.short()) == (state.count, state.sum) {
            conn.prepare_cached(FOLLOW_OWN)?.execute(params![row.no, state.count.cast_signed()])?;
        } else if differs(conn, row.no, &row.digest, state.count, &state.sum)? {
            diverged += 1;
        }
    }
    Ok(diverged)
}

/// Whether a stream of which we hold as many entries as the hub has another sum. While own entries
/// are not at the hub, one of them may stand in the count for one that we do not hold yet.
pub(super) fn differs(
    conn: &Connection,
    stream: i64,
    held: &SetDigest,
    count: u64,
    sum: &[u8; 16],
) -> Result<bool, StoreError> {
    if held.count != count || held.short() == *sum {
        return Ok(false);
    }
    let own_elsewhere: bool =
        conn.prepare_cached(OWN_NOT_AT_HUB)?.query_row([stream], |row| row.get(0))?;
    Ok(!own_elsewhere)
}

pub(super) fn outbox(
    conn: &Connection,
    class: Class,
    after: Option<OutboxCursor>,
    skip: &[OutboxCursor],
    bytes_max: usize,
) -> Result<OutboxPage, StoreError> {
    let mut statement = conn.prepare_cached(OUTBOX)?;
    let after = after.unwrap_or(OutboxCursor { start: 0, oseq: 0 });
    let mut rows = statement.query(params![
        class.number(),
        after.start.cast_signed(),
        after.oseq.cast_signed()
    ])?;
    let mut page = OutboxPage { class, entries: Vec::new(), end: true };
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let cursor = OutboxCursor {
            start: row.get::<_, i64>(0)?.cast_unsigned(),
            oseq: row.get::<_, i64>(1)?.cast_unsigned(),
        };
        if skip.contains(&cursor) {
            continue;
        }
        if bytes >= bytes_max {
            page.end = false;
            break;
        }
        let stored = entry_from(row, 3)?;
        bytes += stored.entry.payload.bytes().map_or(0, <[u8]>::len) + 128;
        page.entries.push(OutboxEntry {
            cursor,
            epoch: Epoch(row.get::<_, i64>(2)?.cast_unsigned()),
            oseq: cursor.oseq,
            id: stored.id,
            entry: stored.entry,
            key: stored.key,
        });
    }
    Ok(page)
}

pub(super) fn outbox_one(
    conn: &Connection,
    epoch: Epoch,
    oseq: u64,
) -> Result<Option<OutboxEntry>, StoreError> {
    let found = conn
        .prepare_cached(OUTBOX_ONE)?
        .query_row(params![epoch.0.cast_signed(), oseq.cast_signed()], |row| {
            let stored = entry_from(row, 2)?;
            Ok(OutboxEntry {
                cursor: OutboxCursor { start: row.get::<_, i64>(0)?.cast_unsigned(), oseq },
                epoch,
                oseq,
                id: stored.id,
                entry: stored.entry,
                key: stored.key,
            })
        })
        .optional()?;
    Ok(found)
}

/// How far a stream is held in the hub's order, or `None` when this version of the subscription has
/// ended; the subscription is made if it is new.
pub(super) fn subscribed_up_to(
    conn: &Connection,
    stream: i64,
    version: u32,
) -> Result<Option<u64>, StoreError> {
    conn.prepare_cached(SUBSCRIBE)?.execute(params![stream, version])?;
    let (idx, latest, purged): (i64, u32, u32) = conn
        .prepare_cached(SUBSCRIPTION)?
        .query_row([stream], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let holds = version >= latest && version > purged;
    Ok(holds.then_some(idx.cast_unsigned()))
}

/// Records that the stream is held up to `to_idx`, and that the hub is yet to hear of it.
pub(super) fn advance(
    conn: &Connection,
    stream: i64,
    version: u32,
    to_idx: u64,
    fresh: &SetDigest,
) -> Result<(), StoreError> {
    let held = conn
        .prepare_cached(SUBSCRIPTION_SUM)?
        .query_row([stream], |row| digest_from(row, 0, 1))?
        .plus(fresh);
    conn.prepare_cached(ADVANCE)?.execute(params![
        stream,
        to_idx.cast_signed(),
        held.count.cast_signed(),
        held.sum_bytes()
    ])?;
    conn.prepare_cached(REMEMBER_ACK)?.execute(params![stream, version, to_idx.cast_signed()])?;
    if fresh.count > 0 {
        let total =
            conn.prepare_cached(FEED)?.query_row([], |row| digest_from(row, 0, 1))?.plus(fresh);
        conn.prepare_cached(SET_FEED)?
            .execute(params![total.count.cast_signed(), total.sum_bytes()])?;
    }
    Ok(())
}

pub(super) fn forget_acks(
    conn: &Connection,
    positions: &[StreamPosition],
) -> Result<(), StoreError> {
    for position in positions {
        conn.prepare_cached(FORGET_ACK)?.execute(params![
            position.stream.bytes(),
            position.version,
            position.to_idx.cast_signed()
        ])?;
    }
    Ok(())
}

pub(super) fn feed(
    conn: &Connection,
    by_stream: bool,
) -> Result<(SetDigest, Vec<StreamState>), StoreError> {
    let total = conn.prepare_cached(FEED)?.query_row([], |row| digest_from(row, 0, 1))?;
    let mut streams = Vec::new();
    if by_stream {
        let mut statement = conn.prepare_cached(FEED_BY_STREAM)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let digest = digest_from(row, 1, 2)?;
            streams.push(StreamState {
                stream: StreamId::from_bytes(&row.get(0)?),
                count: digest.count,
                sum: digest.short(),
            });
        }
    }
    Ok((total, streams))
}

/// When everything was last acknowledged, as it was noted last.
///
/// # Errors
///
/// The database's.
pub fn last_success(conn: &Connection) -> Result<Option<Timestamp>, StoreError> {
    let noted: Option<i64> = conn.prepare_cached(LAST_SUCCESS)?.query_row([], |row| row.get(0))?;
    Ok(noted.map(Timestamp::from_millis))
}

/// Notes when everything was last acknowledged, so that a restart does not forget it.
///
/// # Errors
///
/// The database's.
pub fn note_success(conn: &Connection, at: Timestamp) -> Result<(), StoreError> {
    conn.prepare_cached(SET_LAST_SUCCESS)?.execute([at.millis()])?;
    Ok(())
}

/// An entry of this node that the hub did not simply take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotTaken {
    /// The process start it was written under.
    pub epoch: Epoch,
    /// Its position there.
    pub oseq: u64,
    /// What it is, as in its header.
    pub kind: u16,
    /// Its name, which the hub's list shows too.
    pub id: EntryId,
    /// Whether the hub holds it for an operator, or refused it.
    pub is_held: bool,
    /// Why, in one word.
    pub reason: String,
}

/// Entries of this node that the hub refused or set aside, the last written first.
///
/// # Errors
///
/// The database's.
pub fn not_taken(conn: &Connection, limit: u32) -> Result<Vec<NotTaken>, StoreError> {
    let mut statement = conn.prepare_cached(NOT_TAKEN)?;
    let found = statement.query_map([limit], |row| {
        Ok(NotTaken {
            epoch: Epoch(row.get::<_, i64>(0)?.cast_unsigned()),
            oseq: row.get::<_, i64>(1)?.cast_unsigned(),
            kind: row.get(2)?,
            id: EntryId(row.get(3)?),
            is_held: row.get::<_, i64>(4)? == 4,
            reason: row.get(5)?,
        })
    })?;
    Ok(found.collect::<Result<_, _>>()?)
}

/// Where this node's own entries are.
///
/// # Errors
///
/// The database's.
pub fn status(conn: &Connection) -> Result<EdgeStatus, StoreError> {
    let status = conn.prepare_cached(STATUS)?.query_row([], |row| {
        let at = |column: usize| row.get::<_, i64>(column).map(i64::cast_unsigned);
        Ok(EdgeStatus {
            authored: at(0)?,
            pending: at(1)?,
            received: at(2)?,
            quarantined: at(3)?,
            refused: at(4)?,
            held: at(5)?,
            durable: at(6)?,
            foreign: at(7)?,
        })
    })?;
    Ok(status)
}
