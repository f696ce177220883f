//! The node as its parts share it: database, keys, time, boards.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};

use devices::SharedDirectory;
use directory::store::hub_link::HubLink;
use host::backup::{Keeper, Keys};
use host::control::Refusal;
use host::database::{Readers, Reset, Writer};
use host::{Clock, DataFolder, Random};
use pages::board::Board;
use replication::{Author, LedgerError};
use store::{Connection, StoreError};
use sync_protocol::NodeId;
use sync_protocol::signature::Signer;
use tokio::sync::Notify;
use transport::Roads;
use vocab::SiteId;
use workflows::{EdgeState, WorkflowError, schema};

use crate::config::Config;
use crate::hub_time::HubTime;
use crate::ingest_counts::IngestCounts;
use crate::rates::Rates;
use crate::sync_board::SyncBoard;

/// What the writer keeps beside its connection.
#[derive(Debug)]
pub struct WriterState(pub EdgeState);

impl Reset for WriterState {
    fn reset(&mut self) {
        self.0.forget();
    }
}

/// Why a node cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The data folder.
    #[error(transparent)]
    Folder(#[from] host::folder::FolderError),
    /// The settings.
    #[error(transparent)]
    Config(#[from] host::config::ConfigError),
    /// The database.
    #[error("opening the database")]
    Store(#[from] StoreError),
    /// The rules that raise alerts.
    #[error(transparent)]
    Rules(#[from] alerts::rules::BadRules),
    /// The writing side.
    #[error("opening this node's chains")]
    Ledger(#[from] LedgerError),
}

/// The keys that a node signs and connects with.
pub(crate) struct OwnKeys {
    pub(crate) key: NodeId,
    pub(crate) node_seed: [u8; 32],
    pub(crate) tls_seed: [u8; 32],
}

impl std::fmt::Debug for OwnKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OwnKeys({})", self.key.short())
    }
}

/// A change of keys that is under way.
#[derive(Debug, Default)]
pub(crate) struct Rotation {
    /// Notified when keys were prepared: a conversation under the old ones ends.
    pub(crate) wanted: Notify,
    refused: Mutex<Option<String>>,
}

impl Rotation {
    /// Why the hub did not take the new keys, the last time.
    pub(crate) fn refused(&self) -> Option<String> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn set_refused(&self, why: &str) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
    }

    pub(crate) fn clear_refused(&self) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// A clinic's node with its database open. One per data folder.
#[derive(Debug)]
pub struct Node {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    /// The one writer.
    pub writer: Writer<WriterState>,
    /// Readers beside it.
    pub readers: Readers,
    /// Replaced when the node goes over to new ones.
    keys: RwLock<Arc<OwnKeys>>,
    pub(crate) rotation: Rotation,
    site: OnceLock<SiteId>,
    pub(crate) devices: SharedDirectory,
    pub(crate) board: Board,
    pub(crate) counts: IngestCounts,
    pub(crate) rates: Rates,
    pub(crate) sync: SyncBoard,
    /// What time it is by the hub, and what is locked by that.
    pub(crate) time: Arc<HubTime>,
    /// Which road to the hub works.
    pub(crate) roads: Roads,
    /// Something was let go, and older versions of its pages are still in the WAL.
    pub(crate) wal_holds_deleted: AtomicBool,
    /// Notified after a commit that queued entries for the hub.
    pub(crate) outbox_grew: Notify,
    pub(crate) backups: Keeper,
    pub(crate) folder: DataFolder,
}

impl Node {
    /// Makes a data folder: keys, settings, database.
    ///
    /// # Errors
    ///
    /// [`StartError::Folder`] when there is one already; nothing is overwritten.
    pub fn init(path: &Path, random: &Random) -> Result<(), StartError> {
        let made = DataFolder::create(path, random, |folder| -> Result<(), StartError> {
            host::folder::write_whole(&folder.config(), crate::config::EXAMPLE.as_bytes())?;
            let (database, key) = (folder.database(), folder.database_key()?);
            let mut conn = store::open(&database, &key, store::Access::Write)?;
            store::migrate(&mut conn, schema::EDGE)?;
            Ok(())
        });
        made.map(|_| ())
    }

    /// Opens the data folder at `path`, which no other program may hold. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`StartError`].
    pub fn open(path: &Path, clock: Clock, random: Random) -> Result<Self, StartError> {
        let folder = DataFolder::open(path)?;
        folder.finish_next()?;
        let config: Config = host::config::load(&folder.config())?;
        let held = Keys::of_folder(path)?;
        let about = crate::backup::about(&held);
        let seeds = folder.seeds()?;
        let (database, key) = (folder.existing_database()?, folder.database_key()?);
        let (site, state, devices, last_success, kept) = {
            let mut conn = store::open(&database, &key, store::Access::Write)?;
            store::migrate(&mut conn, schema::EDGE)?;
            know_own_keys(&conn, &held)?;
            let (site, state, devices) = begin(&conn, &seeds.node, &random)?;
            let last_success = replication::edge::last_success(&conn)?;
            let kept = replication::edge::lease::kept_time(&conn)?;
            (site, state, devices, last_success, kept)
        };
        let keys = OwnKeys {
            key: sync_protocol::signature::node_id(&seeds.node),
            node_seed: *seeds.node,
            tls_seed: *seeds.tls,
        };
        let (writer, readers) =
            host::database::open(&database, &key, schema::EDGE, WriterState(state))?;
        Ok(Self {
            backups: Keeper::new(config.backup.clone(), path, about),
            rates: Rates::new(config.devices.batches_per_second, config.devices.batches_burst),
            config,
            time: Arc::new(HubTime::new(clock.clone(), kept, last_success)),
            clock,
            random,
            writer,
            readers,
            keys: RwLock::new(Arc::new(keys)),
            rotation: Rotation::default(),
            site: site.map_or_else(OnceLock::new, OnceLock::from),
            devices,
            board: Board::default(),
            counts: IngestCounts::default(),
            sync: SyncBoard::new(last_success),
            roads: Roads::default(),
            // What a process before this one let go may be there.
            wal_holds_deleted: AtomicBool::new(true),
            outbox_grew: Notify::new(),
            folder,
        })
    }

    /// The name that this node signs with.
    #[must_use]
    pub fn key(&self) -> NodeId {
        self.keys().key
    }

    /// The keys in use.
    pub(crate) fn keys(&self) -> Arc<OwnKeys> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn set_keys(&self, keys: Arc<OwnKeys>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Bytes to and from the hub since the start, as UDP or TCP carried them.
    #[must_use]
    pub fn link_bytes(&self) -> (u64, u64) {
        let facts = self.sync.facts(self.clock.now());
        (facts.link_sent_bytes, facts.link_received_bytes)
    }

    /// Whether a conversation is open in which nothing waits, in either direction.
    #[must_use]
    pub fn is_in_step(&self) -> bool {
        let facts = self.sync.facts(self.clock.now());
        facts.session_open && facts.steady && facts.idle
    }

    /// The clinic's id, once a hub has given it one.
    ///
    /// # Errors
    ///
    /// A sentence that says how to get one.
    pub(crate) fn own_site(&self) -> Result<SiteId, Refusal> {
        self.site.get().copied().ok_or_else(|| Refusal::new(WorkflowError::NotJoined.to_string()))
    }

    /// As [`own_site`](Self::own_site), or an id that no site has.
    pub(crate) fn site_or_none(&self) -> SiteId {
        self.site.get().copied().unwrap_or(SiteId::from_bytes([0; 16]))
    }

    /// The hub gave the clinic its id.
    pub(crate) fn joined(&self, site: SiteId) {
        // A node joins once.
        let _ = self.site.set(site);
        self.sync.join();
    }

    /// The hub this clinic belongs to, once it has joined one.
    pub(crate) async fn hub_link(&self) -> Option<HubLink> {
        let found = self.readers.read(directory::store::hub_link::hub_link).await;
        found.unwrap_or_else(|error| {
            tracing::warn!(%error, "reading the hub's address failed");
            None
        })
    }
}

/// A database that came back from a backup of before a change of keys does not know that the key in use
/// succeeds the one that it names. Keys between the two come with the directory.
pub(crate) fn know_own_keys(conn: &Connection, keys: &Keys) -> Result<(), StoreError> {
    let Some(first) = keys.name() else { return Ok(()) };
    let current = sync_protocol::signature::node_id(keys.node_seed());
    replication::ledger::signing_keys::succeed(conn, &NodeId(*first), &current)
}

/// Opens the writing side of a process that just started, with an epoch of its own.
fn begin(
    conn: &Connection,
    seed: &[u8; 32],
    random: &Random,
) -> Result<(Option<SiteId>, EdgeState, SharedDirectory), StartError> {
    let site = directory::store::hub_link::hub_link(conn)?.map(|hub| hub.site);
    let draw = random.clone();
    let fill = Box::new(move |bytes: &mut [u8]| draw.fill(bytes));
    let author = Author::start(conn, Signer::from_seed(seed), fill)?;
    let devices = SharedDirectory::new(devices::store::directory(conn)?);
    let rules = alerts::RuleTable::built_in()?;
    Ok((site, EdgeState::new(author, site, rules), devices))
}
