//! Goes to other nodes: one UDP socket, any number of links, each to a server whose key is known.
//!
//! How it goes over TCP is in `tcp::dial`; [`Roads`](crate::Roads) chooses.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::{ConnectError, Connection, ConnectionError, Endpoint, TokioRuntime, TransportConfig};
use tokio::time::timeout;

use crate::close_code;
use crate::config::{self, ConfigError, LinkProfile, SERVER_NAME};
use crate::identity::{KEY_BYTES, TlsIdentity};
use crate::join::{ANSWER_BYTES_MAX, JOIN_TIME, REQUEST_BYTES_MAX};
use crate::lanes::code;
use crate::link::{Link, LinkError, Verdict};
use crate::pinning::{PinnedServer, Purpose};
use crate::socket::{self, Bound};

/// A wide server that has not answered by then is not there.
const CONNECT_TIME_WIDE: Duration = Duration::from_secs(10);

/// The same on a narrow link: first packets leave after 0, 3 and 9 s, and the last one may take
/// some seconds both ways.
const CONNECT_TIME_NARROW: Duration = Duration::from_secs(20);

/// A stopping dialer waits this long for its last packets to leave.
const STOP_WAIT: Duration = Duration::from_secs(1);

/// QUIC's `CONNECTION_REFUSED`: what a listener answers when too much is going on.
const CONNECTION_REFUSED: u64 = 2;

/// The TLS alert `no_application_protocol` as a QUIC error.
const NO_PROTOCOL: u64 = 0x100 + 120;

/// Why a server could not be reached, or a request to join had no answer.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// This machine gives no UDP socket.
    #[error("cannot open a UDP socket")]
    Socket(#[source] io::Error),
    /// See [`ConfigError`].
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Nothing answered: no network, a wrong address, a server that is down. Try again later.
    #[error("nothing answers at {0}")]
    Unreachable(SocketAddr),
    /// Somebody else answers at the address. Trying again does not help.
    #[error(
        "the server at {0} holds another key than the one this node was told to trust; either the \
         invitation is for another server or somebody is between"
    )]
    WrongServerKey(SocketAddr),
    /// The server has too much to do. Try again later.
    #[error("the server at {0} takes no connection now: it is busy or stopping")]
    Busy(SocketAddr),
    /// The server speaks another version of the protocol, or is no server of ours.
    #[error("the server at {0} speaks no protocol of ours")]
    Incompatible(SocketAddr),
    /// A request to join is empty or longer than [`REQUEST_BYTES_MAX`].
    #[error("a request to join has 1 to {REQUEST_BYTES_MAX} bytes")]
    Request,
    /// The server sent more than [`ANSWER_BYTES_MAX`] bytes.
    #[error("the answer is longer than {ANSWER_BYTES_MAX} bytes")]
    AnswerTooLong,
    /// The server took longer than [`JOIN_TIME`] for its answer; it may have acted on the request.
    #[error("no answer came in time")]
    Late,
    /// The connection ended before there was a link or an answer.
    #[error("the connection ended early")]
    Ended(#[from] LinkError),
}

impl DialError {
    /// Whether another attempt may go better: nobody answered, the server was busy, slow or stopping,
    /// or the connection broke. What it refused for good, and what is wrong here, stays so.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Busy(_) | Self::Late | Self::Ended(_) => true,
            Self::Socket(_)
            | Self::Config(_)
            | Self::WrongServerKey(_)
            | Self::Incompatible(_)
            | Self::Request
            | Self::AnswerTooLong => false,
        }
    }
}

/// Makes links to servers. Closed when dropped.
pub struct Dialer {
    endpoint: Endpoint,
    identity: TlsIdentity,
    profile: LinkProfile,
    transport: Arc<TransportConfig>,
}

