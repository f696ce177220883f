//! A session with nothing new: what it costs does not depend on what is held.

use std::time::Duration;

use crate::Scale;
use crate::bare_link;
use crate::edge_ingest::{backlog, paths};
use crate::error::BenchError;
use crate::fleet::{self, RunningClinic, RunningHub, now, runtime};
use crate::readings::Readings;
use crate::relay::Relay;
use crate::report::{Report, as_f64, spread};

pub(crate) fn run(scale: Scale, report: &mut Report) -> Result<(), BenchError> {
    report.line("\nidle_sync: a cold session with nothing new, handshake included");
    let readings = Readings::load();
    let runtime = runtime()?;
    for held in [1_000, 100_000 / scale.divide] {
        let (up, down, times) = runtime.block_on(idle(&readings, held, scale.runs))?;
        let median = |values: &[f64]| spread(values).1;
        report.line(&format!(
            "{held:>7} readings held: {:.0} bytes up, {:.0} bytes down, {:.1} ms until in step",
            median(&up),
            median(&down),
            median(&times)
        ));
    }
    let bare = runtime.block_on(async {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        for _ in 0..scale.runs {
            let (stats, _) = bare_link::ping(1).await?;
            up.push(as_f64(usize::try_from(stats.sent_bytes).unwrap_or(0)));
            down.push(as_f64(usize::try_from(stats.received_bytes).unwrap_or(0)));
        }
        Ok::<_, BenchError>((spread(&up).1, spread(&down).1))
    })?;
    report.line(&format!(
        "limit: a bare handshake and one byte:  {:.0} bytes up, {:.0} bytes down",
        bare.0, bare.1
    ));
    let trips = runtime.block_on(round_trips(scale.runs))?;
    let (low, median, high) = spread(&trips);
    report.line(&format!("round trips until in step: {median:.2} ({low:.2} to {high:.2})"));
    report.line("goal: 3,300 bytes up, 2,100 down, two round trips, whatever is held");
    Ok(())
}

/// One way on the wire on which round trips are counted: far more than the work at either end.
const ONE_WAY: Duration = Duration::from_millis(250);

/// The time until in step over a long wire, in round trips of that wire.
async fn round_trips(runs: usize) -> Result<Vec<f64>, BenchError> {
    let folder = fleet::folder()?;
    let (hub_path, edge_path, _) = paths(&folder);
    hub::node::Hub::init(&hub_path, &host::Random::system())?;
    let hub = RunningHub::start(&hub_path, fleet::ANY).await?;
    let relay = Relay::start(hub.quic()?, ONE_WAY).await?;
    let node = fleet::joined_at(&edge_path, &hub, "north", Some(relay.address)).await?;
    node.writer.stop().await;
    drop(node);
    let mut trips = Vec::new();
    // The first session fetches the directory.
    for run in 0..=runs {
        let clinic = RunningClinic::start(&edge_path).await?;
        let started = now();
        fleet::until(async || clinic.node.is_in_step()).await?;
        if run > 0 {
            trips.push(started.elapsed().as_secs_f64() / (2.0 * ONE_WAY.as_secs_f64()));
        }
        clinic.stop().await;
    }
    hub.stop().await;
    Ok(trips)
}

type Figures = (Vec<f64>, Vec<f64>, Vec<f64>);

async fn idle(readings: &Readings, held: usize, runs: usize) -> Result<Figures, BenchError> {
    let folder = fleet::folder()?;
    let (hub_path, edge_path, _) = paths(&folder);
    hub::node::Hub::init(&hub_path, &host::Random::system())?;
    let hub = RunningHub::start(&hub_path, fleet::ANY).await?;
    let node = fleet::joined(&edge_path, &hub, "north").await?;
    fleet::register(&node, 1, 1).await?;
    backlog(&node, readings, 1, held, 0).await?;
    node.writer.stop().await;
    drop(node);
    let clinic = RunningClinic::start(&edge_path).await?;
    fleet::until(async || clinic.node.is_in_step() && fleet::pending(&clinic.node).await == 0)
        .await?;
    clinic.stop().await;
    let mut figures = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..runs {
        let started = now();
        let clinic = RunningClinic::start(&edge_path).await?;
        fleet::until(async || clinic.node.is_in_step()).await?;
        figures.2.push(started.elapsed().as_secs_f64() * 1_000.0);
        let (up, down) = clinic.node.link_bytes();
        figures.0.push(as_f64(usize::try_from(up).unwrap_or(0)));
        figures.1.push(as_f64(usize::try_from(down).unwrap_or(0)));
        clinic.stop().await;
    }
    hub.stop().await;
    Ok(figures)
}
