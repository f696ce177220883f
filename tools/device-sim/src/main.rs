//! `device-sim`: replays a recording into a clinic's node.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use device_sim::batch::{BATCH_READINGS, BATCH_READINGS_MAX};
use device_sim::replay::{DEVICES_AT_ONCE, NodeAddress, PATIENCE};
use device_sim::wire::Summary;
use device_sim::{Faults, Keys, Plan, Recording, describe, replay};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::time::Instant;

/// Devices that may send at once: the connections that a small machine opens without settings.
const DEVICES_AT_ONCE_MAX: usize = 512;

/// Replays a recording of vital signs into a clinic's node, as bedside devices would.
///
/// Every batch is sent until it has a receipt. The last line is one JSON object; the exit code is 0
/// only if every batch has its receipt.
#[derive(Debug, Parser)]
#[command(name = "device-sim", version)]
struct Args {
    /// The node: http://HOST:PORT.
    #[arg(long)]
    node: NodeAddress,
    /// The devices' keys: CSV device_id,key, as `edge-node device import` prints it.
    #[arg(long)]
    keys: PathBuf,
    /// The recording: CSV device_id,patient_ref,code,unit,time,value, plain or gzip.
    #[arg(long)]
    file: PathBuf,
    /// Readings in a batch.
    #[arg(long, default_value_t = BATCH_READINGS, value_parser = within(1, BATCH_READINGS_MAX))]
    batch: usize,
    /// Devices that send at the same time.
    #[arg(long, default_value_t = DEVICES_AT_ONCE, value_parser = within(1, DEVICES_AT_ONCE_MAX))]
    devices_at_once: usize,
    /// Readings a second, all devices together; as fast as the node answers when left out.
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds that a batch is sent again and again before its device gives up.
    #[arg(long, default_value_t = PATIENCE.as_secs())]
    patience: u64,
    /// Chance (0 to 1) that a batch with a receipt is sent once more.
    #[arg(long, default_value_t = 0.0, value_parser = chance)]
    duplicate: f64,
    /// Chance that a batch goes out after the one that follows it.
    #[arg(long, default_value_t = 0.0, value_parser = chance)]
    reorder: f64,
    /// Chance that a bit of a batch is flipped on its first way.
    #[arg(long, default_value_t = 0.0, value_parser = chance)]
    corrupt: f64,
    /// Chance that an answer is thrown away and the batch sent again.
    #[arg(long, default_value_t = 0.0, value_parser = chance)]
    drop: f64,
    /// Longest random wait before a batch, in milliseconds.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    delay: u64,
    /// What the faults follow from: the same seed, the same faults.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&describe(&*error));
            ExitCode::from(2)
        }
    }
}

async fn run(args: Args) -> Result<bool, Box<dyn Error>> {
    let keys = Keys::open(&args.keys)?;
    let recording = Arc::new(Recording::open(&args.file)?);
    let bar = progress_bar(recording.readings())?;
    let watched = bar.clone();
    let started = Instant::now();
    let replayed = replay(recording, plan(args, keys), move |readings| {
        watched.inc(u64::try_from(readings).unwrap_or(0));
    })
    .await;
    bar.finish_and_clear();
    for failure in &replayed.failures {
        say(&describe(failure));
    }
    let summary = Summary::of(&replayed, started.elapsed().as_secs_f64());
    writeln!(io::stdout(), "{}", serde_json::to_string(&summary)?)?;
    Ok(replayed.is_complete())
}

fn plan(args: Args, keys: Keys) -> Plan {
    Plan {
        batch_readings: args.batch,
        devices_at_once: args.devices_at_once,
        faults: Faults {
            duplicate: args.duplicate,
            reorder: args.reorder,
            corrupt: args.corrupt,
            drop: args.drop,
            delay: Duration::from_millis(args.delay),
            seed: args.seed,
        },
        patience: Duration::from_secs(args.patience),
        readings_per_second: args.rate,
        ..Plan::new(args.node, keys)
    }
}

/// Drawn on standard error, and only where that is a terminal.
fn progress_bar(readings: usize) -> Result<ProgressBar, Box<dyn Error>> {
    let bar = ProgressBar::new(u64::try_from(readings)?);
    let shape = "replaying {bar:32} {pos}/{len} readings  {per_sec}  {eta} left";
    Ok(bar.with_style(ProgressStyle::with_template(shape)?))
}

fn within(least: usize, most: usize) -> impl Fn(&str) -> Result<usize, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| format!("a whole number from {least} to {most}"))
    }
}

fn chance(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.0..=1.0).contains(number));
    number.ok_or_else(|| "a number from 0 to 1".to_owned())
}

/// Errors of writing to standard error have nowhere to go.
fn say(sentence: &str) {
    let _ = writeln!(io::stderr(), "device-sim: {sentence}");
}
