//! One HTTP/1.1 connection of a device, kept alive between batches and opened again when lost.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, RETRY_AFTER};
use hyper::{Request, Response, Uri, body::Incoming};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long an answer may take. A node with a full disk or a long queue says so sooner.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Longest answer: 5000 outcomes with a reason and a sentence each stay below 2 MiB.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Where a node's devices upload: `http://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress(String);

/// The address is not of the form `http://HOST:PORT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a node's address is http://HOST:PORT")]
pub struct BadAddress;

impl std::str::FromStr for NodeAddress {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let uri: Uri = text.parse().map_err(|_| BadAddress)?;
        let plain = uri.scheme_str() == Some("http") && matches!(uri.path(), "" | "/");
        let authority = uri.authority().filter(|_| plain && uri.query().is_none());
        let authority = authority.filter(|authority| authority.port().is_some());
        authority.map(|authority| Self(authority.as_str().to_owned())).ok_or(BadAddress)
    }
}

/// A batch on its way.
pub(crate) struct Upload<'a> {
    pub(crate) device: &'a str,
    pub(crate) key: &'a str,
    pub(crate) digest: &'a str,
    pub(crate) body: Bytes,
}

/// What the node answered.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Bytes,
}

/// Why there was no answer; the batch may or may not have arrived.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Nobody listens, or the network is away.
    #[error("connecting: {0}")]
    Connect(#[source] std::io::Error),
    /// The connection broke.
    #[error("the connection broke: {0}")]
    Broken(#[source] hyper::Error),
    /// The answer broke off or is longer than an answer may be.
    #[error("the answer broke off: {0}")]
    Answer(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The device's name or key cannot stand in a request.
    #[error("the request cannot be made: {0}")]
    Request(#[source] hyper::http::Error),
    /// No answer came within thirty seconds.
    #[error("no answer within {} s", ANSWER_TIMEOUT.as_secs())]
    Silent,
}

/// A connection that is opened when it is first needed.
pub(crate) struct Connection {
    node: NodeAddress,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Connection {
    pub(crate) fn new(node: NodeAddress) -> Self {
        Self { node, sender: None }
    }

    /// Sends one batch and waits for the answer.
    pub(crate) async fn upload(&mut self, upload: &Upload<'_>) -> Result<Answer, LinkError> {
        // Taken out, so that a connection whose answer never came is not used again.
        let sender = self.sender.take();
        let work = async {
            let mut sender = match sender {
                Some(sender) if !sender.is_closed() => sender,
                _ => self.open().await?,
            };
            let answer = exchange(&mut sender, self.request(upload)?).await?;
            Ok((sender, answer))
        };
        let (sender, answer) =
            timeout(ANSWER_TIMEOUT, work).await.map_err(|_| LinkError::Silent)??;
        self.sender = Some(sender);
        Ok(answer)
    }

    async fn open(&self) -> Result<SendRequest<Full<Bytes>>, LinkError> {
        let stream = TcpStream::connect(&self.node.0).await.map_err(LinkError::Connect)?;
        if is_own_echo(&stream) {
            return Err(LinkError::Connect(std::io::ErrorKind::ConnectionRefused.into()));
        }
        stream.set_nodelay(true).map_err(LinkError::Connect)?;
        let opened = http1::handshake(TokioIo::new(stream)).await;
        let (sender, connection) = opened.map_err(LinkError::Broken)?;
        // Ends with its sender; what breaks it is said to whoever waits for an answer.
        tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(sender)
    }

    fn request(&self, upload: &Upload<'_>) -> Result<Request<Full<Bytes>>, LinkError> {
        Request::post(format!("/api/v1/devices/{}/batches", upload.device))
            .header(HOST, &self.node.0)
            .header(AUTHORIZATION, format!("Bearer {}", upload.key))
            .header(CONTENT_TYPE, "application/json")
            .header("content-digest", upload.digest)
            .body(Full::new(upload.body.clone()))
            .map_err(LinkError::Request)
    }
}

/// Whether the connection is to itself. The system may pick, for a connection to a port of this
/// machine where nobody listens, that very port as the sender's, and TCP then connects the two.
fn is_own_echo(stream: &TcpStream) -> bool {
    stream.local_addr().ok() == stream.peer_addr().ok()
}

async fn exchange(
    sender: &mut SendRequest<Full<Bytes>>,
    request: Request<Full<Bytes>>,
) -> Result<Answer, LinkError> {
    sender.ready().await.map_err(LinkError::Broken)?;
    let response = sender.send_request(request).await.map_err(LinkError::Broken)?;
    let (status, retry_after) = (response.status().as_u16(), retry_after(&response));
    let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(LinkError::Answer)?.to_bytes();
    Ok(Answer { status, retry_after, body })
}

/// `Retry-After` in its form of seconds; the form of a date is not used by nodes.
fn retry_after(response: &Response<Incoming>) -> Option<Duration> {
    let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_named_by_host_and_port() {
        check("http://127.0.0.1:8080", Some("127.0.0.1:8080"));
        check("http://127.0.0.1:8080/", Some("127.0.0.1:8080"));
        check("http://[::1]:8080", Some("[::1]:8080"));
        check("http://clinic.local:80", Some("clinic.local:80"));
        check("https://127.0.0.1:8080", None);
        check("127.0.0.1:8080", None);
        check("http://127.0.0.1", None);
        check("http://127.0.0.1:8080/api", None);
        check("", None);
    }

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let expected = expected.map(|authority| NodeAddress(authority.to_owned()));
        assert_eq!(text.parse().ok(), expected, "{text}");
    }
}
