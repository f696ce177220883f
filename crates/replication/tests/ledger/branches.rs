//! Chains that branch: a database from before, and a disk that was put back from a copy.

use store::Room;

/// A room as it was with its first so many scripts.
fn before(room: &Room, scripts: usize) -> Room {
    Room { name: room.name, scripts: &room.scripts[..scripts] }
}

#[test]
fn a_database_of_the_first_version_keeps_its_entries_and_its_queue() {
    let mut conn = store::open_in_memory().unwrap();
    let first = [before(&replication::LEDGER, 1), before(&replication::EDGE, 1)];
    store::migrate(&mut conn, &first).unwrap();
    conn.execute_batch(
        "INSERT INTO stream (no, id, class, count, sum)
            VALUES (1, zeroblob(20), 3, 2, zeroblob(32));
         INSERT INTO chain (no, stream, origin, key, sseq, head)
            VALUES (1, 1, zeroblob(32), zeroblob(32), 2, unhex(printf('%064d', 2)));
         INSERT INTO entry (no, id, stream, idx, chain, sseq, sprev, epoch, hlc, kind, schema, actor,
                            flags, payload_len, commitment, signature, stored_at, payload_state)
            SELECT value, unhex(printf('%064d', value)), 1, value, 1, value, zeroblob(32), 77, 0, 1,
                   1, zeroblob(16), 0, 0, zeroblob(32), zeroblob(64), 0, 3
            FROM (SELECT 1 AS value UNION SELECT 2);
         INSERT INTO start (no, epoch, head, hlc) VALUES (1, 77, 2, 0);
         INSERT INTO outbox (start, oseq, entry, stream, class, later, state)
            VALUES (1, 1, 1, 1, 3, 1, 0), (1, 2, 2, 1, 3, 1, 0);",
    )
    .unwrap();
    store::migrate(&mut conn, &[replication::LEDGER, replication::EDGE]).unwrap();
    let count = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT count(*) FROM entry JOIN outbox ON outbox.entry = entry.no"), 2);
    assert_eq!(count("SELECT count FROM chain"), 2);
    assert_eq!(count("SELECT epoch FROM chain"), 77);
    assert_eq!(count("SELECT count(*) FROM pragma_foreign_key_check"), 0);
    let dangling = conn.execute("DELETE FROM entry WHERE no = 1", []);
    dangling.expect_err("the queue still refers to the entries");
}
