//! A hub that serves: clinics' door, status page, control socket.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use host::control::{Answer, Control, Refusal};
use host::{Clock, Random, Shutdown};
use tokio::net::TcpListener;
use transport::{LinkProfile, Listener};
use web::Limits;

use crate::chores;
use crate::commands::{Command, perform};
use crate::node::{Hub, StartError};
use crate::sync::{self, EnrolledKeys};
use crate::view::HubView;
use crate::{backup, erasure};

/// Why a hub does not begin to serve.
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
    /// The clinics' address.
    #[error(transparent)]
    Sync(#[from] transport::listener::ListenError),
    /// Standard output is gone.
    #[error("writing the start line")]
    Output(#[source] std::io::Error),
}

/// Addresses that override the settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Addresses {
    /// Of the status page.
    pub http: Option<SocketAddr>,
    /// Of the clinics' door.
    pub sync: Option<SocketAddr>,
}

/// A hub that is open and listens, and is not yet served.
#[derive(Debug)]
pub struct Ready {
    /// The hub.
    pub hub: Arc<Hub>,
    /// Where it listens for HTTP.
    pub http: SocketAddr,
    /// Where it listens for clinics.
    pub quic: SocketAddr,
    /// Where it listens for clinics whose network lets no UDP through.
    pub tcp: Option<SocketAddr>,
    listener: TcpListener,
    door: Listener,
    control: Control,
}

impl Ready {
    /// Opens the data folder at `path` and listens.
    ///
    /// # Errors
    ///
    /// [`ServeError`].
    pub async fn open(path: &Path, addresses: Addresses) -> Result<Self, ServeError> {
        let hub = Arc::new(Hub::open(path, Clock::system(), Random::system())?);
        let address = addresses.http.unwrap_or(hub.config.http.listen);
        crate::view::refill(&hub).await;
        let cannot = |source| ServeError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(cannot)?;
        let http = listener.local_addr().map_err(cannot)?;
        let door = Listener::bind_both(
            addresses.sync.unwrap_or(hub.config.sync.listen),
            hub.config.sync.listen_tcp,
            &hub.identity,
            Arc::new(EnrolledKeys(Arc::clone(&hub))),
            LinkProfile::Wide,
        )?;
        let (quic, tcp) = (door.local_addr(), door.tcp_addr());
        // Set once, before anybody can ask.
        let _ = hub.listening.set(quic);
        let control = Control::bind(&host::folder::control_socket(path))?;
        Ok(Self { hub, http, quic, tcp, listener, door, control })
    }

    /// Serves until `shutdown`: the clinics' door, the HTTP door, the control socket.
    pub async fn serve(self, shutdown: Shutdown) {
        let Self { hub, listener, door, control, .. } = self;
        let answering = {
            let hub = Arc::clone(&hub);
            control.serve(move |question| answer(Arc::clone(&hub), question), shutdown.clone())
        };
        let stop = shutdown.clone();
        let limits = Limits::default();
        let http = web::serve(listener, router(Arc::clone(&hub)), limits, async move {
            stop.requested().await;
        });
        let door = Arc::new(door);
        tokio::join!(
            http,
            answering,
            sync::run(Arc::clone(&hub), door, shutdown.clone()),
            backup::run(Arc::clone(&hub), shutdown.clone()),
            chores::run(Arc::clone(&hub), shutdown.clone()),
            erasure::run(Arc::clone(&hub), shutdown.clone()),
        );
        hub.writer.stop().await;
    }
}

/// Serves the data folder at `path` until `shutdown`.
///
/// Prints one line when it is ready: `listening http=http://127.0.0.1:8090 quic=127.0.0.1:4433
/// tcp=127.0.0.1:4433`, the last one unless it is off.
///
/// # Errors
///
/// [`ServeError`] when it cannot begin.
pub async fn serve(
    path: &Path,
    addresses: Addresses,
    shutdown: Shutdown,
) -> Result<(), ServeError> {
    let ready = Ready::open(path, addresses).await?;
    let mut out = std::io::stdout().lock();
    let tcp = ready.tcp.map_or_else(String::new, |address| format!(" tcp={address}"));
    writeln!(out, "listening http=http://{} quic={}{tcp}", ready.http, ready.quic)
        .map_err(ServeError::Output)?;
    drop(out);
    ready.serve(shutdown).await;
    Ok(())
}

/// Every route of the hub.
pub fn router(hub: Arc<Hub>) -> Router {
    pages::router(Arc::new(HubView::new(hub)))
        .fallback(web::problem::no_route)
        .method_not_allowed_fallback(web::problem::no_method)
}

async fn answer(hub: Arc<Hub>, question: String) -> Result<Answer, Refusal> {
    let command: Command = serde_json::from_str(&question)
        .map_err(|_| Refusal::new("this program does not know that command; is it older?"))?;
    perform(&hub, command).await
}
