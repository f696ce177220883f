//! A real run of a hub and two clinics, with everything that each asked of its disk.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tests::programs::binaries::Binary;
use tests::programs::http::Device;
use tests::programs::network::{door, invitation, number};
use tests::programs::{Home, Reading, Relay, Serving, body, until, until_some};

use crate::trace::{self, BadLine, CALLS, Event};

/// Names of the three nodes, which are those of their folders and traces.
pub const HUB: &str = "hub";
/// The clinic where devices are.
pub const NORTH: &str = "north";
/// The other clinic.
pub const SOUTH: &str = "south";

/// Devices, which send at the same time so that writes share commits.
pub const DEVICES: usize = 2;

/// Batches of a device in each of the three parts of a run.
const BATCHES_PER_PART: usize = 8;

/// All batches of a device.
pub const BATCHES: usize = 3 * BATCHES_PER_PART;

/// Readings of a batch.
pub const BATCH_READINGS: usize = 12;

/// What was recorded.
#[derive(Debug)]
pub struct Recording {
    /// The folder that all data folders were in.
    pub root: String,
    /// What the hub did.
    pub hub: Vec<Event>,
    /// What the clinic with devices did.
    pub north: Vec<Event>,
    /// What the other clinic did.
    pub south: Vec<Event>,
}

