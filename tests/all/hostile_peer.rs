//! A node that was enrolled in good order and then turns on its hub, with its own keys and its own
//! program. The hub and the clinics are the real ones.

mod access;
mod entries;
mod frames;
mod payloads;
mod peer;
mod quarantine;

use serde_json::Value;
use tests::programs::binaries::Binary;
use tests::programs::network::{Clinic, door, folder, invitation, join, number};
use tests::programs::{Home, Reading, Relay, Serving, body};

use peer::{Author, Peer};

/// A hub, an honest clinic, and the keys of a hostile one.
struct World {
    hub_home: Home,
    hub: Serving,
    honest: Clinic,
    /// The hostile node's folder, which the real program can use as well.
    home: Home,
    /// That program's way to the hub.
    wire: Relay,
    author: Author,
    hub_key: [u8; 32],
    _folder: tempfile::TempDir,
}

impl World {
    fn start() -> Self {
        let folder = folder();
        let hub_home = Home::new(Binary::Hub, folder.path(), "hub");
        hub_home.tell(&["init"]);
        let hub = hub_home.serve();
        let honest = Home::new(Binary::EdgeNode, folder.path(), "honest");
        honest.tell(&["init"]);
        let honest = join(&honest, &hub_home, &hub, "honest");
        honest.patient("p-1", "Somebody");

        let home = Home::new(Binary::EdgeNode, folder.path(), "hostile");
        home.tell(&["init"]);
        let wire = Relay::to(door(&hub));
        let line = invitation(&hub_home, "hostile", wire.address());
        home.tell(&["join", &line]);
        let hub_key = line.parse::<directory::Invitation>().unwrap().hub_tls_key;
        let author = Author::of(&home);
        Self { hub_home, hub, honest, home, wire, author, hub_key, _folder: folder }
    }

    /// Opens a conversation and greets.
    fn dial(&self) -> Peer {
        let mut peer = self.dial_silently();
        peer.greet(&self.author);
        peer
    }

    /// Opens a conversation and says nothing yet.
    fn dial_silently(&self) -> Peer {
        Peer::dial(&self.author.tls_seed, door(&self.hub), &self.hub_key)
    }

    /// What the hub has set aside.
    fn set_aside(&self) -> u64 {
        number(&self.hub_home.status(), &["quarantined"])
    }

    /// Whatever happened, an honest clinic's reading still arrives.
    #[track_caller]
    fn check_hub_serves(&mut self) {
        assert!(self.hub.is_up(), "the hub ended: {}", self.hub.said());
        let device = format!("mon-{}", self.honest.home.tell(&["device", "list"]).lines().count());
        let monitor = self.honest.device(&device);
        let reading = Reading::pulse(&device, "p-1", -1, "72");
        monitor.deliver(self.honest.http(), &body("b-1", &[reading]));
        self.honest.home.tell(&["flush"]);
        tests::programs::until("an honest clinic's reading is at the hub", || {
            self.hub_home.tell(&["export", "vitals"]).contains(&format!("{device},p-1,8867-4"))
        });
    }

    fn restart_hub(&mut self) {
        self.hub.kill();
        self.hub = self.hub_home.serve();
        [&self.honest.wire, &self.wire].into_iter().for_each(|wire| wire.lead_to(door(&self.hub)));
    }

    /// How the hub sees the hostile site.
    fn site(&self) -> Value {
        let status = self.hub_home.status();
        let sites = status["sites"].as_array().unwrap();
        sites.iter().find(|site| site["site"] == "hostile").unwrap().clone()
    }
}
