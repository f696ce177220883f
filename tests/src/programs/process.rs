//! A program with its data folder: asked once, or serving until it is killed or stopped.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use host::Clock;
use serde_json::Value;

use super::binaries::Binary;
use super::wait::{PATIENCE, until_some};

/// A data folder and the program it belongs to.
#[derive(Clone, Debug)]
pub struct Home {
    binary: Binary,
    path: PathBuf,
    variables: Vec<(&'static str, &'static str)>,
    under: Vec<OsString>,
}

/// What a command answered.
#[derive(Clone, Debug)]
pub struct Asked {
    /// How it ended.
    pub status: ExitStatus,
    /// What it wrote to standard output.
    pub out: Vec<u8>,
    /// What it wrote to standard error.
    pub said: String,
}

impl Asked {
    /// Its standard output as text.
    ///
    /// # Panics
    ///
    /// When that is no text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8(self.out.clone()).expect("commands write text")
    }
}

impl Home {
    /// The folder `name` below `parent`; nothing is made yet.
    #[must_use]
    pub fn new(binary: Binary, parent: &Path, name: &str) -> Self {
        Self { binary, path: parent.join(name), variables: Vec::new(), under: Vec::new() }
    }

    /// The same with an environment variable for the program.
    #[must_use]
    pub fn with_variable(mut self, name: &'static str, value: &'static str) -> Self {
        self.variables.push((name, value));
        self
    }

    /// The same, run by another program: its name and its arguments, before those of ours.
    #[must_use]
    pub fn under(mut self, program: Vec<OsString>) -> Self {
        self.under = program;
        self
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The key of its database.
    ///
    /// # Panics
    ///
    /// When the folder has none.
    #[must_use]
    pub fn database_key(&self) -> [u8; 32] {
        let text = std::fs::read_to_string(self.path.join("database.key")).expect("a key file");
        let (digits, _) = text.split_once(' ').expect("a checksum behind the key");
        let key = data_encoding::HEXLOWER.decode(digits.as_bytes()).expect("hex");
        key.try_into().expect("32 bytes")
    }

    /// The database, while no program runs in the folder.
    ///
    /// # Panics
    ///
    /// When it does not open.
    #[must_use]
    pub fn database(&self) -> store::Connection {
        let key = store::DatabaseKey::new(self.database_key());
        store::open(&self.path.join("data.db"), &key, store::Access::Write).expect("a database")
    }

    /// Adds `lines` to the settings.
    ///
    /// # Panics
    ///
    /// When the folder was not made.
    pub fn configure(&self, lines: &str) {
        let path = self.path.join("config.toml");
        let text = std::fs::read_to_string(&path).expect("init makes the settings");
        // The example names every section already, so that ours would stand twice.
        let kept: String = text
            .lines()
            .filter(|line| line.starts_with('#'))
            .map(|line| format!("{line}\n"))
            .collect();
        std::fs::write(&path, format!("{kept}\n{lines}\n")).expect("the folder is ours");
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    #[must_use]
    pub fn ask(&self, arguments: &[&str]) -> Asked {
        let done = self.command(arguments).output().expect("the program can be started");
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        Asked { status: done.status, out: done.stdout, said }
    }

    /// Runs a command that must succeed; answers its standard output.
    ///
    /// # Panics
    ///
    /// When it fails.
    #[track_caller]
    pub fn tell(&self, arguments: &[&str]) -> String {
        let asked = self.ask(arguments);
        assert!(asked.status.success(), "{} {arguments:?}: {}", self.binary.name(), asked.said);
        asked.text()
    }

    /// Runs a command that must fail; answers what it said.
    ///
    /// # Panics
    ///
    /// When it succeeds.
    #[track_caller]
    pub fn refused(&self, arguments: &[&str]) -> String {
        let asked = self.ask(arguments);
        assert!(!asked.status.success(), "{} {arguments:?} succeeded", self.binary.name());
        asked.said
    }

    /// Its status, for programs.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[track_caller]
    #[must_use]
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.tell(&["status", "--json"])).expect("the status is JSON")
    }

    /// Starts serving on ports that the system chooses, and waits until it says where.
    ///
    /// # Panics
    ///
    /// When it does not.
    #[track_caller]
    #[must_use]
    pub fn serve(&self) -> Serving {
        self.try_serve().unwrap_or_else(|said| panic!("{said}"))
    }

