//! SQL of keys that succeed one another.

use ::store::{Connection, StoreError};
use rusqlite::params;
use sync_protocol::NodeId;

/// The keys of the node that signs, or signed, with the key in the place `$key`, itself among them: a
/// list for `IN`.
macro_rules! keys_of_node {
    ($key:literal) => {
        concat!(
            "(SELECT ",
            $key,
            " UNION SELECT key FROM signing_key
              WHERE line = (SELECT line FROM signing_key WHERE key = ",
            $key,
            "))"
        )
    };
}
pub(crate) use keys_of_node;

const LINE: &str = concat!("SELECT key FROM signing_key WHERE key IN ", keys_of_node!("?1"));
const KEEP: &str = "INSERT OR IGNORE INTO signing_key (key, line) VALUES (?1, ?1)";
const JOIN: &str = "
    UPDATE signing_key SET line = (SELECT line FROM signing_key WHERE key = ?1)
    WHERE line = (SELECT line FROM signing_key WHERE key = ?2)";

/// All keys of the node with this key, if it ever had another.
pub(super) fn line(conn: &Connection, key: &NodeId) -> Result<Vec<NodeId>, StoreError> {
    let mut statement = conn.prepare_cached(LINE)?;
    let keys = statement.query_map([key.0], |row| Ok(NodeId(row.get(0)?)))?;
    Ok(keys.collect::<Result<_, _>>()?)
}

/// The two are keys of one node.
pub(super) fn join(conn: &Connection, one: &NodeId, other: &NodeId) -> Result<(), StoreError> {
    for key in [one, other] {
        conn.prepare_cached(KEEP)?.execute([key.0])?;
    }
    conn.prepare_cached(JOIN)?.execute(params![one.0, other.0])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(conn: &Connection, key: u8) -> Vec<u8> {
        line(conn, &NodeId([key; 32])).unwrap().into_iter().map(|key| key.0[0]).collect()
    }

    #[test]
    fn keys_that_succeed_one_another_are_of_one_node_in_whatever_order_that_is_heard() {
        let steps = [(1, 2), (2, 3), (3, 4)];
        for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0], [2, 0, 1]] {
            let mut conn = ::store::open_in_memory().unwrap();
            ::store::migrate(&mut conn, &[crate::LEDGER]).unwrap();
            join(&conn, &NodeId([8; 32]), &NodeId([9; 32])).unwrap();
            for step in order.into_iter().chain(order) {
                let (old, new) = steps[step];
                join(&conn, &NodeId([old; 32]), &NodeId([new; 32])).unwrap();
            }
            for key in 1..=4 {
                assert_eq!(keys(&conn, key), [1, 2, 3, 4], "{order:?}");
            }
            assert_eq!((keys(&conn, 8), keys(&conn, 7)), (vec![8, 9], vec![]));
        }
    }
}
