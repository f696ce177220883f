//! `cargo demo`: one hub, two clinics, devices with real readings, on this machine.

mod admission;
mod incidents;
mod live;
mod people;
mod process;
mod programs;
mod relay;
mod rows;
mod screen;
mod settle;
mod show;
mod stage;
mod status;
mod wire;

use std::error::Error;
use std::fs::{self, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use device_sim::recording::RecordingError;
use device_sim::{Recording, describe};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;

use crate::relay::Passes;
use crate::screen::Screen;
use crate::stage::Stage;

/// A small recording of real readings; see `sample/README.md` for its sources.
const SAMPLE: &[u8] = include_bytes!("../sample/bedside.csv.gz");

/// How long the built-in recording takes, so that there is a middle in which something can go wrong.
const SAMPLE_ONCE_SECONDS: f64 = 6.0;

/// The same when a person watches the pages.
const SAMPLE_LIVE_SECONDS: f64 = 20.0;

/// Attempts to remove the temporary folder, a twentieth of a second apart.
const REMOVALS_MAX: usize = 20;

/// The exit code of a program that was interrupted: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

/// Starts a hub and two clinics on this machine, enrols them, and replays real vital signs from
/// bedside devices: they arrive at the first clinic, cross to the hub, and appear at the second
/// clinic for the patients who agreed. Runs until Ctrl-C and cleans up after itself.
#[derive(Debug, Parser)]
#[command(name = "demo", version)]
struct Args {
    /// End by itself. The last line is one JSON object; exit code 0 only if every reading is where
    /// it belongs and nowhere else.
    #[arg(long)]
    once: bool,
    /// Replay this file (device_id,patient_ref,code,unit,time,value; plain or gzip) instead of the
    /// built-in recording.
    #[arg(long, value_name = "FILE")]
    vitals: Option<PathBuf>,
    /// Cut the link between the first clinic and the hub for some seconds in the middle.
    #[arg(long)]
    cut_link: bool,
    /// Let no UDP through between the first clinic and the hub; their link then runs over TCP.
    #[arg(long)]
    block_udp: bool,
    /// Kill the first clinic's program (SIGKILL) in the middle and start it again.
    #[arg(long)]
    kill_clinic: bool,
    /// Spread the replay over so many seconds. A file is replayed as fast as the clinic answers,
    /// unless this is given.
    #[arg(long, value_name = "N", value_parser = positive)]
    seconds: Option<f64>,
}

impl Args {
    /// How long the replay is to take; `None` is as fast as it goes.
    fn seconds(&self) -> Option<f64> {
        let of_sample = if self.once { SAMPLE_ONCE_SECONDS } else { SAMPLE_LIVE_SECONDS };
        self.seconds.or(self.vitals.is_none().then_some(of_sample))
    }

    /// What stands between the first clinic and the hub, if anything.
    fn relay(&self) -> Option<Passes> {
        if self.block_udp { Some(Passes::TcpOnly) } else { self.cut_link.then_some(Passes::Udp) }
    }

    fn recording(&self) -> Result<Recording, RecordingError> {
        match &self.vitals {
            Some(file) => Recording::open(file),
            None => Recording::read(SAMPLE),
        }
    }
}

fn positive(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0);
    number.ok_or_else(|| "a number above 0".to_owned())
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Args::parse()).await {
        Ok(code) => code,
        Err(error) => {
            // Errors of writing to standard error have nowhere to go.
            let _ = writeln!(io::stderr(), "demo: {}", describe(&*error));
            ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<ExitCode, Box<dyn Error>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let stopped = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    };
    let screen = Screen::new();
    let recording = Arc::new(args.recording()?);
    // Named before the stage, so that it is removed after the programs are gone, whatever happens.
    let folder = private_folder()?;
    let mut stage = None;
    let shown = tokio::select! {
        shown = show(&args, &mut stage, recording, &folder, &screen) => Some(shown),
        () = stopped => None,
    };
    if let Some(stage) = stage {
        stage.strike().await;
    }
    remove(&folder).await?;
    match shown {
        Some(summary) => {
            let summary = summary?;
            screen.say(&serde_json::to_string(&summary)?);
            Ok(if summary.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        None if args.once => Ok(ExitCode::from(INTERRUPTED)),
        None => {
            screen.say("stopped, and everything is cleaned up");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Sets the stage and plays; the stage stays with the caller, who strikes it.
async fn show(
    args: &Args,
    stage: &mut Option<Stage>,
    recording: Arc<Recording>,
    folder: &TempDir,
    screen: &Screen,
) -> Result<wire::Summary, Box<dyn Error>> {
    let programs = programs::build(screen).await?;
    let set = Stage::set(&programs, folder.path(), args.relay(), screen).await?;
    show::play(args, stage.insert(set), recording, folder.path(), screen).await
}

/// A temporary folder that only its owner can enter: it holds keys.
fn private_folder() -> io::Result<TempDir> {
    tempfile::Builder::new().prefix("demo-").permissions(Permissions::from_mode(0o700)).tempdir()
}

/// Removes the folder. A program that was killed a moment ago may still be writing its last file.
async fn remove(folder: &TempDir) -> io::Result<()> {
    for _ in 0..REMOVALS_MAX {
        if fs::remove_dir_all(folder.path()).is_ok() {
            return Ok(());
        }
        sleep(Duration::from_millis(50)).await;
    }
    fs::remove_dir_all(folder.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_recording_is_small_and_whole() {
        assert!(SAMPLE.len() <= 60_000, "{} bytes", SAMPLE.len());
        let recording = Recording::read(SAMPLE).unwrap();
        assert_eq!(recording.readings(), 13_035);
        assert_eq!((recording.patients.len(), recording.tapes.len()), (6, 6));
    }

    #[test]
    fn only_the_built_in_recording_takes_its_time() {
        check(&["demo"], Some(SAMPLE_LIVE_SECONDS));
        check(&["demo", "--once"], Some(SAMPLE_ONCE_SECONDS));
        check(&["demo", "--once", "--vitals", "a.csv"], None);
        check(&["demo", "--vitals", "a.csv", "--seconds", "2.5"], Some(2.5));
        assert!(Args::try_parse_from(["demo", "--seconds", "0"]).is_err());
    }

    #[track_caller]
    fn check(words: &[&str], expected: Option<f64>) {
        assert_eq!(Args::parse_from(words).seconds(), expected);
    }

    #[test]
    fn the_folder_is_the_owners_alone() {
        let folder = private_folder().unwrap();
        let mode = fs::metadata(folder.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
