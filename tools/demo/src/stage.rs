//! One hub and two clinics on this machine, enrolled and running.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use crate::process::{Addresses, ProcessError, Program, Server};
use crate::programs::Programs;
use crate::relay::{Passes, Relay};
use crate::screen::Screen;
use crate::status::{ClinicStatus, HubStatus};

/// The clinic that devices send to.
pub(crate) const FIRST_CLINIC: &str = "north-clinic";

/// The clinic that gets what patients allow.
pub(crate) const SECOND_CLINIC: &str = "south-clinic";

/// A port that the system chooses, on this machine only.
const ANY_PORT: &str = "127.0.0.1:0";

/// How long the directory may take from the hub to the first clinic.
const DIRECTORY_TIMEOUT: Duration = Duration::from_secs(30);

/// Time between two looks at a program that is waited for.
pub(crate) const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// How often a clinic's program is started again on its port before that counts as a failure.
/// Something else may have the port for a moment: one of the devices that look for the clinic.
const RESTARTS_MAX: usize = 5;

/// Why the stage is not set or fell over.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StageError {
    #[error(transparent)]
    Process(#[from] ProcessError),
    #[error("the hub does not say where clinics reach it")]
    NoDoor,
    #[error("opening the relay between clinic and hub")]
    Relay(#[source] io::Error),
    #[error("{0} does not answer as expected")]
    Answer(&'static str),
    #[error("{0} does not run")]
    NotRunning(&'static str),
    #[error("{FIRST_CLINIC} does not learn of {SECOND_CLINIC} from the hub")]
    NoDirectory,
}

/// A program and, while it serves, its process.
pub(crate) struct Actor {
    program: Program,
    server: Option<Server>,
    /// Bytes that processes sent which are gone.
    bytes_before: u64,
}

/// Everything that runs.
pub(crate) struct Stage {
    pub(crate) hub: Actor,
    pub(crate) first: Actor,
    pub(crate) second: Actor,
    /// Between the first clinic and the hub, when the link is to be cut or UDP is to be blocked.
    pub(crate) relay: Option<Relay>,
}

impl Stage {
    /// Initialises, enrols and starts all three below `folder`.
    pub(crate) async fn set(
        programs: &Programs,
        folder: &Path,
        relay: Option<Passes>,
        screen: &Screen,
    ) -> Result<Self, StageError> {
        let mut hub = Actor::new("hub", &programs.hub, folder);
        let mut first = Actor::new(FIRST_CLINIC, &programs.edge_node, folder);
        let mut second = Actor::new(SECOND_CLINIC, &programs.edge_node, folder);
        hub.ask(&["init"]).await?;
        hub.serve(&["--listen", ANY_PORT, "--sync-listen", ANY_PORT]).await?;
        let door = hub.addresses()?.quic.clone().ok_or(StageError::NoDoor)?;
        let relay = match relay {
            Some(passes) => {
                let door = door.parse().map_err(|_| StageError::NoDoor)?;
                Some(Relay::start(door, passes).await.map_err(StageError::Relay)?)
            }
            None => None,
        };
        let through = relay.as_ref().map(|relay| relay.address().to_string());
        for (clinic, door) in
            [(&mut first, through.as_ref().unwrap_or(&door)), (&mut second, &door)]
        {
            let name = clinic.program.name;
            let invite = ["invite", "--site", name, "--advertise", door, "--no-qr"];
            let answer = hub.ask(&invite).await?;
            let invitation = first_line(&answer).ok_or(StageError::Answer("hub"))?;
            clinic.ask(&["init"]).await?;
            clinic.ask(&["join", invitation]).await?;
            clinic.serve(&["--listen", ANY_PORT]).await?;
            screen.say(&format!("{name} joined the hub with an invitation"));
        }
        let mut stage = Self { hub, first, second, relay };
        stage.wait_for_directory().await?;
        Ok(stage)
    }

    /// The first clinic can only name the second once the hub told it who there is.
    async fn wait_for_directory(&mut self) -> Result<(), StageError> {
        let started = Instant::now();
        loop {
            let answer = self.first.ask(&["sites"]).await?;
            let text = String::from_utf8_lossy(&answer);
            if text.lines().any(|line| line.split(' ').next() == Some(SECOND_CLINIC)) {
                return Ok(());
            }
            if started.elapsed() > DIRECTORY_TIMEOUT {
                return Err(StageError::NoDirectory);
            }
            self.check().await?;
            sleep(LOOK_AGAIN).await;
        }
    }

    /// Fails if a program is no longer there.
    pub(crate) async fn check(&mut self) -> Result<(), StageError> {
        for actor in [&mut self.hub, &mut self.first, &mut self.second] {
            if let Some(server) = &mut actor.server {
                server.check().await?;
            }
        }
        Ok(())
    }

    /// The addresses of the pages, for a person.
    pub(crate) fn pages(&self) -> Result<String, StageError> {
        let of = |actor: &Actor| actor.addresses().map(|addresses| addresses.http.clone());
        Ok(format!(
            "pages:  hub           {}/\n        {FIRST_CLINIC}  {}/\n        {SECOND_CLINIC}  {}/",
            of(&self.hub)?,
            of(&self.first)?,
            of(&self.second)?
        ))
    }

    /// Ends all three.
    pub(crate) async fn strike(self) {
        for actor in [self.first, self.second, self.hub] {
            if let Some(server) = actor.server {
                // One that is gone already is as good as killed.
                let _ = server.kill().await;
            }
        }
    }
}

impl Actor {
    fn new(name: &'static str, binary: &Path, folder: &Path) -> Self {
        Self { program: Program::new(name, binary, folder), server: None, bytes_before: 0 }
    }

    /// Runs one command; a running program answers it itself.
    pub(crate) async fn ask(&self, arguments: &[&str]) -> Result<Vec<u8>, ProcessError> {
        self.program.ask(arguments).await
    }

    async fn serve(&mut self, arguments: &[&str]) -> Result<(), ProcessError> {
        self.server = Some(self.program.serve(arguments).await?);
        Ok(())
    }

    /// Where it listens.
    pub(crate) fn addresses(&self) -> Result<&Addresses, StageError> {
        let name = self.program.name;
        self.server.as_ref().map(Server::addresses).ok_or(StageError::NotRunning(name))
    }

    /// How a clinic stands.
    pub(crate) async fn clinic_status(&self) -> Result<ClinicStatus, StageError> {
        self.status().await
    }

    /// How a hub stands.
    pub(crate) async fn hub_status(&self) -> Result<HubStatus, StageError> {
        self.status().await
    }

    async fn status<T: DeserializeOwned>(&self) -> Result<T, StageError> {
        let answer = self.ask(&["status", "--json"]).await?;
        serde_json::from_slice(&answer).map_err(|_| StageError::Answer(self.program.name))
    }

    /// Bytes sent to the hub by this process and those before it.
    pub(crate) async fn bytes_on_wire(&self) -> Result<u64, StageError> {
        Ok(self.bytes_before + self.clinic_status().await?.link.sent_bytes_total)
    }

    /// Kills a clinic's program as a power cut would, and waits until it is gone.
    pub(crate) async fn kill(&mut self) -> Result<Addresses, StageError> {
        let addresses = self.addresses()?.clone();
        // What the process sends between this answer and its end is not counted; that is less than
        // a tenth of a second's worth.
        self.bytes_before = self.bytes_on_wire().await?;
        if let Some(server) = self.server.take() {
            server.kill().await?;
        }
        Ok(addresses)
    }

    /// Starts a clinic's program again where it listened before.
    pub(crate) async fn restart(&mut self, addresses: &Addresses) -> Result<(), StageError> {
        let arguments = ["--listen", addresses.http_socket()];
        for _ in 1..RESTARTS_MAX {
            if self.serve(&arguments).await.is_ok() {
                return Ok(());
            }
            sleep(LOOK_AGAIN).await;
        }
        Ok(self.serve(&arguments).await?)
    }
}

fn first_line(answer: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(answer).ok()?.lines().next()?.trim();
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invitation_is_the_first_line() {
        assert_eq!(first_line(b"CAIRN1:abc\nmore\n"), Some("CAIRN1:abc"));
        assert_eq!(first_line(b"\nmore\n"), None);
        assert_eq!(first_line(b""), None);
        assert_eq!(first_line(b"\xff\n"), None);
    }
}
