//! The n-th call that fails: for n = 1, 2, 3, … one call of a running program answers an error, once,
//! for a while, or from then on.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use tests::programs::binaries::Binary;
use tests::programs::http::{Connection, Device};
use tests::programs::network::{device, door, invitation};
use tests::programs::{Home, Relay, Serving, body, until, until_some};

use crate::record::{batch_name, readings};
use crate::reopen::{self, Bench, Program, said};
use crate::store as questions;

/// Calls that can fail.
pub const CALLS: [&str; 4] = ["pwrite64", "fsync,fdatasync", "ftruncate", "openat"];

/// Errors that they can answer.
pub const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];

/// Calls that fail one after another when it lasts for a while.
const WHILE_CALLS: u64 = 12;

/// Batches before the fault, and in the run with the fault.
const BATCHES: std::ops::Range<usize> = 2..8;
const BATCHES_BEFORE: usize = 2;

/// Times that a batch is sent until it is called lost: more than [`WHILE_CALLS`].
const TRIES: usize = 40;

/// For how long it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// One call.
    Once,
    /// Some calls, and then no more.
    While,
    /// Every call from then on.
    ForGood,
}

impl Span {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Once, Self::While, Self::ForGood];

    fn when(self, n: u64) -> String {
        match self {
            Self::Once => n.to_string(),
            Self::While => format!("{n}..{}", n + WHILE_CALLS - 1),
            Self::ForGood => format!("{n}+"),
        }
    }
}

/// A fault: each thread of the program counts its own calls.
#[derive(Clone, Copy, Debug)]
pub struct Fault {
    /// Which calls.
    pub calls: &'static str,
    /// What they answer.
    pub error: &'static str,
    /// For how long.
    pub span: Span,
    /// From which on.
    pub n: u64,
}

/// What came of a fault.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Calls that failed.
    pub injected: usize,
    /// Whether the program refused to start, or stopped.
    pub stopped: bool,
    /// What is not as it should be.
    pub wrong: Option<String>,
}

/// Folders from which every run begins, and the wire between them.
#[derive(Debug)]
pub struct Scene {
    folder: PathBuf,
    device: Device,
    wire: Relay,
    bench: Bench,
}

impl Scene {
    /// Makes a hub and a clinic that has joined it, with a patient, a device and what it needs to send,
    /// below `folder`.
    ///
    /// # Panics
    ///
    /// When a program does not do what it is asked.
    #[must_use]
    pub fn make(folder: &Path) -> Self {
        let templates = folder.join("templates");
        new_folder(&templates);
        let hub_home = Home::new(Binary::Hub, &templates, "hub");
        hub_home.tell(&["init"]);
        let hub = hub_home.serve();
        let wire = Relay::to(door(&hub));
        let home = Home::new(Binary::EdgeNode, &templates, "clinic");
        home.tell(&["init"]);
        home.tell(&["join", &invitation(&hub_home, "clinic", wire.address())]);
        drop(hub);
        let mut serving = home.serve();
        for at in 0..3 {
            home.tell(&["patient", "add", &format!("p-{at}"), "--name", "Somebody"]);
        }
        let device = device(&home, &crate::record::device_name(0));
        for batch in 0..BATCHES_BEFORE {
            device.deliver(serving.http, &upload(batch));
        }
        home.tell(&["flush"]);
        serving.kill();
        Self { folder: folder.to_owned(), device, wire, bench: Bench::new() }
    }

    fn fresh(&self) -> PathBuf {
        let run = self.folder.join("run");
        let _ = fs::remove_dir_all(&run);
        new_folder(&run);
        for name in ["hub", "clinic"] {
            new_folder(&run.join(name));
            for file in fs::read_dir(self.folder.join("templates").join(name)).expect("it is made")
            {
                let file = file.expect("it can be read");
                // Neither what is open only while a program runs nor sockets.
                if file.file_type().is_ok_and(|kind| kind.is_file()) {
                    fs::copy(file.path(), run.join(name).join(file.file_name())).expect("a copy");
                }
            }
        }
        run
    }

    /// Lets a clinic take batches while calls fail.
    ///
    /// # Panics
    ///
    /// When the run cannot be made.
    #[must_use]
    pub fn ingest(&self, fault: Fault) -> Outcome {
        let run = self.fresh();
        let home = Home::new(Binary::EdgeNode, &run, "clinic");
        let trace = run.join("trace");
        let mut acknowledged: Vec<usize> = (0..BATCHES_BEFORE).collect();
        let mut outcome = Outcome::default();
        match home.under(failing(fault, &trace)).try_serve() {
            Err(said) => outcome.refused(&said),
            Ok(mut serving) => {
                for batch in BATCHES {
                    if self.send(&mut serving, batch, fault.span) {
                        acknowledged.push(batch);
                    } else if serving.is_up() && fault.span != Span::ForGood {
                        outcome.wrong = Some(format!(
                            "it does not go on after the fault; it said: {}",
                            serving.said()
                        ));
                        break;
                    }
                }
                outcome.stopped = !serving.is_up();
                end(serving);
            }
        }
        outcome.injected = injected(&trace);
        let checked = self.check_ingest(&run.join("clinic"), &acknowledged);
        outcome.wrong = outcome.wrong.or_else(|| checked.err());
        outcome
    }

    /// Sends a batch until it has a receipt or there is no hope.
    fn send(&self, serving: &mut Serving, batch: usize, span: Span) -> bool {
        let request = self.device.upload(&upload(batch));
        let tries = if span == Span::ForGood { 2 } else { TRIES };
        (0..tries).any(|_| {
            serving.is_up()
                && Connection::open(serving.http)
                    .and_then(|mut connection| connection.ask(&request))
                    .is_ok_and(|answer| answer.status == 200)
        })
    }

