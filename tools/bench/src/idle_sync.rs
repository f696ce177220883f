//! A session with nothing new: what it costs does not depend on what is held.

use crate::Scale;
use crate::edge_ingest::{backlog, paths};
use crate::error::BenchError;
use crate::fleet::{self, RunningClinic, RunningHub, now, runtime};
use crate::readings::Readings;
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
    report.line("goal: 3,300 bytes up, 2,100 down, two round trips, whatever is held");
    Ok(())
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
