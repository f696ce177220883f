//! Waits for other nodes: decides who gets in, and hands over links and requests to join.
//!
//! Every handshake runs in a task of its own with a time limit, so a slow, broken or hostile client
//! never keeps another one waiting. Beyond [`PENDING_MAX`] at once newcomers are told to come back;
//! from [`PENDING_TRUSTED`] on they must first prove that they receive at their address. Those who come
//! over TCP are counted apart, see `tcp::door`.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use quinn::crypto::rustls::HandshakeData;
use quinn::rustls::pki_types::CertificateDer;
use quinn::{Connection, Endpoint, TokioRuntime};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::timeout;

use crate::carrier::Carrier;
use crate::close_code;
use crate::config::{self, ConfigError, LinkProfile, Server};
use crate::identity::{KEY_BYTES, TlsIdentity, decode_spki, short};
use crate::join::JoinRequest;
use crate::lanes::code;
use crate::link::{Link, Verdict};
use crate::pinning::{Admission, Gate, Purpose};
use crate::registry::Registry;
use crate::socket;
use crate::tcp;

/// Handshakes and requests to join that may be under way at once.
///
/// At 1,190 handshakes a second on a slow machine 128 are a tenth of a second of work; a thousand
/// clinics that return at once are let in within one.
pub const PENDING_MAX: usize = 128;

/// From here on a newcomer must show, by a round trip, that its address is its own.
pub const PENDING_TRUSTED: usize = 32;

/// A handshake is given up after this: a lost first packet is sent again after 3 s and 9 s where
/// the first round trip is taken to be 1 s.
pub(crate) const HANDSHAKE_TIME: Duration = Duration::from_secs(15);

/// What was let in waits this long to be taken by [`Listener::accept`].
const HAND_OVER_TIME: Duration = Duration::from_secs(10);

/// A stopping listener waits this long for its last packets to leave.
const STOP_WAIT: Duration = Duration::from_secs(1);

/// Why a listener could not start.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is in use or not this machine's.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The same over TCP.
    #[error(
        "cannot listen on TCP {address}; choose another address for TCP, or switch it off (clinics \
         whose network lets no UDP through then have no way here)"
    )]
    BindTcp {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// See [`ConfigError`].
    #[error(transparent)]
    Config(#[from] ConfigError),
}

/// Who has come.
#[derive(Debug)]
pub enum Incoming {
    /// An enrolled node, on a link.
    Sync(Link),
    /// Somebody who asks to be enrolled.
    Join(JoinRequest),
}

/// What happened at the door since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ListenerCounts {
    /// Links and requests to join that were let in.
    pub admitted: u64,
    /// Handshakes that failed: an unknown or revoked key, no key, another protocol, no end of it.
    pub refused: u64,
    /// Newcomers turned away because too much was going on.
    pub busy: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    admitted: AtomicU64,
    refused: AtomicU64,
    pub(crate) busy: AtomicU64,
}

/// Accepts other nodes at one address. Closed when dropped.
pub struct Listener {
    endpoint: Endpoint,
    local_addr: SocketAddr,
    tcp_addr: Option<SocketAddr>,
    arrivals: Mutex<mpsc::Receiver<Incoming>>,
    door: Arc<Door>,
    stopped: watch::Sender<bool>,
}

/// Where else than over UDP a listener hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TcpDoor {
    /// On the same address and port, over TCP.
    Same,
    /// Over TCP on another address.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

/// What the tasks of the accept loops share.
pub(crate) struct Door {
    pub(crate) server: Server,
    pub(crate) profile: LinkProfile,
    pub(crate) registry: Arc<Registry>,
    pub(crate) counters: Counters,
    pending: AtomicUsize,
    /// Heard by every link over TCP until its peer was told of its end.
    pub(crate) telling: watch::Sender<()>,
}

impl Listener {
    /// Listens on `address` over UDP alone; port 0 takes a free one. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`ListenError::Bind`] and [`ListenError::Config`].
    pub fn bind(
        address: SocketAddr,
        identity: &TlsIdentity,
        admission: Arc<dyn Admission>,
        profile: LinkProfile,
    ) -> Result<Self, ListenError> {
        Self::bind_both(address, TcpDoor::Off, identity, admission, profile)
    }

