//! `simulate`: seeded storms over a hub and clinics, each followed by a check of every invariant.

mod wire;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use clap::Parser;
use tests::invariants;
use tests::world::{Figures, World};

use crate::wire::Summary;

/// Broken seeds that are described; of more only the number is told.
const SHOWN_MAX: usize = 20;

/// Lets a hub and clinics live through storms of the network, the clocks, the power and the disks, one
/// for each seed, and checks the invariants of the sync design after each.
///
/// The last line is one JSON object; the exit code is 1 if an invariant was broken.
#[derive(Debug, Parser)]
#[command(name = "simulate", version)]
struct Args {
    /// How many seeds.
    #[arg(long, default_value_t = 1_000)]
    seeds: u64,
    /// The first of them; a broken seed alone is shown again with `--seeds 1`.
    #[arg(long, default_value_t = 0)]
    first_seed: u64,
    /// Storms at the same time.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=256))]
    threads: u64,
}

/// What all threads share.
#[derive(Debug, Default)]
struct Tally {
    next: AtomicU64,
    total: Mutex<Figures>,
    broken: Mutex<Vec<(u64, Vec<String>)>>,
}

fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    let tally = Tally::default();
    thread::scope(|scope| {
        for _ in 0..args.threads {
            scope.spawn(|| work(&args, &tally));
        }
    });
    let mut broken = tally.broken.into_inner().unwrap_or_default();
    broken.sort();
    let mut out = io::stdout().lock();
    for (seed, what) in broken.iter().take(SHOWN_MAX) {
        writeln!(out, "seed {seed}:")?;
        what.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
    }
    let total = tally.total.into_inner().unwrap_or_default();
    let summary = Summary {
        seeds: args.seeds,
        broken: u64::try_from(broken.len()).unwrap_or(u64::MAX),
        virtual_hours: hours(total.virtual_ms),
        frames: total.frames,
        cuts: total.cuts,
        kills: total.kills,
        restores: total.restores,
        hub_restores: total.hub_restores,
        resupplied: total.resupplied,
    };
    writeln!(out, "{}", serde_json::to_string(&summary).map_err(io::Error::other)?)?;
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn work(args: &Args, tally: &Tally) {
    loop {
        let number = tally.next.fetch_add(1, Ordering::Relaxed);
        if number >= args.seeds {
            return;
        }
        let seed = args.first_seed.wrapping_add(number);
        let mut world = World::new(seed);
        world.run();
        let broken = invariants::check(&world);
        if let Ok(mut total) = tally.total.lock() {
            total.add(&world.figures);
        }
        if !broken.is_empty()
            && let Ok(mut all) = tally.broken.lock()
        {
            all.push((seed, broken.iter().map(ToString::to_string).collect()));
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people, with one decimal")]
fn hours(ms: u64) -> f64 {
    (ms as f64 / 360_000.0).round() / 10.0
}
