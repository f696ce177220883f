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
use crate::{backup, chores, erasure, ingest, sync};

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

/// A node that is open and listens, and is not yet served.
#[derive(Debug)]
pub struct Ready {
    /// The node.
    pub node: Arc<Node>,
    /// Where it listens for HTTP.
    pub http: SocketAddr,
    listener: TcpListener,
    control: Control,
}

impl Ready {
    /// Opens the data folder at `path` and listens; `listen` overrides the settings.
    ///
    /// # Errors
    ///
    /// [`ServeError`].
    pub async fn open(path: &Path, listen: Option<SocketAddr>) -> Result<Self, ServeError> {
        let node = Arc::new(Node::open(path, Clock::system(), Random::system())?);
        let address = listen.unwrap_or(node.config.http.listen);
        let cannot = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let http = listener.local_addr().map_err(cannot)?;
        let control = Control::bind(&host::folder::control_socket(path))?;
        crate::view::refill(&node).await;
        Ok(Self { node, http, listener, control })
    }

    /// Serves until `shutdown`: the HTTP door, the control socket, sync and chores.
    pub async fn serve(self, shutdown: Shutdown) {
        let Self { node, listener, control, .. } = self;
        let answering = {
            let node = Arc::clone(&node);
            control.serve(move |question| answer(Arc::clone(&node), question), shutdown.clone())
        };
        let stop = shutdown.clone();
        let limits = Limits::default();
        let http = web::serve(listener, router(Arc::clone(&node)), limits, async move {
            stop.requested().await;
        });
        tokio::join!(
            http,
            answering,
            sync::run(Arc::clone(&node), shutdown.clone()),
            chores::run(Arc::clone(&node), shutdown.clone()),
            backup::run(Arc::clone(&node), shutdown.clone()),
            erasure::run(Arc::clone(&node), shutdown.clone()),
        );
        node.writer.stop().await;
    }
}

/// Serves the data folder at `path` until `shutdown`.
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
    let ready = Ready::open(path, listen).await?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening http=http://{}", ready.http).map_err(ServeError::Output)?;
    drop(out);
    ready.serve(shutdown).await;
    Ok(())
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
    perform(&node, command).await
}
