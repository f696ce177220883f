//! A thousand clinics come back at once.
//!
//! The clinics stand in a process of their own (this program again), so that the hub's memory is the
//! hub's. Each has its keys and a conversation as a clinic has it, and nothing behind it: it has
//! nothing to tell and nothing to fetch. Beside it stand the same handshakes with an echo.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use replication::hub::{HubStore as _, NewNode, SqliteHub};
use sync_protocol::exchange::{Applied, EdgeExchange, EdgeOp, EdgeReply, HelloState, OutboxPage};
use sync_protocol::message::{Live, StreamPosition};
use sync_protocol::signature::node_id;
use sync_protocol::standing::StartRecord;
use sync_protocol::{Epoch, NodeId, SetDigest};
use tokio::sync::{Notify, mpsc};
use transport::drive::{Desk, Progress, drive};
use transport::{Dialer, Incoming, LinkProfile, Listener, TlsIdentity};
use vocab::SiteId;

use crate::Scale;
use crate::bare_link::Everybody;
use crate::error::BenchError;
use crate::fleet::{self, ANY, RunningHub, now, runtime};
use crate::report::{Report, as_f64};

const EDGES: usize = 1_000;

/// The hidden word with which this program stands for the clinics.
pub(crate) const CLINICS: &str = "herd-of-clinics";

pub(crate) fn run(scale: Scale, report: &mut Report) -> Result<(), BenchError> {
    let edges = EDGES / scale.divide;
    report.line(&format!("\nherd: {edges} clinics come back at once"));
    let runtime = runtime()?;
    let (mut all, mut bare, mut memory) = (Vec::new(), Vec::new(), 0.0);
    for _ in 0..scale.runs {
        let (time, bytes) = runtime.block_on(at_hub(edges))?;
        all.push(time);
        // Later runs find memory that earlier ones gave back to the process and not to the system.
        memory = f64::max(memory, bytes);
        bare.push(runtime.block_on(at_echo(edges))?);
    }
    let all = report.millis("until all are in step", &all);
    let bare = report.millis("limit: the same handshakes with an echo", &bare);
    report.ratio("of the limit", all, bare);
    report.line(&format!("memory of the hub for each: {:.0} kB", memory / 1_000.0));
    report.line("goal: all within 3 s, 150 kB each");
    Ok(())
}

/// The time until all are in step with a hub, and bytes of its memory for each.
async fn at_hub(edges: usize) -> Result<(Duration, f64), BenchError> {
    let folder = fleet::folder()?;
    let path = folder.path().join("hub");
    hub::node::Hub::init(&path, &host::Random::system())?;
    let hub = RunningHub::start(&path, ANY).await?;
    let at = host::Clock::system().now();
    hub.hub
        .writer
        .write(move |conn, _| {
            let hub = SqliteHub::new(conn);
            (0..edges).try_for_each(|number| hub.enrol(at, &node(number)?))
        })
        .await
        .map_err(|_: host::database::WriteError<store::StoreError>| BenchError::Write)?;
    hub.stop().await;
    let hub = RunningHub::start(&path, ANY).await?;
    let before = resident();
    let (address, key, tls) = (hub.quic()?, hub.hub.key, hub.hub.tls_key);
    let (time, mut clinics) =
        tokio::task::spawn_blocking(move || clinics(edges, address, &tls, Some(key)))
            .await
            .map_err(|_| BenchError::Unexpected("the clinics failed"))??;
    let each = (resident() - before) / as_f64(edges.max(1));
    clinics.kill()?;
    clinics.wait()?;
    hub.stop().await;
    Ok((time, each))
}

