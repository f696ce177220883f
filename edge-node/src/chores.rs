//! What the node does by the clock.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use host::Shutdown;
use host::database::WriteError;
use replication::edge::trusted_time::Heard;
use vocab::Timestamp;
use workflows::WorkflowError;
use workflows::seal_due::{OPEN_SECONDS_MAX, seal_due};

use crate::node::Node;

/// How often open segments are looked at. They are sealed 60 s after their first reading; a second
/// more or less does not matter.
const SEAL_EVERY: Duration = Duration::from_secs(1);

/// How often the time of the last success is noted in the database, in seconds. It decides between
/// words that change after 16 minutes and 12 hours.
const NOTE_EVERY_SECONDS: i64 = 30;

/// Seals segments that have been open for long enough, and notes how sync stands, until `shutdown`.
pub(crate) async fn run(node: Arc<Node>, shutdown: Shutdown) {
    let mut noted = node.sync.facts(node.clock.now()).last_success;
    let mut shown = node.sync.stored();
    let mut ticks = tokio::time::interval(SEAL_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            // A copy of the data that is made in the next second is to know of it.
            () = node.time.was_heard.notified() => {}
            () = shutdown.requested() => break,
        }
        if let Err(error) = seal(&node, OPEN_SECONDS_MAX).await {
            tracing::warn!(%error, "sealing open segments failed; it is tried again");
        }
        if node.wal_holds_deleted.swap(false, Ordering::Relaxed) && !node.writer.empty_wal().await {
            node.wal_holds_deleted.store(true, Ordering::Relaxed);
        }
        let facts = node.sync.facts(node.clock.now());
        if facts.session_open && facts.steady {
            node.time.still_heard();
        }
        if let Some(time) = node.time.to_keep() {
            keep_time(&node, time).await;
        }
        let last = facts.last_success;
        if let Some(at) = last
            && noted.is_none_or(|before| at.seconds_since(before) >= NOTE_EVERY_SECONDS)
        {
            noted = last;
            note_success(&node, at).await;
            // Others' readings reach the screen live, or here, when they come sealed.
            let stored = node.sync.stored();
            if std::mem::replace(&mut shown, stored) != stored {
                crate::view::refill(&node).await;
            }
        }
    }
    if let Some(time) = node.time.last() {
        keep_time(&node, time).await;
    }
}

async fn keep_time(node: &Node, time: Heard) {
    let kept =
        node.writer.write(move |conn, _| replication::edge::lease::keep_time(conn, &time)).await;
    if let Err(error) = kept {
        tracing::warn!(%error, "the time could not be kept for the next start");
    }
}

async fn note_success(node: &Node, at: Timestamp) {
    let written = node.writer.write(move |conn, _| replication::edge::note_success(conn, at)).await;
    if let Err(error) = written {
        tracing::warn!(%error, "the time of the last sync could not be noted");
    }
}

/// Seals the segments whose first reading arrived at least `age_seconds` ago, a transaction at a
/// time; answers how many.
pub(crate) async fn seal(
    node: &Node,
    age_seconds: i64,
) -> Result<usize, WriteError<WorkflowError>> {
    let now = node.clock.now();
    let mut count = 0;
    loop {
        let sealed = node
            .writer
            .write(move |conn, state| seal_due(conn, &mut state.0, now, age_seconds))
            .await?;
        count += sealed.count;
        if sealed.count > 0 {
            node.outbox_grew.notify_one();
        }
        if !sealed.more {
            return Ok(count);
        }
    }
}
