//! Backups of a hub: made, tried out, brought back.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use host::backup::{About, Backup, BackupError, Cause, Keys, Made};
use host::control::Answer;
use host::{Random, Shutdown};
use pages::BackupHealth;
use replication::hub::SqliteHub;
use replication::hub::durable::{self, Mark};
use store::Connection;
use vocab::Timestamp;
use workflows::schema;

use crate::node::Hub;

/// Whose backups those with these keys are.
#[must_use]
pub fn about(keys: &Keys) -> About {
    let node = sync_protocol::signature::node_id(keys.node_seed()).to_string();
    About { program: "hub", version: env!("CARGO_PKG_VERSION"), node }
}

/// Makes a backup in `to`, or where the settings say. What a backup on a second medium covers is
/// recorded and told to the clinics that are connected; the others hear it when they greet.
pub(crate) async fn make(hub: &Hub, to: Option<PathBuf>) -> Result<Made<Vec<Mark>>, BackupError> {
    let incarnation = |conn: &Connection| SqliteHub::new(conn).incarnation().map(Some);
    let look = |copy: &Connection| Ok(durable::covered(copy)?);
    let made = hub.backups.make(&hub.readers, &hub.clock, to, incarnation, look).await?;
    if made.counts {
        let marks = made.found.clone();
        let marked = hub.writer.write(move |conn, _| durable::mark(conn, &marks)).await;
        let moved = marked.map_err(|error| BackupError::NotMarked(error.into()))?;
        hub.sessions.durable(&moved);
    }
    Ok(made)
}

/// Makes backups as often as the settings want, until `shutdown`.
pub(crate) async fn run(hub: Arc<Hub>, shutdown: Shutdown) {
    let make = || {
        let hub = Arc::clone(&hub);
        async move { make(&hub, None).await }
    };
    host::backup::run(&hub.backups, &hub.clock, shutdown, make).await;
}

/// How backups stand, for whatever watches the program.
pub(crate) async fn health(hub: &Hub) -> BackupHealth {
    let standing = hub.backups.standing(hub.clock.now()).await;
    BackupHealth {
        state: standing.state().word(),
        age_seconds: standing.age_seconds(),
        last_error: standing.failed.as_ref().map(|failed| failed.word),
    }
}

/// Tries out the backup `from`, or the newest of the folder `from` or of the settings.
pub(crate) fn drill(
    hub: &Hub,
    from: Option<PathBuf>,
    keys: Option<PathBuf>,
) -> Result<Answer, BackupError> {
    let order = hub.backups.drill(from, keys, hub.clock.now())?;
    let (now, incarnation) = (hub.clock.now(), hub.random.number());
    Ok(Answer::streamed(&hub.readers, move |live, mut out| {
        host::backup::drill(
            &order,
            live,
            &mut out,
            about,
            |conn| begin_again(conn, now, incarnation),
            |conn, mut out: &mut dyn Write| {
                Ok(export::verification(conn, &mut out, replication::hub::verify)?)
            },
        )
    }))
}

/// Brings a backup into the data folder `data`, which holds none, as another life of the hub: clinics
/// notice that it is one, and it is marked as restored.
///
/// # Errors
///
/// [`BackupError`] in one sentence; a database is never overwritten.
pub fn restore(
    data: &Path,
    from: &Path,
    keys: Option<&Path>,
    now: Timestamp,
    random: &Random,
) -> Result<Backup, BackupError> {
    let incarnation = random.number();
    let restored =
        host::backup::restore(from, keys, data, about, |conn| begin_again(conn, now, incarnation))?;
    host::folder::write_missing(&host::folder::config(data), crate::config::EXAMPLE.as_bytes())?;
    Ok(restored)
}

/// What a restore does to the database before anybody can open it.
fn begin_again(conn: &mut Connection, now: Timestamp, incarnation: u64) -> Result<(), Cause> {
    store::migrate(conn, schema::HUB)?;
    Ok(replication::hub::begin_again(conn, now, incarnation)?)
}
