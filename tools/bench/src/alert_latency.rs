//! From a device's POST of a critical value to the hub's commit, with and without a backlog.

use std::time::Duration;

use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};

use crate::edge_ingest::{backlog, paths};
use crate::error::BenchError;
use crate::fleet::{self, RunningClinic, RunningHub, now, runtime};
use crate::http::Client;
use crate::readings::{Body, Readings};
use crate::report::Report;
use crate::{Scale, bare_link, store};

const DEVICES: usize = 100;

pub(crate) fn run(scale: Scale, report: &mut Report) -> Result<(), BenchError> {
    report.line("\nalert_latency: device POST to hub commit, critical oxygen saturation");
    let readings = Readings::load();
    let runtime = runtime()?;
    let quiet = runtime.block_on(measure(&readings, 0, 20 * scale.runs))?;
    report.millis("nothing else to send", &quiet);
    let busy = runtime.block_on(measure(&readings, 1_000_000 / scale.divide, 4 * scale.runs))?;
    report.millis("while a backlog of a million goes up", &busy);
    let least = runtime.block_on(least(20 * scale.runs))?;
    report.millis("limit: a ping and a bare commit at each end", &least);
    report.line("goal: 5 ms median");
    Ok(())
}

/// What cannot be left out: a commit at the clinic, the way there and back, a commit at the hub.
async fn least(times: usize) -> Result<Vec<Duration>, BenchError> {
    let (_, pings) = bare_link::ping(times).await?;
    let folder = fleet::folder()?;
    let mut conn = store::open(folder.path())?;
    let alert = vec![vec![7; 300]];
    pings
        .into_iter()
        .map(|ping| {
            let started = now();
            store::append(&mut conn, &alert)?;
            store::append(&mut conn, &alert)?;
            Ok(ping + started.elapsed())
        })
        .collect()
}

async fn measure(
    readings: &Readings,
    queued: usize,
    alerts: usize,
) -> Result<Vec<Duration>, BenchError> {
    let folder = fleet::folder()?;
    let (hub_path, edge_path, _) = paths(&folder);
    hub::node::Hub::init(&hub_path, &host::Random::system())?;
    let hub = RunningHub::start(&hub_path, fleet::ANY).await?;
    let node = fleet::joined(&edge_path, &hub, "north").await?;
    let keys = fleet::register(&node, DEVICES, DEVICES).await?;
    if queued > 0 {
        backlog(&node, readings, DEVICES, queued / DEVICES, 0).await?;
    }
    node.writer.stop().await;
    drop(node);
    let clinic = RunningClinic::start(&edge_path).await?;
    if queued == 0 {
        fleet::until(async || fleet::pending(&clinic.node).await == 0).await?;
    }
    let key = keys.first().cloned().unwrap_or_default();
    let mut client = Client::connect(clinic.http, 0, key).await?;
    let before = alerts_at(&hub).await;
    let mut times = Vec::new();
    for number in 0..alerts {
        let body = critical(number);
        let started = now();
        client.post(&body).await?;
        let wanted = before + u64::try_from(number + 1).unwrap_or(0);
        fleet::until(async || alerts_at(&hub).await >= wanted).await?;
        times.push(started.elapsed());
    }
    clinic.stop().await;
    hub.stop().await;
    Ok(times)
}

/// Critical alerts that are not late, as committed at the hub.
async fn alerts_at(hub: &RunningHub) -> u64 {
    hub.hub.readers.read(alerts::store::open_critical).await.unwrap_or(0)
}

fn critical(number: usize) -> Body {
    let time = host::Clock::system().now();
    let json = format!(
        "{{\"batch_id\":\"alert-{number}\",\"readings\":[{{\"patient\":\"p0\",\"code\":\"59408-5\",\
         \"unit\":\"%\",\"time\":\"{time}\",\"value\":{}}}]}}",
        80 + number % 9
    );
    let digest = BASE64.encode(&Sha256::digest(json.as_bytes()));
    Body { json, digest: format!("sha-256=:{digest}:") }
}
