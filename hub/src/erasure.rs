//! After something was erased: nothing of it stays in the log beside the database, nor in the backups of
//! the folder that the settings name.

use std::sync::Arc;
use std::time::Duration;

use host::Shutdown;
use host::backup::BackupError;
use host::database::WriteError;
use store::StoreError;

use crate::node::Hub;

/// How often it is looked whether something is left to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long until a medium that was not there is tried again.
const RETRY: Duration = Duration::from_secs(300);

/// Writes the database file anew and replaces backups; answers with a sentence about them.
pub(crate) async fn settle(hub: &Hub) -> String {
    let rewritten = rewrite(hub).await;
    if let Err(error) = rewritten {
        tracing::warn!(%error, "the database file is not written anew yet");
    }
    match replace_backups(hub).await {
        Ok(Some(number)) => {
            format!("backup {number} was made without them, and the older ones are gone")
        }
        Ok(None) => "no backup folder is set, so no backup was replaced".to_owned(),
        Err(why) => format!(
            "the backups in the folder of the settings still have them: {why}; it is tried again until \
             they are replaced"
        ),
    }
}

/// Until `shutdown`, does what could not be done at once.
pub(crate) async fn run(hub: Arc<Hub>, shutdown: Shutdown) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.requested() => return,
        }
        if let Err(error) = rewrite(&hub).await {
            tracing::warn!(%error, "the database file is not written anew yet");
        }
        // At once after a start or a lost order came back, and then as often as media come and go.
        // Not broken off at a shutdown: whoever reads for a backup must be done before the program ends.
        let failed = replace_backups(&hub).await.is_err();
        if failed {
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = shutdown.requested() => return,
            }
        }
    }
}

/// The number of the backup that took the place of all older ones, if there was something to replace.
async fn replace_backups(hub: &Hub) -> Result<Option<u64>, String> {
    if hub.backups.folder().is_none() {
        return Ok(None);
    }
    let _alone = hub.replacing.lock().await;
    let owed = hub.readers.read(replication::erasure::backups_to_replace).await;
    let Some(owed) = owed.map_err(|error| error.to_string())? else { return Ok(None) };
    let made = match crate::backup::make(hub, None).await {
        // Somebody makes one at this moment, perhaps of the state before: after it.
        Err(BackupError::Running) => return Ok(None),
        made => made.map_err(|error| error.to_string())?,
    };
    hub.backups.drop_older().await.map_err(|error| error.to_string())?;
    let paid: Result<(), WriteError<StoreError>> =
        hub.writer.write(move |conn, _| replication::erasure::backups_replaced(conn, owed)).await;
    paid.map_err(|error| error.to_string())?;
    tracing::info!(seq = made.backup.manifest.number, "backups were replaced after an erasure");
    Ok(Some(made.backup.manifest.number))
}

/// Writes the database file anew where something was erased since that was done last.
async fn rewrite(hub: &Hub) -> Result<(), String> {
    let owed = hub.readers.read(replication::erasure::file_to_rewrite).await;
    let Some(owed) = owed.map_err(|error| error.to_string())? else { return Ok(()) };
    if !hub.writer.rewrite().await {
        return Ok(());
    }
    let noted: Result<(), WriteError<StoreError>> =
        hub.writer.write(move |conn, _| replication::erasure::file_rewritten(conn, owed)).await;
    noted.map_err(|error| error.to_string())
}
