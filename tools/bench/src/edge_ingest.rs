//! Batches of 100 over HTTP, deduplicated, alert-checked, durable before the answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use edge_node::node::Node;
use vitals::batch::Batch;
use vitals::checksum::BodyDigest;
use vocab::DeviceName;
use workflows::record_batch::record_batch;

use crate::error::BenchError;
use crate::fleet::{self, RunningClinic, RunningHub, now, runtime};
use crate::http::Client;
use crate::readings::{Body, Readings};
use crate::report::Report;
use crate::{Scale, store};

const BATCH: usize = 100;
const DEVICES: usize = 16;

pub(crate) fn run(scale: Scale, report: &mut Report) -> Result<(), BenchError> {
    report.line("\nedge_ingest: JSON batches of 100 over HTTP, 16 devices");
    let readings = Readings::load();
    let runtime = runtime()?;
    let folder = fleet::folder()?;
    let (hub_path, edge_path) = (folder.path().join("hub"), folder.path().join("edge"));
    hub::node::Hub::init(&hub_path, &host::Random::system())?;
    let per_run = 400_000 / scale.divide;
    let mut next = 0;
    let (one, sixteen, bare) = runtime.block_on(async {
        let hub = RunningHub::start(&hub_path, fleet::ANY).await?;
        let node = fleet::joined(&edge_path, &hub, "north").await?;
        let keys = fleet::register(&node, DEVICES, DEVICES).await?;
        hub.stop().await;
        node.writer.stop().await;
        drop(node);
        let clinic = RunningClinic::start(&edge_path).await?;
        let (mut one, mut sixteen, mut bare) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..=scale.runs {
            one.push(post(&clinic, &keys, 1, &bodies(&readings, 1, per_run / 4, &mut next)).await?);
            sixteen.push(
                post(&clinic, &keys, DEVICES, &bodies(&readings, DEVICES, per_run, &mut next))
                    .await?,
            );
            bare.push(call(&clinic.node, bodies(&readings, DEVICES, per_run, &mut next)).await?);
        }
        clinic.stop().await;
        Ok::<_, BenchError>((one, sixteen, bare))
    })?;
    // The first of each warms up.
    let counted = |times: &[Duration]| times.get(1..).unwrap_or_default().to_vec();
    report.rate("1 connection", "readings", per_run / 4, &counted(&one));
    let rate = report.rate("16 connections", "readings", per_run, &counted(&sixteen));
    let limit = report.rate("limit: the same as bare calls", "readings", per_run, &counted(&bare));
    let mut raw = store::open(folder.path())?;
    let rows: Vec<Duration> = (0..scale.runs)
        .map(|_| store::insert_rows(&mut raw, per_run, BATCH))
        .collect::<Result<_, _>>()?;
    report.rate("limit: raw rows, a commit per 100", "readings", per_run, &rows);
    report.ratio("16 connections of bare calls", rate, limit);
    report.line("goal: 300 k readings/s at 16 connections, half of the limit");
    Ok(())
}

/// Batches per device, numbered on over all runs so that none is a repeat.
pub(crate) fn bodies(
    readings: &Readings,
    devices: usize,
    count: usize,
    next: &mut usize,
) -> Vec<Vec<Body>> {
    let per_device = count / devices / BATCH;
    let first = *next;
    *next += per_device;
    let of = |device: usize| {
        (first..first + per_device)
            .map(|number| readings.body(device, &format!("p{device}"), number, BATCH))
            .collect()
    };
    (0..devices).map(of).collect()
}

async fn post(
    clinic: &RunningClinic,
    keys: &[String],
    connections: usize,
    bodies: &[Vec<Body>],
) -> Result<Duration, BenchError> {
    let mut clients = Vec::new();
    for (device, key) in keys.iter().enumerate().take(connections) {
        clients.push(Client::connect(clinic.http, device, key.clone()).await?);
    }
    let started = now();
    let mut tasks = Vec::new();
    for (mut client, bodies) in clients.into_iter().zip(bodies.to_vec()) {
        tasks.push(tokio::spawn(async move {
            for body in &bodies {
                client.post(body).await?;
            }
            Ok::<_, BenchError>(())
        }));
    }
    for task in tasks {
        task.await.map_err(|_| BenchError::Unexpected("a client failed"))??;
    }
    Ok(started.elapsed())
}

/// The same work without HTTP: parse, checksum, the use case, the same writer and commits.
pub(crate) async fn call(node: &Arc<Node>, bodies: Vec<Vec<Body>>) -> Result<Duration, BenchError> {
    let started = now();
    let mut tasks = Vec::new();
    for (device, bodies) in bodies.into_iter().enumerate() {
        let node = Arc::clone(node);
        tasks.push(tokio::spawn(async move {
            let name: DeviceName =
                format!("d{device}").parse().map_err(|_| BenchError::Unexpected("a name"))?;
            for body in bodies {
                let digest = BodyDigest::verify(body.json.as_bytes(), Some(&body.digest))
                    .map_err(|_| BenchError::Unexpected("a checksum"))?;
                let batch = Batch::parse(body.json.as_bytes())
                    .map_err(|_| BenchError::Unexpected("a batch"))?;
                let name = name.clone();
                let at = host::Clock::system().now();
                node.writer
                    .write(move |conn, state| {
                        record_batch(conn, &mut state.0, at, &name, &batch, digest)
                    })
                    .await
                    .map_err(|_| BenchError::Write)?;
            }
            Ok::<_, BenchError>(())
        }));
    }
    for task in tasks {
        task.await.map_err(|_| BenchError::Unexpected("a caller failed"))??;
    }
    Ok(started.elapsed())
}

/// A backlog of sealed segments: `devices` devices with a patient each, `per_device` readings in
/// batches of 1,000.
pub(crate) async fn backlog(
    node: &Arc<Node>,
    readings: &Readings,
    devices: usize,
    per_device: usize,
    first_batch: usize,
) -> Result<(), BenchError> {
    for device in 0..devices {
        let name: DeviceName =
            format!("d{device}").parse().map_err(|_| BenchError::Unexpected("a name"))?;
        for number in 0..per_device.div_ceil(1_000) {
            let count = per_device.min(1_000);
            let body = readings.body(device, &format!("p{device}"), first_batch + number, count);
            let digest = BodyDigest::of(body.json.as_bytes());
            let batch = Batch::parse(body.json.as_bytes())
                .map_err(|_| BenchError::Unexpected("a batch"))?;
            let at = host::Clock::system().now();
            let name = name.clone();
            node.writer
                .write(move |conn, state| {
                    record_batch(conn, &mut state.0, at, &name, &batch, digest)
                })
                .await
                .map_err(|_| BenchError::Write)?;
        }
    }
    Ok(())
}

/// Where a bench keeps a hub and a clinic.
pub(crate) fn paths(folder: &tempfile::TempDir) -> (PathBuf, PathBuf, PathBuf) {
    let path = folder.path();
    (path.join("hub"), path.join("north"), path.join("south"))
}
