//! A server that holds every connection to its [`Limits`].

mod connection;
mod crowd;
mod stall;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::crowd::Crowd;
use crate::Limits;

/// How long requests may still run after the request to stop.
const FINISH_TIME_MAX: Duration = Duration::from_secs(10);

/// Pause after an error of the listener itself, most often too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is sent to a connection that finds no place. There is no request yet to answer, so it
/// stands here whole.
const NO_PLACE: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    content-type: application/problem+json\r\n\
    retry-after: 5\r\n\
    connection: close\r\n\
    content-length: 86\r\n\r\n\
    {\"type\":\"/problems/busy\",\"title\":\"Too busy at this moment\",\"status\":503,\"code\":\"busy\"}";

/// Serves `router` on `listener` until `shutdown` is ready, then finishes what is running.
///
/// Handlers find the caller's address as `axum::extract::ConnectInfo<SocketAddr>`. A handler that
/// panics is answered for with [`Kind::INTERNAL`](crate::Kind::INTERNAL).
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send,
) {
    let crowd = Crowd::new(limits.connections_max, limits.connections_per_address_max);
    let limits = Arc::new(limits);
    let (stop, stopping) = watch::channel(false);
    let mut running = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        while running.try_join_next().is_some() {}
        match accepted {
            Ok((stream, address)) => {
                let Some((place, lost)) = crowd.enter(address.ip()) else {
                    turn_away(&stream, address);
                    continue;
                };
                let (router, limits) = (router.clone(), Arc::clone(&limits));
                let stopping = stopping.clone();
                running.spawn(async move {
                    tokio::select! {
                        () = connection::run(stream, address, place, router, limits, stopping) => {}
                        // An error only says that it asked and keeps its place.
                        Ok(()) = lost => {}
                    }
                });
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(error = %error, "the listener cannot accept");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    stop.send_replace(true);
    let finish = async { while running.join_next().await.is_some() {} };
    // What runs longer is dropped with the set.
    let _ = timeout(FINISH_TIME_MAX, finish).await;
}

/// Says that there is no place, if the line takes it at once; there is nobody to wait for it.
fn turn_away(stream: &TcpStream, address: SocketAddr) {
    tracing::debug!(address = %address, "no place for a connection");
    let _ = stream.try_write(NO_PLACE);
}

fn concerns_one_connection(error: &io::Error) -> bool {
    [
        io::ErrorKind::ConnectionRefused,
        io::ErrorKind::ConnectionAborted,
        io::ErrorKind::ConnectionReset,
    ]
    .contains(&error.kind())
}

#[cfg(test)]
mod tests;