    /// Listens on `address` over UDP, and over TCP as `tcp` says; port 0 takes one that is free for
    /// both. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// Any [`ListenError`].
    pub fn bind_both(
        address: SocketAddr,
        tcp: TcpDoor,
        identity: &TlsIdentity,
        admission: Arc<dyn Admission>,
        profile: LinkProfile,
    ) -> Result<Self, ListenError> {
        let cannot = |source| ListenError::Bind { address, source };
        let server = Server::new(identity, admission, profile)?;
        let (bound, tcp) = bind(address, tcp)?;
        warn_if_small(bound.granted_bytes);
        let endpoint = Endpoint::new(
            config::listening_endpoint(identity),
            Some(server.base()),
            bound.socket,
            Arc::new(TokioRuntime),
        )
        .map_err(cannot)?;
        let local_addr = endpoint.local_addr().map_err(cannot)?;
        let tcp_addr = tcp.as_ref().map(TcpListener::local_addr).transpose();
        let tcp_addr = tcp_addr.map_err(|source| ListenError::BindTcp { address, source })?;
        let (sender, arrivals) = mpsc::channel(PENDING_MAX);
        let door = Arc::new(Door {
            server,
            profile,
            registry: Arc::default(),
            counters: Counters::default(),
            pending: AtomicUsize::new(0),
            telling: watch::Sender::new(()),
        });
        let stopped = watch::Sender::new(false);
        if let Some(tcp) = tcp {
            let (door, sender) = (Arc::clone(&door), sender.clone());
            tokio::spawn(tcp::run(tcp, door, sender, stopped.subscribe()));
        }
        tokio::spawn(run(endpoint.clone(), Arc::clone(&door), sender));
        Ok(Self { endpoint, local_addr, tcp_addr, arrivals: Mutex::new(arrivals), door, stopped })
    }

    /// The address in use, with the port that was chosen.
    #[must_use]
    pub const fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The address in use over TCP, if any.
    #[must_use]
    pub const fn tcp_addr(&self) -> Option<SocketAddr> {
        self.tcp_addr
    }

    /// The next to have come; `None` after [`close`](Self::close).
    pub async fn accept(&self) -> Option<Incoming> {
        self.arrivals.lock().await.recv().await
    }

    /// Closes every link of `key` at once, and answers how many there were. Call it after the
    /// [`Admission`] has forgotten the key; a link that is being made meanwhile asks it again.
    pub fn cut(&self, key: &[u8; KEY_BYTES]) -> usize {
        let count = self.door.registry.cut(key);
        tracing::info!(peer = %short(key), count, "a key was cut off");
        count
    }

    /// How many links are open now.
    #[must_use]
    pub fn links(&self) -> usize {
        self.door.registry.len()
    }

    /// What happened at the door so far.
    #[must_use]
    pub fn counts(&self) -> ListenerCounts {
        let counters = &self.door.counters;
        ListenerCounts {
            admitted: counters.admitted.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
            busy: counters.busy.load(Ordering::Relaxed),
        }
    }

    /// Closes every link and waits a second at most until the peers have been told.
    pub async fn close(&self) {
        self.stop();
        let told = async { tokio::join!(self.endpoint.wait_idle(), self.door.telling.closed()) };
        let _ = timeout(STOP_WAIT, told).await;
    }

    fn stop(&self) {
        self.stopped.send_replace(true);
        self.endpoint.close(code(close_code::STOPPING), b"stopping");
        self.door.registry.stop();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("local_addr", &self.local_addr).finish_non_exhaustive()
    }
}

/// Tries to find a port that is free for both.
const PORT_TRIES: usize = 16;

fn bind(
    address: SocketAddr,
    tcp: TcpDoor,
) -> Result<(socket::Bound, Option<TcpListener>), ListenError> {
    let cannot = |source| ListenError::Bind { address, source };
    let mut tries = 0;
    loop {
        tries += 1;
        let bound = socket::bind(address).map_err(cannot)?;
        let over_tcp = match tcp {
            TcpDoor::Off => return Ok((bound, None)),
            TcpDoor::At(address) => address,
            TcpDoor::Same => bound.socket.local_addr().map_err(cannot)?,
        };
        let another_would_do = tcp == TcpDoor::Same && address.port() == 0;
        match tcp::listen(over_tcp) {
            Ok(listener) => return Ok((bound, Some(listener))),
            Err(error)
                if another_would_do
                    && tries < PORT_TRIES
                    && error.kind() == io::ErrorKind::AddrInUse => {}
            Err(source) => return Err(ListenError::BindTcp { address: over_tcp, source }),
        }
    }
}

/// What to do with a newcomer while `pending` others are at the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reception {
    Welcome,
    ProveAddress,
    ComeBack,
}

const fn receive(pending: usize, address_proved: bool) -> Reception {
    match pending {
        PENDING_MAX.. => Reception::ComeBack,
        PENDING_TRUSTED.. if !address_proved => Reception::ProveAddress,
        _ => Reception::Welcome,
    }
}

/// The accept loop. Nothing a client does ends it; it ends when the endpoint is closed.
async fn run(endpoint: Endpoint, door: Arc<Door>, arrivals: mpsc::Sender<Incoming>) {
    while let Some(newcomer) = endpoint.accept().await {
        let pending = door.pending.load(Ordering::Relaxed);
        match receive(pending, newcomer.remote_address_validated()) {
            Reception::Welcome => {
                let (visit, arrivals) = (Visit::begin(&door), arrivals.clone());
                tokio::spawn(async move {
                    let door = &visit.0;
                    door.note(door.welcome(newcomer, &arrivals).await);
                });
            }
            // An address that is not proved may always be asked to prove itself.
            Reception::ProveAddress => drop(newcomer.retry()),
            Reception::ComeBack => {
                door.counters.busy.fetch_add(1, Ordering::Relaxed);
                newcomer.refuse();
            }
        }
    }
}

