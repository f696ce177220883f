//! Programs as child processes: asked once, or serving until they are killed.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long a program may take until it says where it listens. A database with a million readings
/// is opened in well under a second; a busy machine gets the rest.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the last words of a program that ended are waited for.
const LAST_WORDS_TIMEOUT: Duration = Duration::from_secs(1);

/// Lines of a program's standard error that are kept for its epitaph.
const TAIL_LINES: usize = 20;

/// Why a program did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// It cannot be started.
    #[error("starting {0}")]
    Start(String, #[source] io::Error),
    /// It ended by itself, or with a failure.
    #[error("{what} ended with {status}; it said:\n{tail}")]
    Ended { what: String, status: ExitStatus, tail: String },
    /// It runs, but does not say where it listens.
    #[error("{what} does not say where it listens; it said:\n{tail}")]
    Silent { what: String, tail: String },
    /// Its pipes broke.
    #[error("listening to {0}")]
    Pipe(String, #[source] io::Error),
}

/// A program with its data folder.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) binary: PathBuf,
    pub(crate) data: PathBuf,
}

impl Program {
    pub(crate) fn new(name: &'static str, binary: &Path, folder: &Path) -> Self {
        Self { name, binary: binary.to_owned(), data: folder.join(name) }
    }

    /// Runs one command to its end; answers what it wrote to standard output.
    pub(crate) async fn ask(&self, arguments: &[&str]) -> Result<Vec<u8>, ProcessError> {
        let what = || self.what(arguments);
        let output = self.command(arguments).output().await;
        let output = output.map_err(|error| ProcessError::Start(what(), error))?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        let tail = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(ProcessError::Ended { what: what(), status: output.status, tail })
    }

    /// Starts `serve` and waits until it says where it listens.
    pub(crate) async fn serve(&self, arguments: &[&str]) -> Result<Server, ProcessError> {
        let arguments = [&["serve"], arguments].concat();
        let what = self.what(&arguments);
        let spawned = self.command(&arguments).spawn();
        let mut child = spawned.map_err(|error| ProcessError::Start(what.clone(), error))?;
        let tail = Tail::default();
        let errors = child.stderr.take().map(|pipe| tokio::spawn(listen(pipe, tail.clone())));
        let mut server = Server { what, child, tail, errors, addresses: Addresses::default() };
        server.addresses = server.started().await?;
        Ok(server)
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .arg("--data")
            .arg(&self.data)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C reaches the demo only, which then stops the others in its own order.
            .process_group(0)
            .kill_on_drop(true);
        command
    }

    /// For sentences about it: `north-clinic (edge-node join)`. Never with what follows the verb:
    /// that may be an invitation.
    fn what(&self, arguments: &[&str]) -> String {
        let binary = self.binary.file_stem().unwrap_or_default().to_string_lossy();
        format!("{} ({binary} {})", self.name, arguments.first().unwrap_or(&""))
    }
}

/// Where a program listens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Addresses {
    /// `http://127.0.0.1:8080`.
    pub(crate) http: String,
    /// `127.0.0.1:4433`, of a hub.
    pub(crate) quic: Option<String>,
}

impl Addresses {
    /// Reads `listening http=http://127.0.0.1:8090 quic=127.0.0.1:4433`.
    fn parse(line: &str) -> Option<Self> {
        let words = || line.strip_prefix("listening ").into_iter().flat_map(str::split_whitespace);
        let value =
            |name: &str| words().find_map(|word| word.strip_prefix(name)).map(str::to_owned);
        Some(Self { http: value("http=")?, quic: value("quic=") })
    }

    /// `127.0.0.1:8080`.
    pub(crate) fn http_socket(&self) -> &str {
        self.http.strip_prefix("http://").unwrap_or(&self.http)
    }
}

/// A program that serves. Killed when dropped.
pub(crate) struct Server {
    what: String,
    child: Child,
    tail: Tail,
    errors: Option<JoinHandle<()>>,
    addresses: Addresses,
}

impl Server {
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    async fn started(&mut self) -> Result<Addresses, ProcessError> {
        let broken = |what: &str, error| ProcessError::Pipe(what.to_owned(), error);
        let Some(pipe) = self.child.stdout.take() else {
            return Err(broken(&self.what, io::ErrorKind::BrokenPipe.into()));
        };
        let mut lines = BufReader::new(pipe).lines();
        let first = async {
            while let Some(line) = lines.next_line().await? {
                if let Some(addresses) = Addresses::parse(&line) {
                    return Ok(Some(addresses));
                }
            }
            Ok(None)
        };
        match timeout(START_TIMEOUT, first).await {
            Ok(Ok(Some(addresses))) => {
                // Read on, so that the program never waits for a full pipe.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                Ok(addresses)
            }
            Ok(Ok(None)) => Err(self.ended().await),
            Ok(Err(error)) => Err(broken(&self.what, error)),
            Err(_) => {
                Err(ProcessError::Silent { what: self.what.clone(), tail: self.tail.to_string() })
            }
        }
    }

