//! SQL of the starts of nodes.

use ::store::{Connection, StoreError};
use rusqlite::{OptionalExtension as _, params};
use sync_protocol::exchange::HelloState;
use sync_protocol::ranges::Ranges;
use sync_protocol::standing::{KnownStart, ReceivedOf};
use sync_protocol::{Epoch, SetDigest, codec};
use vocab::Timestamp;

const CURRENT: &str = "SELECT epoch FROM enrolled_node WHERE no = ?1";
/// Of a start that only bundles have named it is not known where it stands.
const START: &str = "
    SELECT abandoned FROM origin_epoch WHERE node = ?1 AND epoch = ?2
        AND NOT EXISTS (SELECT 1 FROM bundle_start WHERE node = ?1 AND epoch = ?2)";
const PLACED: &str = "DELETE FROM bundle_start WHERE node = ?1 AND epoch = ?2";
const RECEIVED: &str = "SELECT received, sum FROM origin_epoch WHERE node = ?1 AND epoch = ?2";
const SEE: &str = "
    INSERT INTO origin_epoch (node, epoch, parent, received, sum, abandoned)
    VALUES (?1, ?2, ?3, ?4, zeroblob(32), ?5)
    ON CONFLICT (node, epoch) DO UPDATE SET parent = coalesce(parent, excluded.parent)";
const MAKE_CURRENT: &str = "UPDATE enrolled_node SET last_seen = ?2, epoch = ?3 WHERE no = ?1";
/// From the current start back to, and without, the one that the restored copy follows.
const ABANDON: &str = "
    WITH RECURSIVE line (epoch) AS (
        SELECT epoch FROM enrolled_node WHERE no = ?1 AND epoch <> ?2
        UNION
        SELECT origin_epoch.parent FROM origin_epoch JOIN line ON origin_epoch.epoch = line.epoch
        WHERE origin_epoch.node = ?1 AND origin_epoch.parent IS NOT NULL
            AND origin_epoch.parent <> ?2)
    UPDATE origin_epoch SET abandoned = 1 WHERE node = ?1 AND epoch IN (SELECT epoch FROM line)";
const RESTORED: &str = "UPDATE enrolled_node SET restored_at = ?2 WHERE no = ?1";
const OWN_COUNT: &str = "SELECT own_count FROM enrolled_node WHERE no = ?1";
const SECOND_COPY: &str = "UPDATE enrolled_node SET second_copy_at = ?2 WHERE no = ?1";

/// The node's current start.
pub(super) fn current(conn: &Connection, node: i64) -> Result<Option<Epoch>, StoreError> {
    let epoch: Option<i64> = conn.prepare_cached(CURRENT)?.query_row([node], |row| row.get(0))?;
    Ok(epoch.map(|epoch| Epoch(epoch.cast_unsigned())))
}

/// What is on record of a start.
pub(super) fn known(
    conn: &Connection,
    node: i64,
    epoch: Epoch,
) -> Result<Option<KnownStart>, StoreError> {
    let known = conn
        .prepare_cached(START)?
        .query_row(params![node, epoch.0.cast_signed()], |row| {
            Ok(KnownStart { epoch, abandoned: row.get(0)? })
        })
        .optional()?;
    Ok(known)
}

/// What was received of a start; nothing of one that is not known.
pub(super) fn received_of(
    conn: &Connection,
    node: i64,
    epoch: Epoch,
) -> Result<ReceivedOf, StoreError> {
    let found: Option<(Vec<u8>, Option<[u8; 32]>)> = conn
        .prepare_cached(RECEIVED)?
        .query_row(params![node, epoch.0.cast_signed()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((bytes, sum)) = found else {
        return Ok(ReceivedOf { highest: 0, digest: None });
    };
    let ranges: Ranges = codec::decode(&bytes)
        .map_err(|_| StoreError::Damaged { what: "list of received positions" })?;
    let count = ranges.runs().map(|(low, high)| high - low + 1).sum();
    Ok(ReceivedOf {
        highest: ranges.runs().last().map_or(0, |(_, high)| high),
        digest: sum.map(|sum| SetDigest::from_parts(count, &sum)),
    })
}

/// Records the starts that a caller names, each with the one before it.
fn see(
    conn: &Connection,
    node: i64,
    hello: &HelloState,
    abandoned: bool,
) -> Result<(), StoreError> {
    let mut named: Vec<Epoch> = hello.history.iter().map(|start| start.epoch).collect();
    if !named.contains(&hello.epoch) {
        named.insert(0, hello.epoch);
    }
    named.extend(hello.parent.filter(|parent| !named.contains(parent)));
    let nothing = codec::encode(&Ranges::new());
    let before = named.iter().skip(1).map(|epoch| Some(epoch.0.cast_signed())).chain([None]);
    for (epoch, before) in named.iter().zip(before) {
        let start = params![node, epoch.0.cast_signed(), before, nothing, abandoned];
        conn.prepare_cached(SEE)?.execute(start)?;
        conn.prepare_cached(PLACED)?.execute(params![node, epoch.0.cast_signed()])?;
    }
    Ok(())
}

/// The caller's start is the node's current one.
pub(super) fn make_current(
    conn: &Connection,
    now: Timestamp,
    node: i64,
    hello: &HelloState,
) -> Result<(), StoreError> {
    see(conn, node, hello, false)?;
    let current = params![node, now.millis(), hello.epoch.0.cast_signed()];
    conn.prepare_cached(MAKE_CURRENT)?.execute(current)?;
    Ok(())
}

/// What came after `at` is left behind: a copy from that time goes on instead.
pub(super) fn abandon_after(conn: &Connection, node: i64, at: Epoch) -> Result<(), StoreError> {
    conn.prepare_cached(ABANDON)?.execute(params![node, at.0.cast_signed()])?;
    Ok(())
}

/// The node is an older copy of itself.
pub(super) fn note_restored(
    conn: &Connection,
    now: Timestamp,
    node: i64,
) -> Result<(), StoreError> {
    conn.prepare_cached(RESTORED)?.execute(params![node, now.millis()])?;
    Ok(())
}

/// Entries of the node's own that are held.
pub(super) fn own_count(conn: &Connection, node: i64) -> Result<u64, StoreError> {
    let count: i64 = conn.prepare_cached(OWN_COUNT)?.query_row([node], |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

/// A second copy called: its starts are among what was left behind, and so is what follows them.
pub(super) fn note_second_copy(
    conn: &Connection,
    now: Timestamp,
    node: i64,
    hello: &HelloState,
) -> Result<(), StoreError> {
    see(conn, node, hello, true)?;
    conn.prepare_cached(SECOND_COPY)?.execute(params![node, now.millis()])?;
    Ok(())
}
