//! SQL of streams that are let go.

use ::store::{Connection, StoreError};
use rusqlite::params;
use sync_protocol::{EntryId, NodeId, SetDigest};

use crate::ledger::signing_keys::store::keys_of_node;
use crate::ledger::store::digest_from;

const SUBSCRIPTION: &str = "
    SELECT version, purged_version, foreign_count, foreign_sum, purged_count, purged_sum
    FROM subscription WHERE stream = ?1";
const SUBSCRIBE: &str = "
    INSERT INTO subscription (stream, version, idx, foreign_sum) VALUES (?1, 0, 0, zeroblob(32))
    ON CONFLICT (stream) DO NOTHING";
/// What was set aside of them goes as well.
const ASIDE: &str = concat!(
    "DELETE FROM quarantine WHERE entry_id IN (
        SELECT entry.id FROM entry JOIN chain ON chain.no = entry.chain
        WHERE entry.stream = ?1 AND chain.origin NOT IN ",
    keys_of_node!("?2"),
    ")"
);
const ENTRIES: &str = concat!(
    "DELETE FROM entry WHERE stream = ?1 AND chain IN (
        SELECT no FROM chain WHERE stream = ?1 AND origin NOT IN ",
    keys_of_node!("?2"),
    ")"
);
const CHAINS: &str =
    concat!("DELETE FROM chain WHERE stream = ?1 AND origin NOT IN ", keys_of_node!("?2"));
const KEPT: &str = "SELECT no, id FROM entry WHERE stream = ?1 ORDER BY idx";
const RENUMBER: &str = "UPDATE entry SET idx = ?2 WHERE no = ?1";
const SHRINK_STREAM: &str = "UPDATE stream SET count = ?2, sum = ?3 WHERE no = ?1";
const END: &str = "
    UPDATE subscription SET version = ?2, idx = 0, foreign_count = 0, foreign_sum = zeroblob(32),
        purged_version = ?2, purged_count = ?3, purged_sum = ?4
    WHERE stream = ?1";
/// The next greeting says that nothing of the stream is held, before sums are compared.
const HELD_TO_NOTHING: &str = "
    INSERT OR REPLACE INTO unconfirmed_ack (stream, version, idx) VALUES (?1, ?2, 0)";
const FEED: &str = "SELECT count, sum FROM feed";
const SET_FEED: &str = "UPDATE feed SET count = ?1, sum = ?2";

/// How a subscription stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    pub(super) version: u32,
    pub(super) purged_version: u32,
    /// What others wrote and is held.
    pub(super) held: SetDigest,
    /// What was let go when it last ended.
    pub(super) purged: SetDigest,
}

/// The subscription's standing; it is made if there is none.
pub(super) fn standing(conn: &Connection, stream: i64) -> Result<Standing, StoreError> {
    conn.prepare_cached(SUBSCRIBE)?.execute([stream])?;
    let standing = conn.prepare_cached(SUBSCRIPTION)?.query_row([stream], |row| {
        Ok(Standing {
            version: row.get(0)?,
            purged_version: row.get(1)?,
            held: digest_from(row, 2, 3)?,
            purged: digest_from(row, 4, 5)?,
        })
    })?;
    Ok(standing)
}

/// Deletes what others than `me` wrote in the stream; what stays is numbered from 1 again.
pub(super) fn let_go(conn: &Connection, stream: i64, me: &NodeId) -> Result<(), StoreError> {
    for statement in [ASIDE, ENTRIES, CHAINS] {
        conn.prepare_cached(statement)?.execute(params![stream, me.0])?;
    }
    let mut kept = SetDigest::EMPTY;
    let mut statement = conn.prepare_cached(KEPT)?;
    let mut rows = statement.query([stream])?;
    let mut numbered: Vec<(i64, u64)> = Vec::new();
    while let Some(row) = rows.next()? {
        kept.insert(&EntryId(row.get(1)?));
        numbered.push((row.get(0)?, kept.count));
    }
    // Upwards: each moves to a number that the one before it has left or nobody had.
    for (no, idx) in numbered {
        conn.prepare_cached(RENUMBER)?.execute(params![no, idx.cast_signed()])?;
    }
    conn.prepare_cached(SHRINK_STREAM)?.execute(params![
        stream,
        kept.count.cast_signed(),
        kept.sum_bytes()
    ])?;
    Ok(())
}

/// Records that the subscription ended with `version`, and what went.
pub(super) fn end(
    conn: &Connection,
    stream: i64,
    version: u32,
    gone: &SetDigest,
) -> Result<(), StoreError> {
    conn.prepare_cached(END)?.execute(params![
        stream,
        version,
        gone.count.cast_signed(),
        gone.sum_bytes()
    ])?;
    conn.prepare_cached(HELD_TO_NOTHING)?.execute(params![stream, version])?;
    let total = conn.prepare_cached(FEED)?.query_row([], |row| digest_from(row, 0, 1))?.minus(gone);
    conn.prepare_cached(SET_FEED)?
        .execute(params![total.count.cast_signed(), total.sum_bytes()])?;
    Ok(())
}
