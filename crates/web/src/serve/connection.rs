//! One connection, from its first byte to its end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::{IntoResponse as _, Response};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::timeout;
use tower::Service as _;

use super::crowd::Place;
use super::stall::Stall;
use crate::body::Paced;
use crate::limits::{HEADER_BYTES_MAX, HEADERS_MAX, READ_BUFFER_BYTES, URL_BYTES_MAX};
use crate::{Kind, Limits, Problem};

/// What is still read, and for how long, from a client that was refused in the middle of its body.
/// Closing a socket with unread bytes in it makes the kernel throw our answer away.
const LINGER_BYTES_MAX: usize = 8 * 1024 * 1024;
const LINGER_TIME_MAX: Duration = Duration::from_secs(2);

/// Serves requests on `stream` until the client ends it, breaks a limit, or the server stops.
pub(super) async fn run(
    stream: TcpStream,
    address: SocketAddr,
    place: Place,
    router: Router,
    limits: Arc<Limits>,
    mut stopping: watch::Receiver<bool>,
) {
    // Answers are one small write each; waiting to fill a packet only delays them.
    let _ = stream.set_nodelay(true);
    let io = TokioIo::new(Stall::new(stream, limits.answer_stall_max));
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(limits.header_time_max)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEADER_BYTES_MAX)
        .max_buf_size(READ_BUFFER_BYTES);
    let service = service_fn(|request| {
        place.keep();
        answer(request, address, &router, &limits)
    });
    let mut connection = builder.serve_connection(io, service);
    let mut asked_to_stop = false;
    let ended = loop {
        tokio::select! {
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            _ = stopping.wait_for(|stop| *stop), if !asked_to_stop => {
                asked_to_stop = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(address = %address, error = %error, "a connection was broken off");
    }
    linger(connection.into_parts().io.into_inner()).await;
}

/// Ends our side and lets the client read the answer before the socket is gone.
async fn linger(mut io: Stall) {
    if io.shutdown().await.is_err() {
        return;
    }
    let drain = async {
        let mut unwanted = vec![0; 16 * 1024];
        let mut left = LINGER_BYTES_MAX;
        while let Ok(count @ 1..) = io.read(&mut unwanted).await {
            left = left.saturating_sub(count);
            if left == 0 {
                break;
            }
        }
    };
    let _ = timeout(LINGER_TIME_MAX, drain).await;
}

type Answering = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

fn answer(
    request: Request<Incoming>,
    address: SocketAddr,
    router: &Router,
    limits: &Limits,
) -> Answering {
    let url_bytes = request.uri().path_and_query().map_or(0, |text| text.as_str().len());
    if url_bytes > URL_BYTES_MAX {
        let problem = Problem::new(Kind::URL_TOO_LONG);
        return Box::pin(std::future::ready(Ok(problem.into_response())));
    }
    let mut request = request.map(|body| Body::new(Paced::new(body, limits)));
    request.extensions_mut().insert(ConnectInfo(address));
    let time_max = limits.request_time_max;
    let mut router = router.clone();
    Box::pin(async move {
        let answering = contained(router.call(request));
        let late = Problem::new(Kind::BUSY).detail("The answer took too long.");
        Ok(timeout(time_max, answering).await.unwrap_or_else(|_| late.into_response()))
    })
}

/// A panic in a handler ends that request, not the connection and not the program.
async fn contained(answering: impl Future<Output = Result<Response, Infallible>>) -> Response {
    let mut answering = std::pin::pin!(answering);
    let poll = |cx: &mut Context<'_>| {
        // After a panic the future is not polled again, so nothing half-done is seen.
        match catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(cx))) {
            Ok(Poll::Ready(Ok(response))) => Poll::Ready(response),
            Ok(Poll::Pending) => Poll::Pending,
            Err(_) => Poll::Ready(Problem::new(Kind::INTERNAL).into_response()),
        }
    };
    poll_fn(poll).await
}