impl Dialer {
    /// Opens a socket on any free port. Needs a tokio runtime.
    ///
    /// # Errors
    ///
    /// [`DialError::Socket`].
    pub fn new(identity: &TlsIdentity, profile: LinkProfile) -> Result<Self, DialError> {
        let Bound { socket, granted_bytes } = socket::bind_any().map_err(DialError::Socket)?;
        tracing::debug!(granted_bytes, "socket for outgoing links");
        let endpoint =
            Endpoint::new(config::dialing_endpoint(), None, socket, Arc::new(TokioRuntime))
                .map_err(DialError::Socket)?;
        let transport = Arc::new(config::client_transport(profile));
        Ok(Self { endpoint, identity: identity.clone(), profile, transport })
    }

    /// The local address now in use.
    ///
    /// # Errors
    ///
    /// [`DialError::Socket`].
    pub fn local_addr(&self) -> Result<SocketAddr, DialError> {
        self.endpoint.local_addr().map_err(DialError::Socket)
    }

    /// Makes a link to the server that holds `server_key`.
    ///
    /// Returns after one round trip, when the server has proved its key. The server judges our key
    /// only then: if it refuses it, the link ends with [`LinkError::NotAdmitted`] and nothing is
    /// received.
    ///
    /// # Errors
    ///
    /// Any [`DialError`] but those of [`join`](Self::join).
    pub async fn connect(
        &self,
        address: SocketAddr,
        server_key: &[u8; KEY_BYTES],
    ) -> Result<Link, DialError> {
        let connection = self.dial(address, server_key, Purpose::Sync).await?;
        Ok(Link::start(connection, *server_key, self.profile, Arc::default()))
    }

    /// Sends `request` as a node that is not enrolled, and returns the answer.
    ///
    /// # Errors
    ///
    /// Any [`DialError`]. After [`DialError::Late`] or [`DialError::Ended`] the server may have
    /// acted on the request.
    pub async fn join(
        &self,
        address: SocketAddr,
        server_key: &[u8; KEY_BYTES],
        request: &[u8],
    ) -> Result<Vec<u8>, DialError> {
        check_request(request)?;
        ask(self.dial(address, server_key, Purpose::Join).await?, request).await
    }

    /// Moves every link to a new socket at `local`, port 0 for any: the network has changed. The
    /// links go on.
    ///
    /// # Errors
    ///
    /// [`DialError::Socket`]; the old socket stays in use then.
    pub fn rebind(&self, local: SocketAddr) -> Result<(), DialError> {
        // Links that began on a socket for both families know their servers by mapped addresses.
        let local = match (self.local_addr()?, local.ip()) {
            (SocketAddr::V6(_), IpAddr::V4(ip)) => (ip.to_ipv6_mapped(), local.port()).into(),
            _ => local,
        };
        let bound = socket::bind(local).map_err(DialError::Socket)?;
        self.endpoint.rebind(bound.socket).map_err(DialError::Socket)
    }

    /// Closes every link and waits a second at most until the peers have been told.
    pub async fn close(&self) {
        self.endpoint.close(code(close_code::STOPPING), b"stopping");
        let _ = timeout(STOP_WAIT, self.endpoint.wait_idle()).await;
    }

    pub(crate) const fn profile(&self) -> LinkProfile {
        self.profile
    }

    pub(crate) const fn identity(&self) -> &TlsIdentity {
        &self.identity
    }

    pub(crate) const fn connect_time(&self) -> Duration {
        match self.profile {
            LinkProfile::Wide => CONNECT_TIME_WIDE,
            LinkProfile::Narrow => CONNECT_TIME_NARROW,
        }
    }

    /// Brings a connection as far as the server has proved its key.
    pub(crate) async fn dial(
        &self,
        address: SocketAddr,
        server_key: &[u8; KEY_BYTES],
        purpose: Purpose,
    ) -> Result<Connection, DialError> {
        let pinned = Arc::new(PinnedServer::new(server_key));
        let transport = Arc::clone(&self.transport);
        let config =
            config::client(&self.identity, Arc::clone(&pinned), purpose, self.profile, transport)?;
        let connecting = self
            .endpoint
            .connect_with(config, address, SERVER_NAME)
            .map_err(|error| not_started(&error, address))?;
        match timeout(self.connect_time(), connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(_)) if pinned.refused() => Err(DialError::WrongServerKey(address)),
            Ok(Err(error)) => Err(not_connected(error, address)),
            Err(_late) => Err(DialError::Unreachable(address)),
        }
    }
}

