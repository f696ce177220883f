//! `simulate`: seeded storms over a hub and clinics, each followed by a check of every invariant.

mod wire;

use std::any::Any;
use std::io::{self, Write as _};
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use clap::Parser;
use tests::disk::Medium;
use tests::faults::Figures;
use tests::invariants;
use tests::world::World;

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
    /// Storms at the same time; as many as the machine has processors, if not said.
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=256))]
    threads: Option<u64>,
    /// Keep every database in files, encrypted and with a WAL, instead of in memory.
    #[arg(long)]
    on_disk: bool,
    /// Let an operator erase patients and parts of their records in each storm.
    #[arg(long)]
    erases: bool,
    /// Stop at the first seed that breaks an invariant.
    #[arg(long)]
    until_broken: bool,
}

/// What all threads share.
#[derive(Debug, Default)]
struct Tally {
    next: AtomicU64,
    done: AtomicU64,
    total: Mutex<Figures>,
    broken: Mutex<Vec<(u64, Vec<String>)>>,
}

fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    let tally = Tally::default();
    thread::scope(|scope| {
        let processors = || thread::available_parallelism().map_or(1, |n| n.get() as u64);
        for _ in 0..args.threads.unwrap_or_else(processors) {
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
        seeds: tally.done.into_inner(),
        broken: u64::try_from(broken.len()).unwrap_or(u64::MAX),
        first_broken: broken.first().map(|(seed, _)| *seed),
        virtual_hours: hours(total.virtual_ms),
        clinics: total.clinics,
        frames: total.frames,
        resupplied: total.resupplied,
        faults: total.faults.iter().map(|(fault, times)| (fault.name(), *times)).collect(),
    };
    writeln!(out, "{}", serde_json::to_string(&summary).map_err(io::Error::other)?)?;
    Ok(if broken.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn work(args: &Args, tally: &Tally) {
    loop {
        let number = tally.next.fetch_add(1, Ordering::Relaxed);
        let stopped = args.until_broken && tally.broken.lock().is_ok_and(|all| !all.is_empty());
        if number >= args.seeds || stopped {
            return;
        }
        let seed = args.first_seed.wrapping_add(number);
        let (figures, broken) = catch_unwind(|| storm(args, seed)).unwrap_or_else(|cause| {
            (Figures::default(), vec![format!("a program panicked: {}", words(&*cause))])
        });
        tally.done.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut total) = tally.total.lock() {
            total.add(&figures);
        }
        if !broken.is_empty()
            && let Ok(mut all) = tally.broken.lock()
        {
            all.push((seed, broken));
        }
    }
}

fn storm(args: &Args, seed: u64) -> (Figures, Vec<String>) {
    let medium = if args.on_disk { Medium::Files } else { Medium::Memory };
    let mut world = World::on(medium, seed);
    world.plan.erases = args.erases;
    world.run();
    let mut broken: Vec<String> =
        invariants::check(&world).iter().map(ToString::to_string).collect();
    if !broken.is_empty() {
        broken.push(format!("what went wrong on purpose: {:?}", world.figures.faults));
    }
    (world.figures, broken)
}

/// What a panic says.
fn words(cause: &(dyn Any + Send)) -> String {
    let text = cause.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| cause.downcast_ref::<String>().cloned()).unwrap_or_default()
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people, with one decimal")]
fn hours(ms: u64) -> f64 {
    (ms as f64 / 360_000.0).round() / 10.0
}
