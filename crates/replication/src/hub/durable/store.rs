//! SQL of what is on a second medium.

use rusqlite::{Connection, params};
use store::StoreError;
use sync_protocol::ranges::Ranges;
use sync_protocol::{Epoch, NodeId, codec};

use super::Mark;

const RECEIVED: &str = "
    SELECT node.key, origin_epoch.epoch, origin_epoch.received
    FROM origin_epoch JOIN enrolled_node AS node ON node.no = origin_epoch.node";
const NEXT_ROUND: &str = "SELECT coalesce(max(marked), 0) + 1 FROM origin_epoch";
const MARK: &str = "
    UPDATE origin_epoch SET durable = ?3, marked = ?4
    WHERE node = (SELECT no FROM enrolled_node WHERE key = ?1) AND epoch = ?2 AND durable < ?3";
const OF_NODE: &str = "
    SELECT epoch, durable FROM origin_epoch WHERE node = ?1 AND durable > 0
    ORDER BY marked DESC, epoch LIMIT ?2";
const COUNT: &str = "SELECT coalesce(sum(durable), 0) FROM origin_epoch";

/// Starts named in one greeting. A node misses one only if it starts so many times between two
/// greetings and a backup covers something of each; it then believes less than there is.
const STARTS_TOLD: u32 = 64;

pub(super) fn received(conn: &Connection) -> Result<Vec<(NodeId, Epoch, Ranges)>, StoreError> {
    let mut statement = conn.prepare_cached(RECEIVED)?;
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let bytes: Vec<u8> = row.get(2)?;
        let received = codec::decode(&bytes)
            .map_err(|_| StoreError::Damaged { what: "list of received positions" })?;
        all.push((NodeId(row.get(0)?), Epoch(row.get::<_, i64>(1)?.cast_unsigned()), received));
    }
    Ok(all)
}

pub(super) fn next_round(conn: &Connection) -> Result<i64, StoreError> {
    Ok(conn.prepare_cached(NEXT_ROUND)?.query_row([], |row| row.get(0))?)
}

/// Answers whether it moved.
pub(super) fn mark(conn: &Connection, mark: &Mark, round: i64) -> Result<bool, StoreError> {
    let Mark { node, epoch, upto } = mark;
    let row = params![node.0, epoch.0.cast_signed(), upto.cast_signed(), round];
    Ok(conn.prepare_cached(MARK)?.execute(row)? > 0)
}

pub(super) fn of_node(conn: &Connection, node: i64) -> Result<Vec<(Epoch, u64)>, StoreError> {
    let mut statement = conn.prepare_cached(OF_NODE)?;
    let marks = statement.query_map(params![node, STARTS_TOLD], |row| {
        let (epoch, durable): (i64, i64) = (row.get(0)?, row.get(1)?);
        Ok((Epoch(epoch.cast_unsigned()), durable.cast_unsigned()))
    })?;
    Ok(marks.collect::<Result<_, _>>()?)
}

pub(super) fn count(conn: &Connection) -> Result<u64, StoreError> {
    let count: i64 = conn.prepare_cached(COUNT)?.query_row([], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}