    /// The same, for a program that may refuse.
    ///
    /// # Errors
    ///
    /// What it said, when it ended instead.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub fn try_serve(&self) -> Result<Serving, String> {
        let arguments = match self.binary {
            Binary::Hub => &["--listen", "127.0.0.1:0", "--sync-listen", "127.0.0.1:0"][..],
            Binary::EdgeNode => &["--listen", "127.0.0.1:0"],
        };
        self.serve_with(arguments)
    }

    fn serve_with(&self, arguments: &[&str]) -> Result<Serving, String> {
        let clock = Clock::system();
        let mut child = self
            .command(&[&["serve"], arguments].concat())
            .spawn()
            .expect("the program can be started");
        let said = Said::default();
        let errors = child.stderr.take().map(|pipe| listen(pipe, said.clone()));
        let (sender, lines) = mpsc::channel();
        let output = child.stdout.take().expect("it is piped");
        std::thread::spawn(move || {
            // Read to the end, so that the program never waits for a full pipe.
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut serving = Serving {
            name: self.binary.name(),
            child,
            said,
            errors,
            http: SocketAddr::from(([127, 0, 0, 1], 0)),
            quic: None,
            started_in: Duration::ZERO,
        };
        let Some((http, quic)) =
            lines.recv_timeout(PATIENCE).ok().and_then(|line| addresses(&line))
        else {
            let _ = serving.child.kill();
            let status = serving.child.wait();
            serving.finished();
            return Err(format!(
                "{} does not serve ({status:?}): {}",
                serving.name,
                serving.said()
            ));
        };
        serving.http = http;
        serving.quic = quic;
        serving.started_in = Duration::from_nanos(clock.monotonic_nanos());
        Ok(serving)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let words = self.under.iter().cloned().chain([self.binary.path().into_os_string()]);
        let words: Vec<OsString> = words.collect();
        let (program, before) = words.split_first().expect("our own program is among them");
        let mut command = Command::new(program);
        command
            .args(before)
            .arg("--data")
            .arg(&self.path)
            .args(arguments)
            .envs(self.variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }
}

/// Reads `listening http=http://127.0.0.1:8090 quic=127.0.0.1:4433`.
fn addresses(line: &str) -> Option<(SocketAddr, Option<SocketAddr>)> {
    let words = || line.strip_prefix("listening ").into_iter().flat_map(str::split_whitespace);
    let value = |name: &str| words().find_map(|word| word.strip_prefix(name));
    let http = value("http=http://")?.parse().ok()?;
    Some((http, value("quic=").and_then(|text| text.parse().ok())))
}

/// A program that serves. Killed when dropped.
#[derive(Debug)]
pub struct Serving {
    name: &'static str,
    child: Child,
    said: Said,
    errors: Option<JoinHandle<()>>,
    /// Where it answers HTTP.
    pub http: SocketAddr,
    /// Where a hub answers clinics.
    pub quic: Option<SocketAddr>,
    /// How long it took from its start until it said where it listens.
    pub started_in: Duration,
}

impl Serving {
    /// What it wrote to standard error so far.
    #[must_use]
    pub fn said(&self) -> String {
        self.said.text()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its memory in use, KiB, where the system tells.
    #[must_use]
    pub fn resident_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// The most memory it ever had in use, KiB, where the system tells.
    #[must_use]
    pub fn peak_kib(&self) -> Option<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Whether it still runs.
    ///
    /// # Panics
    ///
    /// When the system does not tell.
    pub fn is_up(&mut self) -> bool {
        self.child.try_wait().expect("it is our child").is_none()
    }

    /// Kills it as a power cut would (SIGKILL); answers what it had said.
    ///
    /// # Panics
    ///
    /// When it was gone before.
    #[track_caller]
    pub fn kill(&mut self) -> String {
        assert!(self.is_up(), "{} ended by itself: {}", self.name, self.said());
        self.child.kill().expect("it is our child");
        self.finished();
        self.said()
    }

    /// Asks it to stop (SIGTERM) and waits until it did, in good order; answers what it had said.
    ///
    /// # Panics
    ///
    /// When it does not, or with a failure.
    #[track_caller]
    pub fn stop(&mut self) -> String {
        let pid = self.pid().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().expect("there is a kill");
        assert!(sent.success(), "{} ended by itself: {}", self.name, self.said());
        let ended = until_some("the program stops", || self.child.try_wait().ok().flatten());
        assert!(ended.success(), "{} stopped with {ended}: {}", self.name, self.said());
        self.finished();
        self.said()
    }

    /// Waits until everything that it said is read.
    fn finished(&mut self) {
        let _ = self.child.wait();
        if let Some(errors) = self.errors.take() {
            let _ = errors.join();
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a program wrote to standard error.
#[derive(Clone, Debug, Default)]
struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn listen(mut pipe: impl Read + Send + 'static, said: Said) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            let mut all = said.0.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend_from_slice(buffer.get(..count).unwrap_or_default());
        }
    })
}
