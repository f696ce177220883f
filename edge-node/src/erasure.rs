//! After something was erased by order of the hub: the backups of the folder that the settings name are
//! replaced by one that does not have it, and the database file is written anew.

use std::sync::Arc;
use std::time::Duration;

use host::Shutdown;
use host::backup::BackupError;
use host::database::WriteError;
use store::StoreError;

use crate::node::Node;

/// How often it is looked whether something is left to do.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How long until a medium that was not there is tried again.
const RETRY: Duration = Duration::from_secs(300);

/// Replaces backups where that is due, until `shutdown`.
pub(crate) async fn run(node: Arc<Node>, shutdown: Shutdown) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = shutdown.requested() => return,
        }
        if let Err(error) = rewrite(&node).await {
            tracing::warn!(%error, "the database file is not written anew yet");
        }
        // Not broken off at a shutdown: whoever reads for a backup must be done before the program ends.
        let replaced = replace_backups(&node).await;
        let failed = replaced.is_err();
        if let Err(error) = replaced {
            tracing::warn!(%error, "backups still hold what was erased");
        }
        if failed {
            tokio::select! {
                () = tokio::time::sleep(RETRY) => {}
                () = shutdown.requested() => return,
            }
        }
    }
}

async fn replace_backups(node: &Node) -> Result<(), String> {
    if node.backups.folder().is_none() {
        return Ok(());
    }
    let owed = node.readers.read(replication::erasure::backups_to_replace).await;
    let Some(owed) = owed.map_err(|error| error.to_string())? else { return Ok(()) };
    let made = match crate::backup::make(node, None).await {
        // Somebody makes one at this moment, perhaps of the state before: after it.
        Err(BackupError::Running) => return Ok(()),
        made => made.map_err(|error| error.to_string())?,
    };
    node.backups.drop_older().await.map_err(|error| error.to_string())?;
    let paid: Result<(), WriteError<StoreError>> =
        node.writer.write(move |conn, _| replication::erasure::backups_replaced(conn, owed)).await;
    paid.map_err(|error| error.to_string())?;
    tracing::info!(seq = made.backup.manifest.number, "backups were replaced after an erasure");
    Ok(())
}

/// Writes the database file anew where something was erased since that was done last.
async fn rewrite(node: &Node) -> Result<(), String> {
    let owed = node.readers.read(replication::erasure::file_to_rewrite).await;
    let Some(owed) = owed.map_err(|error| error.to_string())? else { return Ok(()) };
    if !node.writer.rewrite().await {
        return Ok(());
    }
    let noted: Result<(), WriteError<StoreError>> =
        node.writer.write(move |conn, _| replication::erasure::file_rewritten(conn, owed)).await;
    noted.map_err(|error| error.to_string())
}
