//! A hub and clinics in this process, over real QUIC on loopback, with encrypted databases.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use edge_node::commands::{Command, ConsentRow, DeviceRow, PatientRow, perform};
use edge_node::node::Node;
use host::control::Answer;
use host::shutdown::{Shutdown, Stop};
use host::{Clock, Random};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::error::BenchError;

/// This machine, any free port.
pub(crate) const ANY: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// A folder in memory-backed or disk storage, wherever the system keeps temporary files.
pub(crate) fn folder() -> Result<TempDir, BenchError> {
    Ok(tempfile::tempdir()?)
}

/// Now, for measuring.
#[expect(clippy::disallowed_methods, reason = "a bench measures time and stores none of it")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// A hub that serves.
pub(crate) struct RunningHub {
    pub(crate) hub: Arc<hub::node::Hub>,
    stop: Stop,
    task: JoinHandle<()>,
}

impl RunningHub {
    /// Starts the hub of a folder; the clinics' door is at `quic`.
    pub(crate) async fn start(path: &Path, quic: SocketAddr) -> Result<Self, BenchError> {
        let addresses = hub::server::Addresses { http: Some(ANY), sync: Some(quic) };
        // A hub that was just stopped in this process may still be letting go of its port and folder.
        let mut ready = hub::server::Ready::open(path, addresses).await;
        for _ in 0..200 {
            if ready.is_ok() {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
            ready = hub::server::Ready::open(path, addresses).await;
        }
        let ready = ready?;
        let hub = Arc::clone(&ready.hub);
        let (stop, shutdown) = Shutdown::new();
        Ok(Self { hub, stop, task: tokio::spawn(ready.serve(shutdown)) })
    }

    /// Where clinics connect to.
    pub(crate) fn quic(&self) -> Result<SocketAddr, BenchError> {
        self.hub.listening.get().copied().ok_or(BenchError::Unexpected("the hub does not listen"))
    }

    /// An invitation for a site.
    pub(crate) async fn invite(
        &self,
        site: &str,
        advertise: Option<SocketAddr>,
    ) -> Result<String, BenchError> {
        let advertise = advertise.map(|address| address.to_string());
        let command =
            hub::commands::Command::Invite { site: site.to_owned(), advertise, qr: false };
        let answer = hub::commands::perform(&self.hub, command).await?;
        Ok(text(answer)?.trim().to_owned())
    }

    pub(crate) async fn stop(self) {
        self.stop.request();
        let _ = self.task.await;
    }
}

/// A clinic that serves.
pub(crate) struct RunningClinic {
    pub(crate) node: Arc<Node>,
    pub(crate) http: SocketAddr,
    stop: Stop,
    task: JoinHandle<()>,
}

impl RunningClinic {
    /// Starts the clinic of a folder.
    pub(crate) async fn start(path: &Path) -> Result<Self, BenchError> {
        let ready = edge_node::server::Ready::open(path, Some(ANY)).await?;
        let (node, http) = (Arc::clone(&ready.node), ready.http);
        let (stop, shutdown) = Shutdown::new();
        Ok(Self { node, http, stop, task: tokio::spawn(ready.serve(shutdown)) })
    }

    pub(crate) async fn stop(self) {
        self.stop.request();
        let _ = self.task.await;
    }
}

/// A clinic's folder that has joined, and its node, open but not serving.
pub(crate) async fn joined(
    path: &Path,
    hub: &RunningHub,
    site: &str,
) -> Result<Arc<Node>, BenchError> {
    joined_at(path, hub, site, None).await
}

/// The same, for a clinic that reaches the hub at another address than the one it listens on.
pub(crate) async fn joined_at(
    path: &Path,
    hub: &RunningHub,
    site: &str,
    address: Option<SocketAddr>,
) -> Result<Arc<Node>, BenchError> {
    Node::init(path, &Random::system())?;
    allow_many_batches(path)?;
    let node = open(path)?;
    let invitation = hub.invite(site, address).await?;
    perform(&node, Command::Join { invitation }).await?;
    Ok(node)
}

/// Opens a clinic's folder without serving it.
pub(crate) fn open(path: &Path) -> Result<Arc<Node>, BenchError> {
    Ok(Arc::new(Node::open(path, Clock::system(), Random::system())?))
}

/// The door is measured, not its limit per device.
fn allow_many_batches(path: &Path) -> Result<(), BenchError> {
    let text = "[devices]\nbatches_per_second = 1000000\nbatches_burst = 1000000\n";
    Ok(host::folder::write_whole(&host::folder::config(path), text.as_bytes())
        .map_err(edge_node::node::StartError::from)?)
}

/// Registers patients `p0`, `p1`, … and devices `d0`, `d1`, …; answers the devices' keys.
pub(crate) async fn register(
    node: &Arc<Node>,
    patients: usize,
    devices: usize,
) -> Result<Vec<String>, BenchError> {
    for chunk in (0..patients).collect::<Vec<_>>().chunks(200) {
        let row = |number: &usize| PatientRow {
            patient_ref: format!("p{number}"),
            name: format!("Patient {number}"),
            birth_date: "1980".to_owned(),
            sex: "female".to_owned(),
            phone: String::new(),
        };
        let rows = chunk.iter().map(row).collect();
        perform(node, Command::PatientAdd { rows }).await?;
    }
    let mut keys = Vec::new();
    for chunk in (0..devices).collect::<Vec<_>>().chunks(200) {
        let row =
            |number: &usize| DeviceRow { device_id: format!("d{number}"), kind: String::new() };
        let rows = chunk.iter().map(row).collect();
        let answer = perform(node, Command::DeviceAdd { rows }).await?;
        let lines = text(answer)?;
        keys.extend(
            lines.lines().skip(1).filter_map(|line| Some(line.split_once(',')?.1.to_owned())),
        );
    }
    Ok(keys)
}

/// Patients `p0` to `p{count-1}` allow `site` their identity and vitals.
pub(crate) async fn consent(node: &Arc<Node>, count: usize, site: &str) -> Result<(), BenchError> {
    for chunk in (0..count).collect::<Vec<_>>().chunks(200) {
        let row = |number: &usize| ConsentRow {
            patient_ref: format!("p{number}"),
            site: site.to_owned(),
            compartments: "identity+vitals".to_owned(),
            until: String::new(),
            offline_hours: String::new(),
            guardian: String::new(),
        };
        let rows = chunk.iter().map(row).collect();
        perform(node, Command::ConsentGrant { rows }).await?;
    }
    Ok(())
}

/// Waits until `state` holds; gives up after five minutes.
pub(crate) async fn until(mut state: impl AsyncFnMut() -> bool) -> Result<(), BenchError> {
    let started = now();
    while !state().await {
        if started.elapsed() > Duration::from_secs(300) {
            return Err(BenchError::Unexpected("a state was not reached within five minutes"));
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    Ok(())
}

/// Entries of this node that the hub has not acknowledged.
pub(crate) async fn pending(node: &Node) -> u64 {
    let status = node.readers.read(replication::edge::status).await;
    status.map_or(u64::MAX, |status| status.pending)
}

fn text(answer: Answer) -> Result<String, BenchError> {
    match answer {
        Answer::Whole(bytes) => {
            String::from_utf8(bytes).map_err(|_| BenchError::Unexpected("no text"))
        }
        Answer::Pieces(_) => Err(BenchError::Unexpected("a long answer")),
    }
}

/// A runtime as the programs use it.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, BenchError> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
