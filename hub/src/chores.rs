//! What the hub does by the clock.

use std::sync::Arc;
use std::time::Duration;

use host::Shutdown;

use crate::node::Hub;

/// How often permissions that begin or end by a date are looked for. What has ended is not given out
/// in any case; this is when copies of it are called back.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Ends and begins access by date, until `shutdown`.
pub(crate) async fn run(hub: Arc<Hub>, shutdown: Shutdown) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => refresh(&hub).await,
            () = shutdown.requested() => return,
        }
    }
}

async fn refresh(hub: &Hub) {
    loop {
        let now = hub.clock.now();
        let due = hub.readers.read(move |conn| replication::hub::is_access_due(conn, now)).await;
        if !matches!(due, Ok(true)) {
            return;
        }
        let refreshed =
            hub.writer.write(move |conn, _| replication::hub::refresh_due(conn, now)).await;
        match refreshed {
            Ok((told, more)) => {
                hub.sessions.wake(&told);
                if !more {
                    return;
                }
            }
            Err(error) => {
                return tracing::warn!(%error, "access could not be ended by date; it is tried again");
            }
        }
    }
}
