//! Going to a server over TCP.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, Error};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::{TlsConnector, TlsStream};

use super::counted::Counted;
use super::message::{self, NoMessage};
use super::session::{Side, explain, leave};
use super::{Tls, socket};
use crate::Dialer;
use crate::close_code;
use crate::config::{self, SERVER_NAME};
use crate::dialer::{DialError, check_request};
use crate::identity::KEY_BYTES;
use crate::join::{ANSWER_BYTES_MAX, JOIN_TIME};
use crate::link::{FINISH_WAIT, Link, LinkError};
use crate::pinning::{PinnedServer, Purpose};

impl Dialer {
    /// Makes a link to the server that holds `server_key`, over TCP.
    ///
    /// Returns after two round trips, when the server has proved its key; as with
    /// [`connect`](Self::connect), it judges ours only then.
    ///
    /// # Errors
    ///
    /// Any [`DialError`] but those of [`join`](Self::join).
    pub async fn connect_over_tcp(
        &self,
        address: SocketAddr,
        server_key: &[u8; KEY_BYTES],
    ) -> Result<Link, DialError> {
        let tls = self.dial_tcp(address, server_key, Purpose::Sync).await?;
        Ok(Link::start_over_tcp(tls, *server_key, self.profile(), Side::Dialed))
    }

    /// Sends `request` as a node that is not enrolled, and returns the answer; over TCP.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub async fn join_over_tcp(
        &self,
        address: SocketAddr,
        server_key: &[u8; KEY_BYTES],
        request: &[u8],
    ) -> Result<Vec<u8>, DialError> {
        check_request(request)?;
        ask(self.dial_tcp(address, server_key, Purpose::Join).await?, request).await
    }

    /// Brings a connection as far as the server has proved its key.
    pub(crate) async fn dial_tcp(
        &self,
        address: SocketAddr,
        server_key: &[u8; KEY_BYTES],
        purpose: Purpose,
    ) -> Result<Tls, DialError> {
        let pinned = Arc::new(PinnedServer::new(server_key));
        let (identity, profile) = (self.identity(), self.profile());
        let config = config::client_over_tcp(identity, Arc::clone(&pinned), purpose, profile)?;
        let name =
            ServerName::try_from(SERVER_NAME).map_err(|_| DialError::Incompatible(address))?;
        let dialing = async {
            let stream = TcpStream::connect(address).await?;
            socket::keep_little(&stream, profile);
            let connector = TlsConnector::from(Arc::new(config));
            connector.connect(name, Counted::new(stream)).await
        };
        let tls = match timeout(self.connect_time(), dialing).await {
            Ok(Ok(tls)) => tls,
            Ok(Err(_)) if pinned.refused() => return Err(DialError::WrongServerKey(address)),
            Ok(Err(error)) => return Err(not_connected(&error, address)),
            Err(_late) => return Err(DialError::Unreachable(address)),
        };
        // TLS leaves it to us whether a server may pass the protocol over in silence.
        if tls.get_ref().1.alpn_protocol() != Some(purpose.alpn()) {
            return Err(DialError::Incompatible(address));
        }
        Ok(TlsStream::Client(tls))
    }
}

/// Sends the one request of a joining connection, and returns the answer.
pub(crate) async fn ask(mut tls: Tls, request: &[u8]) -> Result<Vec<u8>, DialError> {
    let asked = timeout(JOIN_TIME, async {
        // A server that refuses may do so before all is sent; what it says is read below.
        let _ = message::send(&mut tls, request).await;
        message::receive(&mut tls, ANSWER_BYTES_MAX).await
    });
    let answer = match asked.await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(NoMessage::Unfit)) => Err(DialError::AnswerTooLong),
        Ok(Err(NoMessage::Ended(ended))) => Err(DialError::Ended(ended)),
        Err(_late) => Err(DialError::Late),
    };
    let code = if answer.is_ok() { close_code::DONE } else { close_code::JOIN_LATE };
    let _ = timeout(FINISH_WAIT, leave(&mut tls, Some(code))).await;
    answer
}

fn not_connected(error: &io::Error, address: SocketAddr) -> DialError {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match (tls, error.kind()) {
        (Some(Error::AlertReceived(AlertDescription::AccessDenied)), _) => {
            DialError::Ended(explain(error))
        }
        // An answer, but none of ours: a web server, a page that asks for a password.
        (Some(_), _) => DialError::Incompatible(address),
        (
            None,
            io::ErrorKind::UnexpectedEof
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe,
        ) => DialError::Ended(LinkError::Forgotten),
        (None, _) => DialError::Unreachable(address),
    }
}
