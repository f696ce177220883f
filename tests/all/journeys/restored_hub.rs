//! A hub that comes back from an old backup: it gets back what it lost, and gives nobody what a patient
//! took back meanwhile.

use std::fs;
use std::path::PathBuf;

use tests::programs::network::number;
use tests::programs::readings::sorted;
use tests::programs::{Network, Reading, body, until};

/// A hub that is lost and brought back from a backup that is older than a patient's revocation and
/// than another patient; its clinic north, where both happened, is not there.
struct Lost {
    network: Network,
    readings: Vec<Reading>,
}

impl Lost {
    fn start() -> Self {
        let mut network = Network::start();
        let medium: PathBuf = network.folder().join("medium");
        fs::create_dir(&medium).unwrap();
        let medium = medium.to_str().unwrap().to_owned();
        let keys = network.folder().join("keys.txt").display().to_string();
        network.hub_home.tell(&["save-keys", &keys]);
        let monitor = network.north.device("bed-4-mon");
        let reading =
            |patient: &str, ago, value: &str| Reading::pulse("bed-4-mon", patient, ago, value);
        let readings = vec![reading("p-1", -5, "71"), reading("p-2", -4, "72")];
        network.north.patient("p-1", "Taken Back");
        network.north.allow("p-1", "south");
        monitor.deliver(network.north.http(), &body("b-1", &readings[..1]));
        network.north.home.tell(&["flush"]);
        network.settle();
        network.hub_home.tell(&["backup", "--to", &medium]);

        network.north.home.tell(&["consent", "revoke", "p-1", "--site", "south"]);
        network.north.patient("p-2", "Came Later");
        network.north.allow("p-2", "south");
        monitor.deliver(network.north.http(), &body("b-2", &readings[1..]));
        network.north.home.tell(&["flush"]);
        network.settle();
        until("the other clinic let it go", || {
            let patients = network.south.home.tell(&["patient", "list"]);
            !patients.contains("Taken Back") && patients.contains("Came Later")
        });

        network.north.serving.stop();
        network.hub.kill();
        fs::rename(network.hub_home.path(), network.folder().join("lost")).unwrap();
        network.hub_home.tell(&["restore", "--from", &medium, "--keys", &keys]);
        network.start_hub();
        until("the other clinic has reported", || {
            let status = network.hub_home.status();
            status["safe_mode"] == true && status["awaited"] == serde_json::json!(["north"])
        });
        Self { network, readings }
    }

    fn south_has(&self, name: &str) -> bool {
        self.network.south.home.tell(&["patient", "list"]).contains(name)
    }
}

#[test]
fn a_hub_from_an_old_backup_gets_back_what_it_lost_and_serves_nothing_that_was_withdrawn() {
    let mut lost = Lost::start();
    let status = lost.network.hub_home.tell(&["status"]);
    assert!(status.contains("safe mode") && status.contains("Waits for: north"), "{status}");
    assert!(!lost.south_has("Taken Back"), "by the backup alone it would be served again");
    assert!(
        lost.south_has("Came Later"),
        "and nobody is told to let go what the hub does not know"
    );

    lost.network.north.serving = lost.network.north.home.serve();
    until("every clinic has reported", || lost.network.hub_home.status()["safe_mode"] == false);
    lost.network.settle();
    let network = &lost.network;
    assert_eq!(network.at_hub(), sorted(lost.readings.clone()), "what was lost is back, once");
    assert_eq!(network.south.vitals(), sorted(lost.readings[1..].to_vec()));
    assert!(!lost.south_has("Taken Back") && lost.south_has("Came Later"));
    let status = network.hub_home.status();
    assert_eq!(
        (number(&status, &["forks"]), number(&status, &["quarantined"])),
        (0, 0),
        "{status}"
    );
    for home in [&network.north.home, &network.south.home, &network.hub_home] {
        home.tell(&["verify"]);
    }
}

#[test]
fn safe_mode_is_ended_by_hand_with_a_reason_only() {
    let lost = Lost::start();
    let home = &lost.network.hub_home;
    for reason in ["", "  ", "two\nlines"] {
        let said = home.refused(&["leave-safe-mode", "--reason", reason]);
        assert!(said.contains("needs a sentence"), "{said}");
    }
    home.tell(&["leave-safe-mode", "--reason", "north burnt down"]);
    assert_eq!(home.status()["safe_mode"], false);
    assert!(home.tell(&["status"]).contains("north burnt down"));
    let again = home.refused(&["leave-safe-mode", "--reason", "once more"]);
    assert!(again.contains("not in safe mode"), "{again}");
}