    /// Everything acknowledged is there once, and what was not is there as a whole or not at all.
    fn check_ingest(&self, folder: &Path, acknowledged: &[usize]) -> Result<(), String> {
        let me = self.bench.start(Program::Edge, folder)?;
        let conn = reopen::database(folder)?;
        crate::promises::check_whole(Program::Edge, &conn, &me)?;
        let mut held = reopen::values(Program::Edge, &conn)?;
        held.sort();
        for batch in 0..BATCHES.end {
            let sent: Vec<String> = readings(0, batch).into_iter().map(|one| one.value).collect();
            let count = held.iter().filter(|value| sent.contains(value)).count();
            let is_whole = count == sent.len() || count == 0 && !acknowledged.contains(&batch);
            if !is_whole {
                return Err(format!("batch {batch}: {count} of {} readings are held", sent.len()));
            }
        }
        let all = held.len();
        held.dedup();
        if held.len() != all {
            return Err("a reading is held twice".to_owned());
        }
        Ok(())
    }

    /// Lets a hub apply what a clinic sends while calls of the hub fail.
    ///
    /// # Panics
    ///
    /// When the run cannot be made.
    #[must_use]
    pub fn apply(&self, fault: Fault) -> Outcome {
        let run = self.fresh();
        let hub_home = Home::new(Binary::Hub, &run, "hub");
        let home = Home::new(Binary::EdgeNode, &run, "clinic");
        let trace = run.join("trace");
        let mut outcome = Outcome::default();
        match hub_home.under(failing(fault, &trace)).try_serve() {
            Err(said) => outcome.refused(&said),
            Ok(mut hub) => {
                self.wire.lead_to(door(&hub));
                let clinic = home.serve();
                let in_step = |asked: bool| {
                    if asked {
                        // Otherwise it makes longer and longer pauses.
                        let _ = home.ask(&["sync"]);
                    }
                    let entries = home.status();
                    let number =
                        |name| entries.get("entries").and_then(|all| all.get(name)).cloned();
                    number("pending").and_then(|number| number.as_u64()) == Some(0)
                };
                if fault.span == Span::ForGood {
                    let _ = (0..3).any(|_| !hub.is_up() || in_step(true));
                } else {
                    until("everything is at the hub, or the hub has stopped", || {
                        in_step(true) || !hub.is_up()
                    });
                }
                outcome.stopped = !hub.is_up();
                end(clinic);
                end(hub);
            }
        }
        outcome.injected = injected(&trace);
        outcome.wrong = outcome.wrong.or_else(|| self.check_apply(&run).err());
        outcome
    }

    /// What the clinic believes to be at the hub is there.
    fn check_apply(&self, run: &Path) -> Result<(), String> {
        let me = self.bench.start(Program::Hub, &run.join("hub"))?;
        let hub = reopen::database(&run.join("hub"))?;
        crate::promises::check_whole(Program::Hub, &hub, &me)?;
        self.bench.start(Program::Edge, &run.join("clinic"))?;
        let clinic = reopen::database(&run.join("clinic"))?;
        let told = questions::acknowledged(&clinic).map_err(|error| said(&error))?;
        let held = questions::entries(&hub).map_err(|error| said(&error))?;
        match told.difference(&held).count() {
            0 => Ok(()),
            lost => Err(format!("{lost} of {} acknowledged entries are lost", told.len())),
        }
    }
}

impl Outcome {
    /// A program that does not start says why.
    fn refused(&mut self, said: &str) {
        self.stopped = true;
        let words = said.split_once("): ").map_or("", |(_, words)| words.trim());
        if words.is_empty() {
            self.wrong = Some(format!("it does not start and says nothing: {said}"));
        }
    }
}

fn upload(batch: usize) -> String {
    // The same bytes each time, so that a repeat is one.
    let fixed = "2026-01-01T00:00:00Z";
    let mut readings = readings(0, batch);
    for (at, reading) in readings.iter_mut().enumerate() {
        reading.time = fixed.replace("00:00Z", &format!("{:02}:{at:02}Z", batch % 60));
    }
    body(&batch_name(batch), &readings)
}

fn failing(fault: Fault, trace: &Path) -> Vec<OsString> {
    let Fault { calls, error, span, n } = fault;
    let mut words: Vec<OsString> =
        ["strace", "-D", "-f", "-s", "0", "-e"].map(OsString::from).into();
    words.push(format!("trace={calls}").into());
    words.push("-e".into());
    words.push(format!("inject={calls}:error={error}:when={}", span.when(n)).into());
    words.push("-o".into());
    words.push(trace.into());
    words
}

/// How many calls failed; waits until the tracer has written its last line.
fn injected(trace: &Path) -> usize {
    until_some("the trace is whole", || {
        let text = fs::read_to_string(trace).unwrap_or_default();
        let process = text.split_whitespace().next()?;
        let is_end = |line: &str| {
            let mut words = line.split_whitespace();
            words.next() == Some(process) && words.next() == Some("+++")
        };
        let is_whole = text.lines().any(is_end);
        is_whole.then(|| text.matches("(INJECTED)").count())
    })
}

/// Ends a program that may have ended already.
fn end(serving: Serving) {
    drop(serving);
}

fn new_folder(path: &Path) {
    fs::DirBuilder::new().mode(0o700).create(path).expect("a folder");
}