/// The same with an echo in place of a hub.
async fn at_echo(edges: usize) -> Result<Duration, BenchError> {
    let server = TlsIdentity::from_seed(&[1; 32])?;
    let listener = Listener::bind(ANY, &server, Arc::new(Everybody), LinkProfile::Wide)?;
    let (address, key) = (listener.local_addr(), *server.public_key());
    let serving = tokio::spawn(async move {
        while let Some(Incoming::Sync(link)) = listener.accept().await {
            tokio::spawn(async move {
                while let Some((class, frame)) = link.recv().await {
                    if link.send(class, frame).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    let (time, mut clinics) =
        tokio::task::spawn_blocking(move || clinics(edges, address, &key, None))
            .await
            .map_err(|_| BenchError::Unexpected("the clinics failed"))??;
    clinics.kill()?;
    clinics.wait()?;
    serving.abort();
    Ok(time)
}

/// Starts the other process; answers the time that it measured, when all its clinics are there.
fn clinics(
    edges: usize,
    address: SocketAddr,
    tls: &[u8; 32],
    hub: Option<NodeId>,
) -> Result<(Duration, Child), BenchError> {
    let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
    let mut child = Command::new(std::env::current_exe()?)
        .args([CLINICS, &edges.to_string(), &address.to_string(), &hex(tls)])
        .args(hub.map(|hub| hex(&hub.0)))
        .stdout(Stdio::piped())
        .spawn()?;
    let out = child.stdout.take().ok_or(BenchError::Unexpected("no output"))?;
    let mut line = String::new();
    BufReader::new(out).read_line(&mut line)?;
    let micros: u64 = line
        .trim()
        .parse()
        .map_err(|_| BenchError::Unexpected("clinics that were not all let in"))?;
    Ok((Duration::from_micros(micros), child))
}

/// The other process: connects, prints the microseconds until all were in step, and stays.
pub(crate) fn stand_in(arguments: &[String]) -> Result<(), BenchError> {
    const WORDS: BenchError = BenchError::Unexpected("the words of the clinics");
    let [edges, address, tls, rest @ ..] = arguments else { return Err(WORDS) };
    let key = |text: &String| -> Option<[u8; 32]> {
        data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
    };
    let edges: usize = edges.parse().map_err(|_| WORDS)?;
    let address: SocketAddr = address.parse().map_err(|_| WORDS)?;
    let tls = key(tls).ok_or(WORDS)?;
    let hub = rest.first().map(|text| key(text).map(NodeId).ok_or(WORDS)).transpose()?;
    runtime()?.block_on(async move {
        let mut ready = Vec::new();
        for number in 0..edges {
            ready
                .push(Dialer::new(&TlsIdentity::from_seed(&tls_seed(number))?, LinkProfile::Wide)?);
        }
        let started = now();
        let mut tasks = Vec::new();
        for (number, dialer) in ready.into_iter().enumerate() {
            tasks.push(tokio::spawn(come_back(number, dialer, address, tls, hub)));
        }
        let mut kept = Vec::new();
        for task in tasks {
            kept.push(task.await.map_err(|_| BenchError::Unexpected("a clinic failed"))??);
        }
        let micros = started.elapsed().as_micros();
        writeln!(std::io::stdout(), "{micros}")?;
        std::future::pending::<()>().await;
        drop(kept);
        Ok(())
    })
}

/// One clinic comes back; answers what keeps it there.
async fn come_back(
    number: usize,
    dialer: Dialer,
    address: SocketAddr,
    tls: [u8; 32],
    hub: Option<NodeId>,
) -> Result<(Dialer, Option<tokio::task::JoinHandle<()>>), BenchError> {
    let mut link = dialer.connect(address, &tls).await;
    // A hub whose places are all taken says so; a clinic comes back after a moment.
    for _ in 0..50 {
        if link.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        link = dialer.connect(address, &tls).await;
    }
    let link = link?;
    let Some(hub) = hub else {
        link.send(0, vec![1]).await?;
        link.recv().await.ok_or(BenchError::Unexpected("no answer"))?;
        let held = tokio::spawn(async move {
            let _held = link;
            std::future::pending::<()>().await;
        });
        return Ok((dialer, Some(held)));
    };
    let desk =
        Arc::new(NothingBehind { number, steady: AtomicBool::new(false), told: Notify::new() });
    let exchange = EdgeExchange::new(node_id(&node_seed(number)), hub, 1_750_000_000_000);
    let side = Arc::clone(&desk);
    let (signals, heard) = mpsc::channel(1);
    let started = now();
    let driving = tokio::spawn(async move {
        let _signals = signals;
        let now_ms = move || u64::try_from(started.elapsed().as_millis()).unwrap_or(0);
        let _ = drive(&link, exchange, &*side, heard, now_ms).await;
    });
    while !desk.steady.load(Ordering::SeqCst) {
        if driving.is_finished() {
            return Err(BenchError::Unexpected("a conversation ended"));
        }
        let _ = tokio::time::timeout(Duration::from_millis(100), desk.told.notified()).await;
    }
    Ok((dialer, Some(driving)))
}

fn node_seed(number: usize) -> [u8; 32] {
    seed(1, number)
}

fn tls_seed(number: usize) -> [u8; 32] {
    seed(2, number)
}

fn seed(kind: u8, number: usize) -> [u8; 32] {
    let mut seed = [kind; 32];
    seed.iter_mut().zip((number as u64).to_le_bytes()).for_each(|(out, byte)| *out = byte);
    seed
}

fn node(number: usize) -> Result<NewNode, store::StoreError> {
    const DAMAGED: store::StoreError = store::StoreError::Damaged { what: "a clinic of the herd" };
    let identity = TlsIdentity::from_seed(&tls_seed(number)).map_err(|_| DAMAGED)?;
    let mut site = [7; 16];
    site.iter_mut().zip((number as u64).to_le_bytes()).for_each(|(out, byte)| *out = byte);
    Ok(NewNode {
        key: node_id(&node_seed(number)),
        tls_key: *identity.public_key(),
        site: SiteId::from_bytes(site),
        site_name: format!("clinic-{number}").parse().map_err(|_| DAMAGED)?,
    })
}

/// Storage of a clinic that has nothing to tell and holds nothing.
struct NothingBehind {
    number: usize,
    steady: AtomicBool,
    told: Notify,
}

impl NothingBehind {
    fn answer(&self, op: EdgeOp) -> EdgeReply {
        match op {
            EdgeOp::LoadHello => {
                let epoch = Epoch(self.number as u64 + 1);
                EdgeReply::Hello(HelloState {
                    epoch,
                    parent: None,
                    claims: Vec::new(),
                    incarnation: None,
                    unconfirmed: Vec::new(),
                    history: vec![StartRecord { epoch, head: 0, sum: SetDigest::EMPTY.short() }],
                })
            }
            EdgeOp::MarkReceived { .. } => {
                EdgeReply::Received { diverged: 0, own_at_hub: 0, reoffered: false }
            }
            EdgeOp::ReadOutbox { class, .. } => {
                EdgeReply::Outbox(OutboxPage { class, entries: Vec::new(), end: true })
            }
            EdgeOp::ReadOne { .. } => EdgeReply::One(None),
            EdgeOp::Apply(run) => {
                let (stream, version, to_idx) = (run.stream, run.version, run.to_idx);
                let fresh = u32::try_from(run.entries.len()).unwrap_or(0);
                let stored = Applied::Stored { fresh, diverged: false, admits: false };
                EdgeReply::Applied(StreamPosition { stream, version, to_idx }, stored)
            }
            EdgeOp::Purge(_) => EdgeReply::Purged(None),
            EdgeOp::StoreGrants { number, .. } => EdgeReply::StoredGrants { number },
            EdgeOp::ForgetAcks(_) => EdgeReply::Forgot,
            EdgeOp::ReadOwnHoldings => EdgeReply::OwnHoldings(Vec::new()),
            EdgeOp::TakeBack { number, .. } => EdgeReply::TakenBack { number, fresh: None },
            EdgeOp::ReadFeed { .. } => {
                EdgeReply::Feed { total: SetDigest::EMPTY, streams: Vec::new() }
            }
            EdgeOp::ReadReturned => EdgeReply::Returned(Vec::new()),
            EdgeOp::NoteReturnedOffered => EdgeReply::Noted,
            EdgeOp::ReadIds { streams, .. } => {
                EdgeReply::Ids { ids: Vec::new(), streams: streams.len(), after: 0 }
            }
            EdgeOp::ReadHeld { ids, .. } => EdgeReply::Held { entries: Vec::new(), of: ids.len() },
        }
    }
}

impl Desk<EdgeExchange> for NothingBehind {
    fn is_read(&self, _: &EdgeOp) -> bool {
        true
    }

    fn is_urgent(&self, _: &EdgeOp) -> bool {
        false
    }

    async fn read(&self, ops: Vec<EdgeOp>) -> Vec<EdgeReply> {
        ops.into_iter().map(|op| self.answer(op)).collect()
    }

    async fn write(&self, ops: Vec<EdgeOp>) -> Vec<EdgeReply> {
        self.read(ops).await
    }

    fn live(&self, _: Live) {}

    fn progress(&self, progress: Progress) {
        if progress.steady {
            self.steady.store(true, Ordering::SeqCst);
            self.told.notify_one();
        }
    }
}

/// Bytes of this process in memory; 0 where the system does not say.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: Option<usize> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    as_f64(kib.unwrap_or(0)) * 1_024.0
}
