//! The writer and the readers on real, encrypted files.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::Poll;

use store::{Access, Connection, DatabaseKey, Room, StoreError};
use tempfile::TempDir;

use super::*;

const NOTES: Room = Room {
    name: "notes",
    scripts: &[(
        "V1__note",
        "CREATE TABLE note (x TEXT NOT NULL) STRICT;
         CREATE TABLE parent (id INTEGER PRIMARY KEY) STRICT;
         CREATE TABLE child (
             parent INTEGER NOT NULL REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED
         ) STRICT;",
    )],
};

/// A cache that counts how often it was emptied.
#[derive(Default)]
struct Cache {
    resets: u32,
}

impl Reset for Cache {
    fn reset(&mut self) {
        self.resets += 1;
    }
}

struct Bench {
    _folder: TempDir,
    path: PathBuf,
    writer: Writer<Cache>,
    readers: Readers,
}

fn key() -> DatabaseKey {
    DatabaseKey::new([7; 32])
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notes.db");
    let (writer, readers) = open(&path, &key(), &[NOTES], Cache::default()).unwrap();
    Bench { _folder: folder, path, writer, readers }
}

fn add(x: &str) -> impl FnOnce(&Connection, &mut Cache) -> Result<(), StoreError> + use<> {
    let x = x.to_owned();
    move |conn, _| {
        conn.prepare_cached("INSERT INTO note VALUES (?1)")?.execute([x])?;
        Ok(())
    }
}

