//! Joining over TCP, the listener's side: one request, one answer, within a time.

use std::net::SocketAddr;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout, timeout_at};

use super::Tls;
use super::message::{self, NoMessage};
use super::session::{leave, read_out};
use crate::close_code;
use crate::identity::KEY_BYTES;
use crate::join::{JOIN_TIME, JoinError, JoinRequest, REQUEST_BYTES_MAX};
use crate::link::{FINISH_WAIT, LinkError};

/// The way to the task that holds the connection. Dropped unused, it refuses.
pub(crate) struct Answer {
    answer: oneshot::Sender<Vec<u8>>,
    ended: oneshot::Receiver<LinkError>,
}

impl Answer {
    /// Sends the answer and waits until the joining node has confirmed it.
    pub(crate) async fn give(self, answer: &[u8]) -> Result<(), LinkError> {
        let given = self.answer.send(answer.to_vec()).is_ok();
        let ended = self.ended.await.unwrap_or(LinkError::Forgotten);
        if given && ended == (LinkError::ClosedByPeer { code: close_code::DONE }) {
            Ok(())
        } else {
            Err(ended)
        }
    }
}

/// Reads the one request of a joining connection and leaves a task behind that answers it.
pub(crate) async fn read(
    mut tls: Tls,
    remote: SocketAddr,
    client_key: [u8; KEY_BYTES],
) -> Result<JoinRequest, JoinError> {
    let deadline = Instant::now() + JOIN_TIME;
    let received = timeout_at(deadline, message::receive(&mut tls, REQUEST_BYTES_MAX)).await;
    let (code, error) = match received {
        Ok(Ok(request)) if !request.is_empty() => {
            let (answer, to_send) = oneshot::channel();
            let (tell, ended) = oneshot::channel();
            tokio::spawn(async move {
                // Whoever asked may have gone.
                let _ = tell.send(conclude(&mut tls, to_send, deadline).await);
                let _ = timeout(FINISH_WAIT, read_out(&mut tls)).await;
            });
            let answer = Answer { answer, ended };
            return Ok(JoinRequest::over_tcp(answer, remote, client_key, request));
        }
        Ok(Err(NoMessage::Ended(ended))) => return Err(JoinError::Unconfirmed(ended)),
        Ok(Ok(_) | Err(NoMessage::Unfit)) => (close_code::JOIN_REFUSED, JoinError::Request),
        Err(_late) => {
            let code = close_code::JOIN_LATE;
            (code, JoinError::Unconfirmed(LinkError::ClosedHere { code }))
        }
    };
    part(&mut tls, code).await;
    Err(error)
}

/// Answers, or refuses; says how the connection ended.
async fn conclude(
    tls: &mut Tls,
    to_send: oneshot::Receiver<Vec<u8>>,
    deadline: Instant,
) -> LinkError {
    let concluded = timeout_at(deadline, async {
        let answer = tokio::select! {
            biased;
            ended = message::ended(tls) => return ended,
            answer = to_send => answer,
        };
        let sent = match answer {
            Ok(answer) => message::send(tls, &answer).await.is_ok(),
            // Dropped without an answer.
            Err(_) => return None,
        };
        if sent { message::ended(tls).await } else { Some(LinkError::Forgotten) }
    });
    let code = match concluded.await {
        Ok(Some(ended)) => return ended,
        Ok(None) => close_code::JOIN_REFUSED,
        Err(_late) => close_code::JOIN_LATE,
    };
    let _ = timeout(FINISH_WAIT, leave(tls, Some(code))).await;
    LinkError::ClosedHere { code }
}

/// Ends a connection so that its peer learns why.
async fn part(tls: &mut Tls, code: u32) {
    let _ = timeout(FINISH_WAIT, async {
        if leave(tls, Some(code)).await.is_ok() {
            read_out(tls).await;
        }
    })
    .await;
}