    /// Fails if the program is no longer there.
    pub(crate) async fn check(&mut self) -> Result<(), ProcessError> {
        match self.child.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(_)) => Err(self.ended().await),
            Err(error) => Err(ProcessError::Pipe(self.what.clone(), error)),
        }
    }

    /// The error of a program that ended, with what it said last.
    async fn ended(&mut self) -> ProcessError {
        let status = match self.child.wait().await {
            Ok(status) => status,
            Err(error) => return ProcessError::Pipe(self.what.clone(), error),
        };
        if let Some(errors) = self.errors.take() {
            // The pipe may be held open by a process that the program started.
            let _ = timeout(LAST_WORDS_TIMEOUT, errors).await;
        }
        ProcessError::Ended { what: self.what.clone(), status, tail: self.tail.to_string() }
    }

    /// Kills the program as a power cut would (SIGKILL) and waits until it is gone.
    pub(crate) async fn kill(mut self) -> Result<(), ProcessError> {
        self.child.kill().await.map_err(|error| ProcessError::Pipe(self.what.clone(), error))
    }
}

/// The last lines of a program's standard error.
#[derive(Clone, Default)]
struct Tail(Arc<Mutex<VecDeque<String>>>);

async fn listen(pipe: impl AsyncRead + Unpin, tail: Tail) {
    let mut lines = BufReader::new(pipe).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mut kept = tail.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == TAIL_LINES {
            kept.pop_front();
        }
        kept.push_back(line);
    }
}

impl fmt::Display for Tail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().try_for_each(|line| writeln!(f, "    {line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> (Program, String) {
        let program =
            Program { name: "shell", binary: "/bin/sh".into(), data: "/nonexistent".into() };
        (program, script.to_owned())
    }

    /// `sh --data … serve` is no shell script, so the tests start the shell by hand.
    async fn serve(script: &str) -> Result<Server, ProcessError> {
        let (program, script) = shell(script);
        let mut command = Command::new(&program.binary);
        command.args(["-c", &script]).stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let tail = Tail::default();
        let errors = child.stderr.take().map(|pipe| tokio::spawn(listen(pipe, tail.clone())));
        let what = program.what(&["serve"]);
        let mut server = Server { what, child, tail, errors, addresses: Addresses::default() };
        server.addresses = server.started().await?;
        Ok(server)
    }

    #[test]
    fn the_start_line_says_the_addresses() {
        let line = "listening http=http://127.0.0.1:8090 quic=127.0.0.1:4433";
        let addresses = Addresses::parse(line).unwrap();
        assert_eq!(addresses.http, "http://127.0.0.1:8090");
        assert_eq!(addresses.http_socket(), "127.0.0.1:8090");
        assert_eq!(addresses.quic.as_deref(), Some("127.0.0.1:4433"));
        let clinic = Addresses::parse("listening http=http://127.0.0.1:1").unwrap();
        assert_eq!(clinic.quic, None);
        assert_eq!(Addresses::parse("http=http://127.0.0.1:1"), None);
        assert_eq!(Addresses::parse("listening quic=127.0.0.1:1"), None);
    }

    #[tokio::test]
    async fn a_program_that_ends_early_is_quoted() {
        let script = "for i in $(seq 30); do echo line $i >&2; done; exit 3";
        let Err(error) = serve(script).await else { panic!("it must not start") };
        let said = error.to_string();
        assert!(
            said.starts_with("shell (sh serve) ended with exit status: 3; it said:\n"),
            "{said}"
        );
        assert!(said.ends_with("    line 29\n    line 30\n"), "{said}");
        assert!(!said.contains("line 10\n"), "{said}");
    }

    #[tokio::test]
    async fn a_program_that_serves_can_be_checked_and_killed() {
        let mut server =
            serve("echo listening http=http://127.0.0.1:1; exec sleep 60").await.unwrap();
        assert_eq!(server.addresses().http, "http://127.0.0.1:1");
        server.check().await.unwrap();
        server.child.start_kill().unwrap();
        let _ = server.child.wait().await;
        assert!(matches!(server.check().await, Err(ProcessError::Ended { .. })));
    }
}