/// Why there is no recording.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The tool that records is missing.
    #[error("strace is missing or may not trace here; on Debian: apt-get install strace")]
    NoStrace,
    /// A file of the recording.
    #[error("{} cannot be read or written", .0.display())]
    File(PathBuf, #[source] io::Error),
    /// The output of the tool.
    #[error(transparent)]
    Trace(#[from] BadLine),
}

/// Whether programs can be traced here.
#[must_use]
pub fn can_trace() -> bool {
    let tried = std::process::Command::new("strace").args(["-e", "trace=none", "true"]).output();
    tried.is_ok_and(|done| done.status.success())
}

impl Recording {
    /// Runs the three programs below `folder` and records them there. Of the clinic with devices the
    /// sync number `failed_sync` of each thread fails, if any.
    ///
    /// # Errors
    ///
    /// [`RecordError`].
    ///
    /// # Panics
    ///
    /// When a program does not do what it is asked.
    pub fn make(folder: &Path, failed_sync: Option<u64>) -> Result<Self, RecordError> {
        if !can_trace() {
            return Err(RecordError::NoStrace);
        }
        // What the programs see: without links.
        let root = folder.canonicalize().map_err(|error| file_error(folder, error))?;
        fs::write(root.join("root"), root.display().to_string())
            .map_err(|error| file_error(folder, error))?;
        run(&root, failed_sync);
        Self::load(&root)
    }

    /// Reads what was recorded in `folder`, there or elsewhere.
    ///
    /// # Errors
    ///
    /// [`RecordError`].
    pub fn load(folder: &Path) -> Result<Self, RecordError> {
        let text = |name: &str| {
            let path = folder.join(name);
            fs::read_to_string(&path).map_err(|error| file_error(&path, error))
        };
        let events = |name: &str| -> Result<Vec<Event>, RecordError> {
            Ok(trace::read(&text(&format!("{name}.trace"))?)?)
        };
        Ok(Self {
            root: text("root")?,
            hub: events(HUB)?,
            north: events(NORTH)?,
            south: events(SOUTH)?,
        })
    }
}

fn file_error(path: &Path, error: io::Error) -> RecordError {
    RecordError::File(path.to_owned(), error)
}

/// A node whose program is traced whenever it is not only asked through the running one.
struct Traced {
    home: Home,
    traced: Home,
    trace: PathBuf,
}

impl Traced {
    fn new(binary: Binary, folder: &Path, name: &str, failed_sync: Option<u64>) -> Self {
        let home = Home::new(binary, folder, name);
        let trace = folder.join(format!("{name}.trace"));
        let words = ["strace", "-D", "-f", "-y", "-xx", "-ttt", "-T", "-s", "2000000", "-A", "-e"];
        let mut words: Vec<OsString> = words.map(OsString::from).into();
        words.push(format!("trace={CALLS}").into());
        if let Some(n) = failed_sync {
            words.push("-e".into());
            words.push(format!("inject=fsync,fdatasync:error=EIO:when={n}").into());
        }
        words.push("-o".into());
        words.push(trace.clone().into());
        Self { traced: home.clone().under(words), home, trace }
    }

    /// A command to a program that does not run.
    fn tell(&self, arguments: &[&str]) {
        let before = self.length();
        self.traced.tell(arguments);
        self.is_written(before);
    }

    /// A command to the running program, again until it is done: one of its syncs may fail.
    fn insist(&self, arguments: &[&str]) -> String {
        until_some("the command is done", || {
            let asked = self.home.ask(arguments);

            asked.status.success().then(|| asked.text())
        })
    }

    fn device(&self, name: &str) -> Device {
        let answer = self.insist(&["device", "add", name]);
        let line = answer.lines().nth(1).and_then(|line| line.split_once(','));
        let (_, key) = line.expect("the answer has a line with the key");
        Device { name: name.to_owned(), key: key.to_owned() }
    }

    fn serve(&self) -> (Serving, u64) {
        let before = self.length();
        (self.traced.serve(), before)
    }

    fn stop(&self, mut serving: (Serving, u64)) {
        serving.0.stop();
        self.is_written(serving.1);
    }

    fn kill(&self, mut serving: (Serving, u64)) {
        serving.0.kill();
        self.is_written(serving.1);
    }

    fn length(&self) -> u64 {
        fs::metadata(&self.trace).map_or(0, |found| found.len())
    }

    /// Waits until the end of each thread of the process that began at `before` is in the trace.
    fn is_written(&self, before: u64) {
        let before = usize::try_from(before).unwrap_or(usize::MAX);
        until("the trace is whole", || {
            let text = fs::read_to_string(&self.trace).unwrap_or_default();
            let lines = || text.get(before..).unwrap_or_default().lines();
            let threads: BTreeSet<&str> =
                lines().filter_map(|line| line.split(' ').next()).collect();
            let ended = lines().filter(|line| line.contains(" +++ ")).count();
            !threads.is_empty() && ended == threads.len() && text.ends_with('\n')
        });
    }

    fn is_in_step(&self) -> bool {
        let status = self.home.status();
        let idle = status.get("idle").and_then(serde_json::Value::as_bool).unwrap_or(false);
        idle && number(&status, &["entries", "pending"]) == 0
    }
}

fn run(folder: &Path, failed_sync: Option<u64>) {
    let hub = Traced::new(Binary::Hub, folder, HUB, None);
    let mut north = Traced::new(Binary::EdgeNode, folder, NORTH, None);
    let south = Traced::new(Binary::EdgeNode, folder, SOUTH, None);
    hub.tell(&["init"]);
    let mut hub_serving = hub.serve();
    let wire = Relay::to(door(&hub_serving.0));
    for (clinic, name) in [(&north, NORTH), (&south, SOUTH)] {
        clinic.tell(&["init"]);
        clinic.tell(&["join", &invitation(&hub.home, name, wire.address())]);
    }
    north = Traced::new(Binary::EdgeNode, folder, NORTH, failed_sync);
    let mut north_serving = north.serve();
    let south_serving = south.serve();
    for at in 0..3 {
        north.insist(&["patient", "add", &format!("p-{at}"), "--name", "Somebody"]);
    }
    until("the clinic knows the other one", || north.insist(&["sites"]).contains(SOUTH));
    for number in ["p-0", "p-2"] {
        north.insist(&["consent", "grant", number, "--site", SOUTH]);
    }
    let devices: Vec<Device> = (0..DEVICES).map(|at| north.device(&device_name(at))).collect();
    let settle = || {
        north.insist(&["flush"]);
        until("both clinics have everything", || {
            let status = hub.home.status();
            let sites = status.get("sites").and_then(serde_json::Value::as_array);
            north.is_in_step()
                && south.is_in_step()
                && sites.is_some_and(|all| all.iter().all(|one| number(one, &["behind"]) == 0))
        });
    };

    load(&devices, &north_serving.0, 0);
    settle();
    // In good order: everything is brought into the database file.
    south.stop(south_serving);
    hub.stop(hub_serving);
    let south_serving = south.serve();
    hub_serving = hub.serve();
    wire.lead_to(door(&hub_serving.0));
    load(&devices, &north_serving.0, 1);
    north.insist(&["flush"]);
    // And not in good order.
    north.kill(north_serving);
    north_serving = north.serve();
    load(&devices, &north_serving.0, 2);
    settle();
    north.insist(&["consent", "revoke", "p-2", "--site", SOUTH]);
    until("the other clinic has let it go", || {
        hub.home.tell(&["copies"]).lines().count() == 1 && south.is_in_step()
    });
    north.stop(north_serving);
    south.stop(south_serving);
    hub.kill(hub_serving);
}

/// A part of the batches, from all devices at once.
fn load(devices: &[Device], serving: &Serving, part: usize) {
    std::thread::scope(|scope| {
        for (at, device) in devices.iter().enumerate() {
            scope.spawn(move || {
                for batch in part * BATCHES_PER_PART..(part + 1) * BATCHES_PER_PART {
                    let text = body(&batch_name(batch), &readings(at, batch));
                    until("a batch has its receipt", || {
                        device.send(serving.http, &text).status == 200
                    });
                }
            });
        }
    });
}

/// The name of a device.
#[must_use]
pub fn device_name(device: usize) -> String {
    format!("mon-{device}")
}

/// The name of a batch.
#[must_use]
pub fn batch_name(batch: usize) -> String {
    format!("b-{batch}")
}

/// The readings of a batch: of all patients, every value different, and in every third batch one
/// that calls somebody.
#[must_use]
pub fn readings(device: usize, batch: usize) -> Vec<Reading> {
    let reading = |at: usize| {
        let unique = (device * BATCHES + batch) * BATCH_READINGS + at;
        let patient = format!("p-{}", at % 3);
        let seconds = -i64::try_from(at).unwrap_or_default() - 1;
        if at == 5 && batch.is_multiple_of(3) {
            let value = format!("84.{unique:07}");
            return Reading::pulse(&device_name(device), &patient, seconds, &value)
                .of("59408-5", "%");
        }
        Reading::pulse(&device_name(device), &patient, seconds, &format!("72.{unique:07}"))
    };
    (0..BATCH_READINGS).map(reading).collect()
}
