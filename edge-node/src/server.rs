//! A node that serves: HTTP door, sync, chores, control socket.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use axum::routing::post;
use host::control::{Control, Refusal};
use host::{Clock, Random, Shutdown};
use tokio::net::TcpListener;
use web::Limits;

use crate::commands::{Command, perform};
use crate::node::{Node, StartError};
use crate::view::EdgeView;
use crate::{chores, ingest, sync};

/// Why a node stops serving, or does not begin to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// See [`StartError`].
    #[error(transparent)]
    Start(#[from] StartError),
    /// The control socket.
    #[error(transparent)]
    Control(#[from] host::folder::FolderError),
    /// The HTTP address is taken or not this machine's.
    #[error("cannot listen for HTTP on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Standard output is gone.
    #[error("writing the start line")]
    Output(#[source] std::io::Error),
}

/// Serves the data folder at `path` until `shutdown`; `listen` overrides the settings.
///
/// Prints one line when it is ready: `listening http=http://127.0.0.1:8080`.
///
/// # Errors
///
/// [`ServeError`] when it cannot begin.
pub async fn serve(
    path: &Path,
    listen: Option<SocketAddr>,
    shutdown: Shutdown,
) -> Result<(), ServeError> {
    let node = Arc::new(Node::open(path, Clock::system(), Random::system())?);
    let address = listen.unwrap_or(node.config.http.listen);
    let cannot = |source| ServeError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let local = listener.local_addr().map_err(cannot)?;
    let control = Control::bind(&host::folder::control_socket(path))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening http=http://{local}").map_err(ServeError::Output)?;
    drop(out);
    run(node, listener, control, shutdown).await;
    Ok(())
}

async fn run(node: Arc<Node>, listener: TcpListener, control: Control, shutdown: Shutdown) {
    let answering = {
        let node = Arc::clone(&node);
        control.serve(move |question| answer(Arc::clone(&node), question), shutdown.clone())
    };
    let stop = shutdown.clone();
    let http = web::serve(listener, router(Arc::clone(&node)), Limits::default(), async move {
        stop.requested().await;
    });
    tokio::join!(
        http,
        answering,
        sync::run(Arc::clone(&node), shutdown.clone()),
        chores::run(Arc::clone(&node), shutdown.clone()),
    );
    node.writer.stop().await;
}

/// Every route of the node.
pub fn router(node: Arc<Node>) -> Router {
    let pages = pages::router(Arc::new(EdgeView::new(Arc::clone(&node))));
    Router::new()
        .route("/api/v1/devices/{device}/batches", post(ingest::receive_batch))
        .with_state(node)
        .merge(pages)
        .fallback(web::problem::no_route)
        .method_not_allowed_fallback(web::problem::no_method)
}

async fn answer(node: Arc<Node>, question: String) -> Result<host::control::Answer, Refusal> {
    let command: Command = serde_json::from_str(&question)
        .map_err(|_| Refusal::new("this program does not know that command; is it older?"))?;
    perform(node, command).await
}
