//! From the hub to a second clinic through the consent gate.

use std::time::Duration;

use crate::Scale;
use crate::edge_ingest::{backlog, paths};
use crate::error::BenchError;
use crate::fleet::{self, RunningClinic, RunningHub, now, runtime};
use crate::readings::Readings;
use crate::report::Report;
use crate::sync_push::bare_log;

const DEVICES: usize = 100;

pub(crate) fn run(scale: Scale, report: &mut Report) -> Result<(), BenchError> {
    let count = 1_000_000 / scale.divide;
    report.line(&format!("\nsync_fanout: {count} readings held, hub to second clinic"));
    let readings = Readings::load();
    let runtime = runtime()?;
    for share in [10, 100] {
        let mut times = Vec::new();
        for _ in 0..scale.runs {
            times.push(runtime.block_on(fan_out(&readings, count, share))?);
        }
        let name = format!("{share} % of the patients allow it");
        report.rate(&name, "readings", count * share / 100, &times);
    }
    let mut bare = Vec::new();
    for _ in 0..scale.runs {
        bare.push(runtime.block_on(bare_log(count))?);
    }
    report.rate("limit: a bare signed log over QUIC", "readings", count, &bare);
    report.line("goal: time in proportion to what is delivered, not to what is held");
    Ok(())
}

async fn fan_out(readings: &Readings, count: usize, share: usize) -> Result<Duration, BenchError> {
    let folder = fleet::folder()?;
    let (hub_path, north, south) = paths(&folder);
    hub::node::Hub::init(&hub_path, &host::Random::system())?;
    let hub = RunningHub::start(&hub_path, fleet::ANY).await?;
    let node = fleet::joined(&north, &hub, "north").await?;
    let other = fleet::joined(&south, &hub, "south").await?;
    other.writer.stop().await;
    drop(other);
    fleet::register(&node, DEVICES, DEVICES).await?;
    backlog(&node, readings, DEVICES, count / DEVICES, 0).await?;
    node.writer.stop().await;
    drop(node);
    let clinic = RunningClinic::start(&north).await?;
    fleet::until(async || clinic.node.is_in_step() && fleet::pending(&clinic.node).await == 0)
        .await?;
    fleet::consent(&clinic.node, DEVICES * share / 100, "south").await?;
    fleet::until(async || fleet::pending(&clinic.node).await == 0).await?;
    let segments = u64::try_from(count / 1_000 * share / 100).unwrap_or(0);
    let started = now();
    let second = RunningClinic::start(&south).await?;
    fleet::until(async || {
        let status = second.node.readers.read(replication::edge::status).await;
        second.node.is_in_step() && status.is_ok_and(|status| status.foreign > segments)
    })
    .await?;
    let time = started.elapsed();
    second.stop().await;
    clinic.stop().await;
    hub.stop().await;
    Ok(time)
}