impl Drop for Dialer {
    fn drop(&mut self) {
        self.endpoint.close(code(close_code::STOPPING), b"stopping");
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").field("identity", &self.identity).finish_non_exhaustive()
    }
}

pub(crate) fn check_request(request: &[u8]) -> Result<(), DialError> {
    let fits = (1..=REQUEST_BYTES_MAX).contains(&request.len());
    if fits { Ok(()) } else { Err(DialError::Request) }
}

/// Sends the one request of a joining connection, and returns the answer.
pub(crate) async fn ask(connection: Connection, request: &[u8]) -> Result<Vec<u8>, DialError> {
    let answer =
        timeout(JOIN_TIME, exchange(&connection, request)).await.unwrap_or(Err(DialError::Late));
    let number = if answer.is_ok() { close_code::DONE } else { close_code::JOIN_LATE };
    Verdict::default().close(&connection, number, b"");
    answer
}

/// Sends the request and reads the answer to its end.
async fn exchange(connection: &Connection, request: &[u8]) -> Result<Vec<u8>, DialError> {
    let ended = || async { DialError::Ended(connection.closed().await.into()) };
    let Ok((mut lane, mut answer)) = connection.open_bi().await else {
        return Err(ended().await);
    };
    if lane.write_all(request).await.is_err() || lane.finish().is_err() {
        return Err(ended().await);
    }
    match answer.read_to_end(ANSWER_BYTES_MAX).await {
        Ok(answer) => Ok(answer),
        Err(quinn::ReadToEndError::TooLong) => Err(DialError::AnswerTooLong),
        Err(quinn::ReadToEndError::Read(_)) => Err(ended().await),
    }
}

fn not_started(error: &ConnectError, address: SocketAddr) -> DialError {
    match error {
        ConnectError::EndpointStopping => {
            DialError::Ended(LinkError::ClosedHere { code: close_code::STOPPING })
        }
        ConnectError::InvalidRemoteAddress(_)
        | ConnectError::CidsExhausted
        | ConnectError::InvalidServerName(_)
        | ConnectError::NoDefaultClientConfig
        | ConnectError::UnsupportedVersion => DialError::Unreachable(address),
    }
}

fn not_connected(error: ConnectionError, address: SocketAddr) -> DialError {
    match &error {
        ConnectionError::TimedOut => DialError::Unreachable(address),
        ConnectionError::VersionMismatch => DialError::Incompatible(address),
        ConnectionError::ConnectionClosed(close) => match u64::from(close.error_code) {
            CONNECTION_REFUSED => DialError::Busy(address),
            NO_PROTOCOL => DialError::Incompatible(address),
            _ => DialError::Ended(error.into()),
        },
        ConnectionError::TransportError(_)
        | ConnectionError::ApplicationClosed(_)
        | ConnectionError::Reset
        | ConnectionError::LocallyClosed
        | ConnectionError::CidsExhausted => DialError::Ended(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: &DialError, may_pass: bool) {
        assert_eq!(error.may_pass(), may_pass, "{error}");
    }

    #[test]
    fn another_attempt_helps_against_silence_and_not_against_a_refusal() {
        let at = SocketAddr::from(([192, 0, 2, 7], 443));
        for passes in [
            DialError::Unreachable(at),
            DialError::Busy(at),
            DialError::Late,
            DialError::Ended(LinkError::Forgotten),
        ] {
            check(&passes, true);
        }
        for stays in [
            DialError::WrongServerKey(at),
            DialError::Incompatible(at),
            DialError::Request,
            DialError::AnswerTooLong,
        ] {
            check(&stays, false);
        }
    }
}
