//! The hub as its parts share it: database, keys, time, conversations.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Mutex, OnceLock};

use directory::WrongTries;
use host::backup::Keeper;
use host::database::{Readers, Reset, Writer};
use host::{Clock, DataFolder, Random};
use pages::board::Board;
use replication::hub::SqliteHub;
use replication::{Author, LedgerError};
use store::{Connection, StoreError};
use sync_protocol::NodeId;
use sync_protocol::exchange::Places;
use sync_protocol::signature::Signer;
use tokio::sync::Notify;
use transport::TlsIdentity;
use workflows::schema;

use crate::config::Config;
use crate::keys::Keys;
use crate::sessions::Sessions;
use crate::sites_board::{SitesBoard, Traffic};

/// What the writer keeps beside its connection.
#[derive(Debug)]
pub struct WriterState {
    /// Signs what the hub's authority says.
    pub author: Author,
}

impl Reset for WriterState {
    fn reset(&mut self) {}
}

/// Why a hub cannot start.
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
    /// The writing side.
    #[error("opening the hub's chains")]
    Ledger(#[from] LedgerError),
    /// The key of connections.
    #[error("reading the connection key")]
    Identity(#[from] transport::identity::IdentityError),
}

/// A hub with its database open. One per data folder.
#[derive(Debug)]
pub struct Hub {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    /// The one writer.
    pub writer: Writer<WriterState>,
    /// Readers beside it.
    pub readers: Readers,
    /// The name that the hub signs with.
    pub key: NodeId,
    /// The key that it is known by when it is called.
    pub tls_key: [u8; 32],
    pub(crate) identity: TlsIdentity,
    pub(crate) node_seed: [u8; 32],
    pub(crate) keys: Keys,
    /// Notified when a command changed who is let in.
    pub(crate) keys_changed: Notify,
    pub(crate) sessions: Sessions,
    /// Places that all conversations share.
    pub(crate) reconciliations: Places,
    pub(crate) board: Board,
    pub(crate) sites: SitesBoard,
    pub(crate) traffic: Traffic,
    /// Where clinics connect to, once it listens.
    pub listening: OnceLock<SocketAddr>,
    pub(crate) wrong_tries: Mutex<WrongTries>,
    pub(crate) backups: Keeper,
    /// One at a time replaces backups after an erasure.
    pub(crate) replacing: tokio::sync::Mutex<()>,
    _folder: DataFolder,
}

impl Hub {
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
            store::migrate(&mut conn, schema::HUB)?;
            SqliteHub::new(&conn).begin(random.number())?;
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
        let config: Config = host::config::load(&folder.config())?;
        let about = crate::backup::about(&host::backup::Keys::of_folder(path)?);
        let seeds = folder.seeds()?;
        let identity = TlsIdentity::from_seed(&seeds.tls)?;
        let (database, key) = (folder.existing_database()?, folder.database_key()?);
        let (keys, author) = {
            let mut conn = store::open(&database, &key, store::Access::Write)?;
            store::migrate(&mut conn, schema::HUB)?;
            replication::hub::fill_in_leases(&conn, clock.now())?;
            begin(&conn, &seeds.node, &random)?
        };
        let node_key = author.node();
        let state = WriterState { author };
        let (writer, readers) = host::database::open(&database, &key, schema::HUB, state)?;
        Ok(Self {
            backups: Keeper::new(config.backup.clone(), path, about),
            config,
            clock,
            random,
            writer,
            readers,
            key: node_key,
            tls_key: *identity.public_key(),
            identity,
            node_seed: *seeds.node,
            keys,
            keys_changed: Notify::new(),
            sessions: Sessions::default(),
            reconciliations: Places::default(),
            board: Board::default(),
            sites: SitesBoard::default(),
            traffic: Traffic::default(),
            listening: OnceLock::new(),
            wrong_tries: Mutex::default(),
            replacing: tokio::sync::Mutex::default(),
            _folder: folder,
        })
    }
}

fn begin(
    conn: &Connection,
    seed: &[u8; 32],
    random: &Random,
) -> Result<(Keys, Author), StartError> {
    let draw = random.clone();
    let fill = Box::new(move |bytes: &mut [u8]| draw.fill(bytes));
    let author = Author::start(conn, Signer::from_seed(seed), fill)?;
    Ok((Keys::load(conn)?, author))
}
