//! A backlog from one clinic to the hub over QUIC on loopback, until acknowledged after the hub's
//! commit.

use std::sync::Arc;
use std::time::Duration;

use sync_protocol::signature::{node_id, sign_bytes, verify_bytes};
use transport::{Dialer, Incoming, LinkProfile, Listener, TlsIdentity};

use crate::bare_link::Everybody;
use crate::edge_ingest::{backlog, paths};
use crate::error::BenchError;
use crate::fleet::{self, RunningClinic, RunningHub, now, runtime};
use crate::readings::Readings;
use crate::report::{Report, as_f64, spread};
use crate::{Scale, store};

const DEVICES: usize = 100;

pub(crate) fn run(scale: Scale, report: &mut Report) -> Result<(), BenchError> {
    let count = 1_000_000 / scale.divide;
    report.line(&format!(
        "\nsync_push: backlog of {count} readings of {DEVICES} devices, segments of 1,000"
    ));
    let readings = Readings::load();
    let runtime = runtime()?;
    let (mut times, mut bytes, mut bare) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..scale.runs {
        let (time, sent) = runtime.block_on(push(&readings, count))?;
        times.push(time);
        bytes.push(as_f64(usize::try_from(sent).unwrap_or(0)) / as_f64(count));
        bare.push(runtime.block_on(bare_log(count))?);
    }
    let rate = report.rate("clinic to hub, acknowledged", "readings", count, &times);
    let limit = report.rate("limit: a bare signed log over QUIC", "readings", count, &bare);
    report.ratio("of the limit", rate, limit);
    let (low, median, high) = spread(&bytes);
    report.line(&format!(
        "{:<44} {median:>12.2} ({low:.2} to {high:.2})",
        "bytes per reading on the wire"
    ));
    report.line("goal: 2,000 k readings/s, 30 % of the limit, 3.0 bytes per reading");
    Ok(())
}

/// One run on fresh folders; answers the time and the UDP bytes sent.
async fn push(readings: &Readings, count: usize) -> Result<(Duration, u64), BenchError> {
    let folder = fleet::folder()?;
    let (hub_path, edge_path, _) = paths(&folder);
    hub::node::Hub::init(&hub_path, &host::Random::system())?;
    let hub = RunningHub::start(&hub_path, fleet::ANY).await?;
    let quic = hub.quic()?;
    let node = fleet::joined(&edge_path, &hub, "north").await?;
    fleet::register(&node, DEVICES, DEVICES).await?;
    node.writer.stop().await;
    drop(node);
    // Everything but the readings is at the hub before the clock starts.
    let clinic = RunningClinic::start(&edge_path).await?;
    fleet::until(async || clinic.node.is_in_step() && fleet::pending(&clinic.node).await == 0)
        .await?;
    clinic.stop().await;
    hub.stop().await;
    let node = fleet::open(&edge_path)?;
    backlog(&node, readings, DEVICES, count / DEVICES, 0).await?;
    node.writer.stop().await;
    drop(node);
    let hub = RunningHub::start(&hub_path, quic).await?;
    let started = now();
    let clinic = RunningClinic::start(&edge_path).await?;
    fleet::until(async || fleet::pending(&clinic.node).await == 0).await?;
    let time = started.elapsed();
    let (sent, _) = clinic.node.link_bytes();
    clinic.stop().await;
    hub.stop().await;
    Ok((time, sent))
}

/// Bytes of a segment of 1,000 readings with its header and signature.
const ENTRY_BYTES: usize = 2_300;

/// The least that must be done: signed blobs over one lane, verified, appended, committed, answered.
pub(crate) async fn bare_log(count: usize) -> Result<Duration, BenchError> {
    let entries = count / 1_000;
    let folder = fleet::folder()?;
    let mut conn = store::open(folder.path())?;
    let (server, client) = (TlsIdentity::from_seed(&[1; 32])?, TlsIdentity::from_seed(&[2; 32])?);
    let listener = Listener::bind(fleet::ANY, &server, Arc::new(Everybody), LinkProfile::Wide)?;
    let address = listener.local_addr();
    let seed = [9; 32];
    let key = node_id(&seed);
    let frames: Vec<Vec<u8>> = (0..entries)
        .map(|number| {
            let body = vec![u8::try_from(number % 251).unwrap_or(0); ENTRY_BYTES - 64];
            let mut frame = sign_bytes(&seed, &body).to_vec();
            frame.extend_from_slice(&body);
            frame
        })
        .collect();
    let serving = tokio::spawn(async move {
        let Some(Incoming::Sync(link)) = listener.accept().await else {
            return Err(BenchError::Unexpected("no link"));
        };
        let mut waiting = Vec::new();
        let mut done = 0;
        while done < entries {
            let Some((_, frame)) = link.recv().await else { break };
            let (signature, body) = frame.split_at_checked(64).unwrap_or_default();
            if !verify_bytes(&key.0, body, signature) {
                return Err(BenchError::Unexpected("a signature"));
            }
            waiting.push(frame.to_vec());
            done += 1;
            if waiting.len() == 64 || done == entries {
                let blobs = std::mem::take(&mut waiting);
                tokio::task::block_in_place(|| store::append(&mut conn, &blobs))?;
                link.send(0, vec![1]).await?;
            }
        }
        // Stays until the other side has the last answer.
        link.closed().await;
        Ok(())
    });
    let dialer = Dialer::new(&client, LinkProfile::Wide)?;
    let started = now();
    let link = dialer.connect(address, server.public_key()).await?;
    let sending = async {
        for frame in frames {
            link.send(4, frame).await?;
        }
        Ok::<_, BenchError>(())
    };
    let answers = entries.div_ceil(64);
    let hearing = async {
        for _ in 0..answers {
            link.recv().await.ok_or(BenchError::Unexpected("no answer"))?;
        }
        Ok::<_, BenchError>(())
    };
    tokio::try_join!(sending, hearing)?;
    let time = started.elapsed();
    dialer.close().await;
    let _ = serving.await;
    Ok(time)
}
