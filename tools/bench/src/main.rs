//! `cargo bench-all`: what the product does a second, each figure beside its limit measured in the
//! same run. Nothing here is asserted.

mod alert_latency;
mod bare_link;
mod edge_ingest;
mod error;
mod fleet;
mod herd;
mod history;
mod http;
mod idle_sync;
mod readings;
mod reconcile;
mod relay;
mod report;
mod store;
mod sync_fanout;
mod sync_push;

use std::process::ExitCode;

use clap::Parser;

use crate::error::BenchError;
use crate::report::Report;

/// Measures the product.
#[derive(Debug, Parser)]
struct Args {
    /// Benches by name; all if none is named.
    names: Vec<String>,
    /// Counted runs of each; the median is reported.
    #[arg(long, default_value_t = 5)]
    runs: usize,
    /// A hundredth of the work, to see that everything runs.
    #[arg(long)]
    smoke: bool,
}

/// How much to do.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    pub(crate) runs: usize,
    /// Divides counts of readings.
    pub(crate) divide: usize,
}

type Bench = fn(Scale, &mut Report) -> Result<(), BenchError>;

const BENCHES: [(&str, Bench); 8] = [
    ("edge_ingest", edge_ingest::run),
    ("sync_push", sync_push::run),
    ("sync_fanout", sync_fanout::run),
    ("idle_sync", idle_sync::run),
    ("alert_latency", alert_latency::run),
    ("reconcile", reconcile::run),
    ("herd", herd::run),
    ("history", history::run),
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let Some((herd::CLINICS, rest)) =
        words.split_first().map(|(word, rest)| (word.as_str(), rest))
    {
        return match herd::stand_in(rest) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                host::logging::say_error(&error);
                ExitCode::FAILURE
            }
        };
    }
    let args = Args::parse();
    let scale = Scale { runs: args.runs, divide: if args.smoke { 100 } else { 1 } };
    let mut report = Report::begin();
    for (name, bench) in BENCHES {
        if !args.names.is_empty() && !args.names.iter().any(|wanted| wanted == name) {
            continue;
        }
        if let Err(error) = bench(scale, &mut report) {
            host::logging::say_error(&error);
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
