//! A hub and two clinics that have joined it, each clinic behind a wire of its own.

use std::net::SocketAddr;

use serde_json::Value;
use tempfile::TempDir;

use super::binaries::Binary;
use super::http::Device;
use super::process::{Home, Serving};
use super::readings::{Reading, exported};
use super::relay::Relay;
use super::wait::until;

/// Names of the two clinics.
pub const SITES: [&str; 2] = ["north", "south"];

/// A clinic that serves.
#[derive(Debug)]
pub struct Clinic {
    /// Its folder.
    pub home: Home,
    /// Its program.
    pub serving: Serving,
    /// The wire to the hub.
    pub wire: Relay,
}

/// A hub and two clinics.
#[derive(Debug)]
pub struct Network {
    /// The hub's folder.
    pub hub_home: Home,
    /// The hub's program.
    pub hub: Serving,
    /// The clinic where devices are.
    pub north: Clinic,
    /// The other one.
    pub south: Clinic,
    folder: TempDir,
}

impl Network {
    /// Makes all three and lets the clinics join.
    #[track_caller]
    #[must_use]
    pub fn start() -> Self {
        Self::start_with(|home| home)
    }

    /// The same, every home prepared by `prepare` before its program runs for the first time.
    ///
    /// # Panics
    ///
    /// When a program does not do what it is asked, here and below.
    #[track_caller]
    #[must_use]
    pub fn start_with(prepare: impl Fn(Home) -> Home) -> Self {
        Self::start_on(prepare, |_| ())
    }

    /// The same, on wires that let no UDP through.
    #[track_caller]
    #[must_use]
    pub fn start_without_udp() -> Self {
        Self::start_on(|home| home, Relay::block_udp)
    }

    #[track_caller]
    fn start_on(prepare: impl Fn(Home) -> Home, spoil: impl Fn(&Relay)) -> Self {
        let folder = folder();
        let hub_home = prepare(Home::new(Binary::Hub, folder.path(), "hub"));
        hub_home.tell(&["init"]);
        let hub = hub_home.serve();
        let [north, south] = SITES.map(|site| {
            let home = prepare(Home::new(Binary::EdgeNode, folder.path(), site));
            home.tell(&["init"]);
            let wire = Relay::to(door(&hub));
            spoil(&wire);
            join_by(wire, &home, &hub_home, site)
        });
        Self { hub_home, hub, north, south, folder }
    }

    /// The folder that all of it lies in.
    #[must_use]
    pub fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// Kills the hub and starts it again.
    #[track_caller]
    pub fn restart_hub(&mut self) {
        self.hub.kill();
        self.start_hub();
    }

    /// Starts the hub and lets the wires lead to it.
    ///
    /// It gets another port than before, because somebody else may have taken the old one; clinics
    /// see the end of the wire, which stays where it is.
    #[track_caller]
    pub fn start_hub(&mut self) {
        self.hub = self.hub_home.serve();
        for clinic in [&self.north, &self.south] {
            clinic.wire.lead_to(door(&self.hub));
        }
    }

    /// Waits until the clinics have nothing to tell and nothing to fetch.
    #[track_caller]
    pub fn settle(&self) {
        until("both clinics have sent and received everything", || {
            [&self.north, &self.south].into_iter().all(|clinic| clinic.is_in_step())
                && self.hub_is_done()
        });
    }

    fn hub_is_done(&self) -> bool {
        let status = self.hub_home.status();
        let sites = status.get("sites").and_then(Value::as_array);
        sites.is_some_and(|sites| sites.iter().all(|site| number(site, &["behind"]) == 0))
    }

    /// What the hub holds.
    #[track_caller]
    #[must_use]
    pub fn at_hub(&self) -> Vec<Reading> {
        exported(&self.hub_home.tell(&["export", "vitals"]))
    }
}

impl Clinic {
    /// Kills the program and starts it again.
    #[track_caller]
    pub fn restart(&mut self) {
        self.serving.kill();
        self.serving = self.home.serve();
    }

    /// Where its devices send.
    #[must_use]
    pub const fn http(&self) -> SocketAddr {
        self.serving.http
    }

    /// Registers a device.
    ///
    /// # Panics
    ///
    /// When it is not registered.
    #[track_caller]
    #[must_use]
    pub fn device(&self, name: &str) -> Device {
        device(&self.home, name)
    }