/// A newcomer at the door, counted until it is let in, refused, or its task has failed.
struct Visit(Arc<Door>);

impl Visit {
    fn begin(door: &Arc<Door>) -> Self {
        door.pending.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(door))
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Why a newcomer was not let in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refused {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("the handshake failed: {0}")]
    Handshake(#[from] quinn::ConnectionError),
    #[error("the handshake failed: {0}")]
    Tls(io::Error),
    #[error("it took too long")]
    Late,
    #[error("the peer's key or protocol cannot be read")]
    Unreadable,
    #[error("the key was revoked during the handshake")]
    Revoked,
    #[error(transparent)]
    Join(#[from] crate::join::JoinError),
    #[error("nobody takes it")]
    Busy,
}

impl Door {
    /// Counts how a visit ended.
    pub(crate) fn note(&self, welcomed: Result<(), Refused>) {
        let counter = match welcomed {
            Ok(()) => &self.counters.admitted,
            Err(refused) => {
                tracing::debug!(%refused, "a newcomer was not let in");
                &self.counters.refused
            }
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    /// Brings one connection through its handshake and hands it over.
    async fn welcome(
        &self,
        newcomer: quinn::Incoming,
        arrivals: &mpsc::Sender<Incoming>,
    ) -> Result<(), Refused> {
        let (config, gate) = self.server.fresh()?;
        let connecting = newcomer.accept_with(config)?;
        let connection =
            timeout(HANDSHAKE_TIME, connecting).await.map_err(|_late| Refused::Late)??;
        let (key, purpose) = who(&connection).ok_or(Refused::Unreadable)?;
        // The gate judged the key by what the client asked for; what was agreed must be that.
        if gate.purpose() != Some(purpose) {
            return Err(Refused::Unreadable);
        }
        let arrival = match purpose {
            Purpose::Sync => Incoming::Sync(self.link(connection, key, &gate)?),
            Purpose::Join => Incoming::Join(JoinRequest::read(connection, key).await?),
        };
        self.hand_over(arrival, arrivals).await
    }

    /// Hands over who was let in.
    pub(crate) async fn hand_over(
        &self,
        arrival: Incoming,
        arrivals: &mpsc::Sender<Incoming>,
    ) -> Result<(), Refused> {
        match (timeout(HAND_OVER_TIME, arrivals.reserve()).await, arrival) {
            (Ok(Ok(place)), arrival) => {
                place.send(arrival);
                Ok(())
            }
            (Ok(Err(_)) | Err(_), Incoming::Sync(link)) => {
                link.close(close_code::BUSY, "nobody takes the link");
                Err(Refused::Busy)
            }
            // Dropped, it refuses.
            (Ok(Err(_)) | Err(_), Incoming::Join(_)) => Err(Refused::Busy),
        }
    }

    fn link(
        &self,
        connection: Connection,
        key: [u8; KEY_BYTES],
        gate: &Gate,
    ) -> Result<Link, Refused> {
        let verdict = Arc::new(Verdict::default());
        self.registry.insert(key, Carrier::Quic(connection.clone(), Arc::clone(&verdict)));
        // Whoever revokes forgets the key first and cuts afterwards. Either the cut finds this
        // connection, or the key is already forgotten here.
        if !self.server.admission().is_enrolled(&key) {
            verdict.close(&connection, close_code::REVOKED, b"revoked");
            return Err(Refused::Revoked);
        }
        let narrow = gate.narrow().load(Ordering::Relaxed);
        let profile = if narrow { LinkProfile::Narrow } else { self.profile };
        Ok(Link::start(connection, key, profile, verdict))
    }
}

/// The key the client proved and the protocol that was agreed.
fn who(connection: &Connection) -> Option<([u8; KEY_BYTES], Purpose)> {
    let identity = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    let key = decode_spki(identity.first()?).ok()?;
    let data = connection.handshake_data()?.downcast::<HandshakeData>().ok()?;
    Some((key, Purpose::from_alpn(&data.protocol?)?))
}

fn warn_if_small(granted_bytes: usize) {
    if granted_bytes < socket::BUFFER_BYTES {
        tracing::warn!(
            granted_bytes,
            wanted_bytes = socket::BUFFER_BYTES,
            "the kernel grants small UDP buffers; many clinics returning at once will have to \
             retry (raise net.core.rmem_max and net.core.wmem_max)"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn newcomers_are_received_by_how_many_are_at_the_door() {
        check(0, false, Reception::Welcome);
        check(31, false, Reception::Welcome);
        check(32, false, Reception::ProveAddress);
        check(32, true, Reception::Welcome);
        check(127, true, Reception::Welcome);
        check(128, true, Reception::ComeBack);
        check(128, false, Reception::ComeBack);
    }

    #[track_caller]
    fn check(pending: usize, address_proved: bool, expected: Reception) {
        assert_eq!(receive(pending, address_proved), expected);
    }
}
