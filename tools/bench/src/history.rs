//! What one more batch costs after more and more readings: nothing more.

use std::time::Duration;

use crate::Scale;
use crate::edge_ingest::{backlog, bodies, call, paths};
use crate::error::BenchError;
use crate::fleet::{self, RunningHub, runtime};
use crate::readings::Readings;
use crate::report::Report;

/// Readings held when the next batches come.
const HELD: [usize; 3] = [10_000, 1_000_000, 10_000_000];
const DEVICES: usize = 16;
/// Readings whose arrival is measured, in batches of 100.
const MORE: usize = 32_000;

pub(crate) fn run(scale: Scale, report: &mut Report) -> Result<(), BenchError> {
    report.line("\nhistory: batches of 100 more, after so many readings are held");
    let readings = Readings::load();
    let folder = fleet::folder()?;
    let (hub_path, edge_path, _) = paths(&folder);
    hub::node::Hub::init(&hub_path, &host::Random::system())?;
    runtime()?.block_on(async {
        let hub = RunningHub::start(&hub_path, fleet::ANY).await?;
        let node = fleet::joined(&edge_path, &hub, "north").await?;
        hub.stop().await;
        fleet::register(&node, DEVICES, DEVICES).await?;
        // Numbers of the small batches are far from those of the large ones that fill up.
        let (mut held, mut filled, mut next) = (0, 0, 100_000_usize);
        let mut first = None;
        for target in HELD.map(|target| target / scale.divide) {
            while held < target {
                let per_device = ((target - held) / DEVICES).clamp(1_000, 50_000);
                backlog(&node, &readings, DEVICES, per_device, filled).await?;
                filled += per_device.div_ceil(1_000);
                held += per_device * DEVICES;
            }
            let mut times: Vec<Duration> = Vec::new();
            let count = (MORE / scale.divide).max(DEVICES * 100);
            for _ in 0..=scale.runs {
                times.push(call(&node, bodies(&readings, DEVICES, count, &mut next)).await?);
                held += count;
            }
            times.remove(0);
            let rate = report.rate(&format!("{target} held"), "readings", count, &times);
            let first = *first.get_or_insert(rate);
            report.ratio("    time of one more, to that at the least held", first, rate);
        }
        node.writer.stop().await;
        Ok::<_, BenchError>(())
    })?;
    report.line("goal: flat, at most 120 %");
    Ok(())
}