    /// Registers a patient.
    #[track_caller]
    pub fn patient(&self, number: &str, name: &str) {
        self.home.tell(&["patient", "add", number, "--name", name]);
    }

    /// A patient allows `site` identity and vitals.
    #[track_caller]
    pub fn allow(&self, number: &str, site: &str) {
        until("the clinic knows the other one", || self.home.tell(&["sites"]).contains(site));
        self.home.tell(&["consent", "grant", number, "--site", site]);
    }

    /// What it holds.
    #[track_caller]
    #[must_use]
    pub fn vitals(&self) -> Vec<Reading> {
        exported(&self.home.tell(&["export", "vitals"]))
    }

    /// Whether everything written here is at the hub and nothing is on its way.
    #[must_use]
    pub fn is_in_step(&self) -> bool {
        let status = self.home.status();
        let idle = status.get("idle").and_then(Value::as_bool).unwrap_or(false);
        idle && number(&status, &["entries", "pending"]) == 0
    }
}

/// A clinic that has joined and then lost its hub: what it does alone.
#[derive(Debug)]
pub struct Alone {
    /// Its folder.
    pub home: Home,
    /// Its program.
    pub serving: Serving,
    _folder: TempDir,
}

impl Alone {
    /// Makes a hub, lets the clinic join, ends the hub, and serves with `settings`.
    ///
    /// # Panics
    ///
    /// When a program does not do what it is asked.
    #[track_caller]
    #[must_use]
    pub fn start(settings: &str) -> Self {
        let folder = folder();
        let hub_home = Home::new(Binary::Hub, folder.path(), "hub");
        hub_home.tell(&["init"]);
        let hub = hub_home.serve();
        let home = Home::new(Binary::EdgeNode, folder.path(), "clinic");
        home.tell(&["init"]);
        home.configure(settings);
        home.tell(&["join", &invitation(&hub_home, "clinic", door(&hub))]);
        drop(hub);
        let serving = home.serve();
        Self { home, serving, _folder: folder }
    }
}

/// Registers a device in `home`.
///
/// # Panics
///
/// When it is not registered.
#[track_caller]
#[must_use]
pub fn device(home: &Home, name: &str) -> Device {
    let answer = home.tell(&["device", "add", name]);
    let line = answer.lines().nth(1).and_then(|line| line.split_once(','));
    let (_, key) = line.expect("the answer has a line with the key");
    Device { name: name.to_owned(), key: key.to_owned() }
}

/// Where a hub answers clinics.
///
/// # Panics
///
/// For a program that is no hub.
#[track_caller]
#[must_use]
pub fn door(hub: &Serving) -> SocketAddr {
    hub.quic.expect("a hub has a door for clinics")
}

/// An invitation of `site` that leads to `address`.
///
/// # Panics
///
/// When the hub makes none.
#[track_caller]
#[must_use]
pub fn invitation(hub: &Home, site: &str, address: SocketAddr) -> String {
    let address = address.to_string();
    let line = hub.tell(&["invite", "--site", site, "--no-qr", "--advertise", &address]);
    line.trim().to_owned()
}

/// Lets `home` join by an invitation and serve.
///
/// # Panics
///
/// When it does not.
#[track_caller]
#[must_use]
pub fn join(home: &Home, hub_home: &Home, hub: &Serving, site: &str) -> Clinic {
    join_by(Relay::to(door(hub)), home, hub_home, site)
}

#[track_caller]
fn join_by(wire: Relay, home: &Home, hub_home: &Home, site: &str) -> Clinic {
    home.tell(&["join", &invitation(hub_home, site, wire.address())]);
    let serving = home.serve();
    Clinic { home: home.clone(), serving, wire }
}

/// A folder that only we can look into, gone after the test.
///
/// # Panics
///
/// When the system gives none.
#[must_use]
pub fn folder() -> TempDir {
    tempfile::tempdir().expect("the system gives a temporary folder")
}

/// A number within a status.
///
/// # Panics
///
/// When there is none.
#[track_caller]
#[must_use]
pub fn number(status: &Value, path: &[&str]) -> u64 {
    let found = path.iter().try_fold(status, |value, key| value.get(key));
    let Some(number) = found.and_then(Value::as_u64) else { panic!("{path:?} is not in {status}") };
    number
}