fn notes(conn: &Connection) -> Result<Vec<String>, StoreError> {
    let mut query = conn.prepare_cached("SELECT x FROM note ORDER BY rowid")?;
    let rows = query.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// What a program would find that opens the file after this one was killed.
fn held(path: &Path) -> Vec<String> {
    notes(&store::open(path, &key(), Access::Read).unwrap()).unwrap()
}

/// Keeps the writer busy until the sender is dropped, so that what is queued meanwhile is one group.
fn hold(writer: &Writer<Cache>) -> mpsc::Sender<()> {
    let (release, wait) = mpsc::channel::<()>();
    let (started, running) = mpsc::channel();
    let writer = writer.clone();
    std::thread::spawn(move || {
        writer.write_blocking::<_, StoreError>(move |_, _| {
            started.send(()).unwrap();
            let _ = wait.recv();
            Ok(())
        })
    });
    running.recv().unwrap();
    release
}

#[tokio::test]
async fn what_is_answered_is_on_the_disk() {
    let bench = bench();
    bench.writer.write(add("a")).await.unwrap();
    // The writer is still running: nothing was flushed by closing.
    assert_eq!(held(&bench.path), ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_are_kept_in_the_order_they_came_in_one_group_or_many() {
    let bench = bench();
    let release = hold(&bench.writer);
    let mut answers = Vec::new();
    let expected: Vec<String> = (0..600).map(|n| n.to_string()).collect();
    for x in &expected {
        answers.push(queued(bench.writer.write(add(x))).await);
    }
    let mut commits = bench.writer.subscribe();
    commits.mark_unchanged();
    drop(release);
    for answer in answers {
        answer.await.unwrap();
    }
    assert_eq!(held(&bench.path), expected);
    let groups = *commits.borrow_and_update();
    // 600 writes of at most 256 a group; a slow machine may make smaller ones.
    assert!((3..600).contains(&groups), "{groups} commits");
}

/// Queues a write by polling it once; the answer is still to come.
async fn queued<F: Future>(write: F) -> Pin<Box<F>> {
    let mut write = Box::pin(write);
    std::future::poll_fn(|cx| {
        assert!(write.as_mut().poll(cx).is_pending(), "answered before it was committed");
        Poll::Ready(())
    })
    .await;
    write
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_write_and_a_panic_take_nothing_of_their_neighbours_with_them() {
    let bench = bench();
    let release = hold(&bench.writer);
    let before = queued(bench.writer.write(add("before"))).await;
    let refused = queued(bench.writer.write(|conn, state: &mut Cache| {
        add("refused")(conn, state)?;
        Err::<(), _>(StoreError::Damaged { what: "note" })
    }))
    .await;
    let panicked = queued(bench.writer.write(|conn, state: &mut Cache| {
        add("panicked")(conn, state)?;
        if state.resets < 1_000 {
            panic!("planted");
        }
        Ok::<(), StoreError>(())
    }))
    .await;
    let after = queued(bench.writer.write(add("after"))).await;
    drop(release);

    before.await.unwrap();
    let error = refused.await.unwrap_err();
    assert!(matches!(error, WriteError::Refused(StoreError::Damaged { .. })), "{error:?}");
    assert!(matches!(panicked.await, Err(WriteError::Panicked)));
    after.await.unwrap();
    assert_eq!(held(&bench.path), ["before", "after"]);
    let resets = bench.writer.write(|_, state| Ok::<_, StoreError>(state.resets)).await.unwrap();
    assert_eq!(resets, 2, "caches are emptied once per failure");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_commit_is_told_to_everybody_in_it_and_the_writer_goes_on() {
    let bench = bench();
    let release = hold(&bench.writer);
    let innocent = queued(bench.writer.write(add("innocent"))).await;
    // A deferred constraint fails at the commit, as an input/output error does.
    let broken = queued(bench.writer.write(|conn, _| {
        conn.execute("INSERT INTO child VALUES (5)", [])?;
        Ok::<(), StoreError>(())
    }))
    .await;
    drop(release);
    for outcome in [innocent.await, broken.await] {
        let error = outcome.unwrap_err();
        assert!(matches!(error, WriteError::NotStored(_)), "{error:?}");
        assert!(!error.is_disk_full());
    }
    assert!(held(&bench.path).is_empty());
    bench.writer.write(add("later")).await.unwrap();
    assert_eq!(held(&bench.path), ["later"]);
}

#[tokio::test]
async fn a_full_disk_refuses_the_write_and_work_goes_on_when_there_is_room() {
    let bench = bench();
    bench.writer.write(add("before")).await.unwrap();
    bench.writer.write(pages_max(1)).await.unwrap();
    let large = "x".repeat(100_000);
    let error = bench.writer.write(add(&large)).await.unwrap_err();
    assert!(matches!(error, WriteError::Refused(StoreError::DiskFull)), "{error:?}");
    assert_eq!(held(&bench.path), ["before"]);
    bench.writer.write(pages_max(1_000_000)).await.unwrap();
    bench.writer.write(add(&large)).await.unwrap();
    assert_eq!(held(&bench.path), ["before", &large]);
}

/// Makes the disk look full to SQLite once the file has `limit` pages, or it has what it has.
fn pages_max(
    limit: i64,
) -> impl FnOnce(&Connection, &mut Cache) -> Result<i64, StoreError> + use<> {
    move |conn, _| {
        let sql = format!("PRAGMA max_page_count = {limit}");
        Ok(conn.query_row(&sql, [], |row| row.get(0))?)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_acknowledges_nobody_whose_write_went_with_it() {
    let bench = bench();
    bench.writer.write(pages_max(1)).await.unwrap();
    let release = hold(&bench.writer);
    let small = queued(bench.writer.write(add("small"))).await;
    let large = queued(bench.writer.write(add(&"x".repeat(100_000)))).await;
    let later = queued(bench.writer.write(add("later"))).await;
    drop(release);
    let acknowledged = [small.await.is_ok(), large.await.is_ok(), later.await.is_ok()];
    let held = held(&bench.path);
    assert!(!acknowledged[1]);
    assert_eq!(acknowledged[0], held.contains(&"small".to_owned()));
    assert_eq!(acknowledged[2], held.contains(&"later".to_owned()));
}

#[tokio::test]
async fn only_a_commit_that_wrote_wakes_the_subscribers() {
    let bench = bench();
    let mut commits = bench.writer.subscribe();
    commits.mark_unchanged();
    bench.writer.write(|conn, _| notes(conn)).await.unwrap();
    assert!(!commits.has_changed().unwrap());
    bench.writer.write(add("a")).await.unwrap();
    assert!(commits.has_changed().unwrap());
}

#[tokio::test]
async fn the_wal_is_emptied_between_writes() {
    let bench = bench();
    let wal = bench.path.with_extension("db-wal");
    let length = || std::fs::metadata(&wal).unwrap().len();
    for round in 1..=3 {
        // In a group with what comes before and after it.
        let first = queued(bench.writer.write(add("a"))).await;
        let emptied = queued(bench.writer.empty_wal()).await;
        let second = queued(bench.writer.write(add("b"))).await;
        first.await.unwrap();
        assert!(emptied.await);
        second.await.unwrap();
        assert_eq!(held(&bench.path).len(), 2 * round);
        assert!(bench.writer.empty_wal().await);
        assert_eq!(length(), 0);
    }
    bench.writer.stop().await;
    assert!(!bench.writer.empty_wal().await);
}

#[tokio::test]
async fn stopping_finishes_what_is_queued_and_refuses_what_comes_later() {
    let bench = bench();
    let queued = queued(bench.writer.write(add("queued"))).await;
    bench.writer.stop().await;
    queued.await.unwrap();
    assert_eq!(held(&bench.path), ["queued"]);
    assert!(matches!(bench.writer.write(add("late")).await, Err(WriteError::Stopped)));
    bench.writer.stop().await;
}

#[tokio::test]
async fn readers_see_what_is_committed_and_survive_a_panic() {
    let bench = bench();
    bench.writer.write(add("a")).await.unwrap();
    for _ in 0..2 * READERS {
        let outcome = bench.readers.read(|_| -> Result<(), StoreError> { panic!("planted") }).await;
        assert!(matches!(outcome, Err(ReadError::Panicked)));
    }
    assert_eq!(bench.readers.read(notes).await.unwrap(), ["a"]);
    let outcome = bench.readers.read(|conn| add("b")(conn, &mut Cache::default())).await;
    assert!(matches!(outcome, Err(ReadError::Refused(StoreError::Sqlite(_)))), "{outcome:?}");
}
