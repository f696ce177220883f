//! Backups of a clinic's node: made, tried out, brought back.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use host::Shutdown;
use host::backup::{About, Backup, BackupError, Cause, Keys, Made};
use host::control::Answer;
use pages::BackupHealth;
use store::Connection;
use sync_protocol::NodeId;
use workflows::schema;

use crate::node::Node;

/// Whose backups those with these keys are: a node keeps the name of its first key.
#[must_use]
pub fn about(keys: &Keys) -> About {
    let now = sync_protocol::signature::node_id(keys.node_seed());
    let node = keys.name().map_or(now, |first| NodeId(*first)).to_string();
    About { program: "edge-node", version: env!("CARGO_PKG_VERSION"), node }
}

/// Makes a backup in `to`, or where the settings say.
pub(crate) async fn make(node: &Node, to: Option<PathBuf>) -> Result<Made<()>, BackupError> {
    node.backups.make(&node.readers, &node.clock, to, |_| Ok(None), |_| Ok(())).await
}

/// Makes backups as often as the settings want, until `shutdown`.
pub(crate) async fn run(node: Arc<Node>, shutdown: Shutdown) {
    let make = || {
        let node = Arc::clone(&node);
        async move { make(&node, None).await }
    };
    host::backup::run(&node.backups, &node.clock, shutdown, make).await;
}

/// How backups stand, for whatever watches the program.
pub(crate) async fn health(node: &Node) -> BackupHealth {
    let standing = node.backups.standing(node.clock.now()).await;
    BackupHealth {
        state: standing.state().word(),
        age_seconds: standing.age_seconds(),
        last_error: standing.failed.as_ref().map(|failed| failed.word),
    }
}

/// Tries out the backup `from`, or the newest of the folder `from` or of the settings.
pub(crate) fn drill(
    node: &Node,
    from: Option<PathBuf>,
    keys: Option<PathBuf>,
) -> Result<Answer, BackupError> {
    let order = node.backups.drill(from, keys, node.clock.now())?;
    let (me, own) = (node.key(), Keys::of_folder(node.backups.data())?);
    Ok(Answer::streamed(&node.readers, move |live, mut out| {
        host::backup::drill(
            &order,
            live,
            &mut out,
            about,
            |conn| {
                prepare(conn)?;
                Ok(crate::node::know_own_keys(conn, &own)?)
            },
            |conn, mut out: &mut dyn Write| {
                Ok(export::verification(conn, &mut out, |conn, progress| {
                    replication::edge::verify(conn, &me, progress)
                })?)
            },
        )
    }))
}

/// Brings a backup into the data folder `data`, which holds none. Nothing is changed in it: the next
/// start draws an epoch of its own, as every start does.
///
/// # Errors
///
/// [`BackupError`] in one sentence; a database is never overwritten.
pub fn restore(data: &Path, from: &Path, keys: Option<&Path>) -> Result<Backup, BackupError> {
    let restored = host::backup::restore(from, keys, data, about, prepare)?;
    host::folder::write_missing(&host::folder::config(data), crate::config::EXAMPLE.as_bytes())?;
    Ok(restored)
}

fn prepare(conn: &mut Connection) -> Result<(), Cause> {
    Ok(store::migrate(conn, schema::EDGE)?)
}
