//! Backups as often as the settings want them.

use std::time::Duration;

use super::BackupError;
use super::keeper::{Keeper, Made};
use crate::{Clock, Shutdown};

/// How often it is looked whether a backup is due. They are minutes apart at least.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Makes backups with `make` as often as the settings of `keeper` want, until `shutdown`.
pub async fn run<T, F: Future<Output = Result<Made<T>, BackupError>>>(
    keeper: &Keeper,
    clock: &Clock,
    shutdown: Shutdown,
    make: impl Fn() -> F,
) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.requested() => return,
        }
        if !keeper.is_due(clock).await {
            continue;
        }
        // One that is broken off here is unfinished, and the next one removes it.
        tokio::select! {
            made = make() => match made {
                Ok(made) => {
                    let bytes = made.backup.manifest.bytes;
                    tracing::info!(seq = made.backup.manifest.number, bytes, "a backup was made");
                }
                // Somebody asked for one at this moment.
                Err(BackupError::Running) => {}
                Err(error) => tracing::warn!(%error, reason = error.word(), "a backup failed"),
            },
            () = shutdown.requested() => return,
        }
    }
}
