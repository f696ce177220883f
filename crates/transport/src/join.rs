//! One request and one answer, for a node whose key is not enrolled yet.
//!
//! The listener reads the request before it hands it on, all within [`JOIN_TIME`]: a stranger gets
//! one stream with a few kilobytes, once. Anything else it opens ends the connection.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use quinn::{Connection, RecvStream, SendStream};

use crate::close_code;
use crate::identity::{KEY_BYTES, short};
use crate::link::{LinkError, Verdict};
use crate::tcp::Answer;

/// Longest request: an invitation's token, two keys, two signatures and a site's name fit four times.
pub const REQUEST_BYTES_MAX: usize = 4 * 1024;

/// Longest answer: a certificate, or a sentence that refuses.
pub const ANSWER_BYTES_MAX: usize = 16 * 1024;

/// From the handshake to the answer's arrival.
pub const JOIN_TIME: Duration = Duration::from_secs(10);

/// Why a joining node got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// The request is empty, longer than [`REQUEST_BYTES_MAX`], or not alone.
    #[error("the joining node sent no single request of at most {REQUEST_BYTES_MAX} bytes")]
    Request,
    /// The answer is longer than [`ANSWER_BYTES_MAX`]; nothing was sent.
    #[error("the answer is longer than {ANSWER_BYTES_MAX} bytes")]
    AnswerTooLong,
    /// The joining node went away or took too long; whether it has the answer is unknown.
    #[error("the joining node may not have the answer")]
    Unconfirmed(#[source] LinkError),
}

/// A request to join, and the way to answer it. Dropped without an answer, it refuses.
pub struct JoinRequest {
    way: Way,
    remote: SocketAddr,
    client_key: [u8; KEY_BYTES],
    request: Vec<u8>,
}

enum Way {
    Quic(QuicAnswer),
    Tcp(Answer),
}

/// The open stream of a joining QUIC connection.
struct QuicAnswer {
    connection: Connection,
    verdict: Arc<Verdict>,
    stream: SendStream,
}

impl JoinRequest {
    /// Reads the one request of a joining connection. The watch that this starts ends the
    /// connection when the time is up or something else is sent.
    pub(crate) async fn read(
        connection: Connection,
        client_key: [u8; KEY_BYTES],
    ) -> Result<Self, JoinError> {
        let verdict = Arc::new(Verdict::default());
        tokio::spawn(end_in_time(connection.clone(), Arc::clone(&verdict)));
        let opened = tokio::select! {
            opened = connection.accept_bi() => opened,
            Ok(_) = connection.accept_uni() => return Err(refuse(&connection, &verdict)),
        };
        let (stream, mut lane): (SendStream, RecvStream) =
            opened.map_err(|ended| JoinError::Unconfirmed(ended.into()))?;
        tokio::spawn(allow_nothing_more(connection.clone(), Arc::clone(&verdict)));
        match lane.read_to_end(REQUEST_BYTES_MAX).await {
            Ok(request) if !request.is_empty() => {
                let remote = connection.remote_address();
                let way = Way::Quic(QuicAnswer { connection, verdict, stream });
                Ok(Self { way, remote, client_key, request })
            }
            Ok(_) | Err(_) => Err(refuse(&connection, &verdict)),
        }
    }

    /// A request that was read from TLS over TCP.
    pub(crate) const fn over_tcp(
        answer: Answer,
        remote: SocketAddr,
        client_key: [u8; KEY_BYTES],
        request: Vec<u8>,
    ) -> Self {
        Self { way: Way::Tcp(answer), remote, client_key, request }
    }

    /// The TLS key the joining node proved. Nobody vouches for it.
    #[must_use]
    pub const fn client_key(&self) -> &[u8; KEY_BYTES] {
        &self.client_key
    }

    /// Where it comes from, as the network says.
    #[must_use]
    pub const fn remote_address(&self) -> SocketAddr {
        self.remote
    }

    /// What the joining node asks; at most [`REQUEST_BYTES_MAX`] bytes, not empty.
    #[must_use]
    pub fn request(&self) -> &[u8] {
        &self.request
    }

    /// Sends the answer, waits until the joining node has read it, and closes.
    ///
    /// # Errors
    ///
    /// [`JoinError::AnswerTooLong`] and [`JoinError::Unconfirmed`].
    pub async fn answer(self, answer: &[u8]) -> Result<(), JoinError> {
        if answer.len() > ANSWER_BYTES_MAX {
            return Err(JoinError::AnswerTooLong);
        }
        match self.way {
            Way::Quic(way) => way.answer(answer).await,
            Way::Tcp(way) => way.give(answer).await.map_err(JoinError::Unconfirmed),
        }
    }
}

impl QuicAnswer {
    async fn answer(mut self, answer: &[u8]) -> Result<(), JoinError> {
        let written = self.stream.write_all(answer).await.is_ok() && self.stream.finish().is_ok();
        // The joining node closes when it has read the answer; otherwise time runs out.
        let ended = LinkError::from(self.connection.closed().await);
        if written && ended == (LinkError::ClosedByPeer { code: close_code::DONE }) {
            Ok(())
        } else {
            Err(JoinError::Unconfirmed(ended))
        }
    }
}

impl Drop for QuicAnswer {
    fn drop(&mut self) {
        self.verdict.close(&self.connection, close_code::JOIN_REFUSED, b"");
    }
}

impl fmt::Debug for JoinRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinRequest({}, {} bytes)", short(&self.client_key), self.request.len())
    }
}

async fn end_in_time(connection: Connection, verdict: Arc<Verdict>) {
    if tokio::time::timeout(JOIN_TIME, connection.closed()).await.is_err() {
        verdict.close(&connection, close_code::JOIN_LATE, b"too late");
    }
}

async fn allow_nothing_more(connection: Connection, verdict: Arc<Verdict>) {
    tokio::select! {
        Ok(_) = connection.accept_bi() => {}
        Ok(_) = connection.accept_uni() => {}
        else => return,
    }
    refuse(&connection, &verdict);
}

fn refuse(connection: &Connection, verdict: &Verdict) -> JoinError {
    verdict.close(connection, close_code::JOIN_REFUSED, b"one request only");
    JoinError::Request
}
