//! Clinics without a link, whose bundles somebody carries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use envelope::Identity;
use serde_json::Value;
use tests::programs::network::number;
use tests::programs::readings::sorted;
use tests::programs::{Home, Network, Reading, body, until};

/// Files on a stick.
struct Stick(PathBuf);

impl Stick {
    fn new(network: &Network) -> Self {
        let folder = network.folder().join("stick");
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Exports; answers the file and the summary.
    fn export(&self, home: &Home, name: &str, more: &[&str]) -> (String, Value) {
        let file = self.path(name);
        let words = [&["bundle", "export", &file, "--json"][..], more].concat();
        let said = serde_json::from_str(&home.tell(&words)).unwrap();
        (file, said)
    }
}

fn import(home: &Home, file: &str) -> Value {
    serde_json::from_str(&home.tell(&["bundle", "import", file, "--json"])).unwrap()
}

/// A clinic's bundle goes to the hub, and the hub's goes back.
fn round(stick: &Stick, network: &Network, clinic: &Home, site: &str, name: &str) -> Value {
    let (up, _) = stick.export(clinic, &format!("{name}-up"), &[]);
    import(&network.hub_home, &up);
    let (down, _) = stick.export(&network.hub_home, &format!("{name}-down"), &["--site", site]);
    import(clinic, &down)
}

#[test]
fn readings_of_a_clinic_without_a_link_reach_the_hub_and_another_clinic_by_bundle() {
    let mut network = Network::start();
    network.settle();
    let stick = Stick::new(&network);
    // No link for anybody: the hub's commands open its data themselves from here on.
    network.hub.stop();
    network.north.patient("p-1", "Somebody");
    network.north.allow("p-1", "south");
    let monitor = network.north.device("bed-4-mon");
    let sent = [
        Reading::pulse("bed-4-mon", "p-1", -3, "71"),
        Reading::pulse("bed-4-mon", "p-1", -2, "72"),
    ];
    monitor.deliver(network.north.http(), &body("b-1", &sent));

    let (up, said) = stick.export(&network.north.home, "up", &[]);
    let written = number(&said, &["entries"]);
    assert!(written >= 3, "{said}");
    let taken = import(&network.hub_home, &up);
    assert_eq!((taken["site"].as_str(), number(&taken, &["entries"])), (Some("north"), written));
    assert_eq!(network.at_hub(), sorted(sent.clone()));
    let (down, _) = stick.export(&network.hub_home, "down", &["--site", "south"]);
    let taken = import(&network.south.home, &down);
    assert!(number(&taken, &["entries"]) >= 2, "{taken}");
    assert_eq!(network.south.vitals(), sorted(sent.clone()));

    // The acknowledgements come back, again by hand.
    let pending = |home: &Home| number(&home.status(), &["entries", "pending"]);
    assert_eq!(pending(&network.north.home), written);
    let back = round(&stick, &network, &network.north.home, "north", "ack");
    assert_eq!((number(&back, &["received"]), pending(&network.north.home)), (written, 0));
    round(&stick, &network, &network.south.home, "south", "ack-south");

    // Everything came once, and again it changes nothing and says so.
    let again = network.hub_home.tell(&["bundle", "import", &up]);
    assert!(
        again.contains("of north was imported before") && again.contains("nothing was changed")
    );
    let again = network.south.home.tell(&["bundle", "import", &down]);
    assert!(again.contains("of the hub was imported before"), "{again}");

    // The link returns, with a clinic that was started anew meanwhile.
    network.north.serving.stop();
    network.start_hub();
    network.north.serving = network.north.home.serve();
    let later = Reading::pulse("bed-4-mon", "p-1", -1, "73");
    monitor.deliver(network.north.http(), &body("b-2", std::slice::from_ref(&later)));
    network.north.home.tell(&["flush"]);
    network.settle();
    let all = sorted([sent[0].clone(), sent[1].clone(), later]);
    until("all of it is everywhere", || network.south.vitals() == all);
    assert_eq!(network.at_hub(), all);
    // Beside the running hub and its links bundles find nothing left to do.
    let again = network.hub_home.tell(&["bundle", "import", &up]);
    assert!(again.contains("was imported before"), "{again}");
    let late = round(&stick, &network, &network.south.home, "south", "late");
    assert_eq!((number(&late, &["entries"]), number(&late, &["waiting"])), (0, 0), "{late}");
    assert_eq!(network.south.vitals(), all);
    let status = network.hub_home.status();
    assert_eq!((number(&status, &["forks"]), number(&status, &["quarantined"])), (0, 0));
    assert!(!network.hub_home.tell(&["status"]).contains("TWO COPIES"));
    for home in [&network.north.home, &network.south.home, &network.hub_home] {
        home.tell(&["verify"]);
    }
}

#[test]
fn consent_that_was_taken_back_empties_the_other_clinic_by_bundle() {
    let mut network = Network::start();
    let stick = Stick::new(&network);
    network.north.patient("p-1", "Somebody");
    network.north.allow("p-1", "south");
    let monitor = network.north.device("bed-4-mon");
    monitor.deliver(
        network.north.http(),
        &body("b-1", &[Reading::pulse("bed-4-mon", "p-1", -1, "71")]),
    );
    network.north.home.tell(&["flush"]);
    network.settle();
    until("the other clinic has it", || network.south.vitals().len() == 1);
    network.hub.stop();
    network.north.home.tell(&["consent", "revoke", "p-1", "--site", "south"]);
    round(&stick, &network, &network.north.home, "north", "north");
    assert!(network.hub_home.tell(&["copies"]).lines().count() > 1);
    let taken = round(&stick, &network, &network.south.home, "south", "south");
    assert!(number(&taken, &["let_go"]) >= 2, "{taken}");
    assert!(network.south.vitals().is_empty());
    assert_eq!(network.south.home.tell(&["patient", "list"]).lines().count(), 1);
    let (receipt, said) = stick.export(&network.south.home, "receipt", &[]);
    assert!(number(&said, &["receipts"]) >= 2, "{said}");
    import(&network.hub_home, &receipt);
    assert_eq!(network.hub_home.tell(&["copies"]).lines().count(), 1, "all receipts are here");
}

#[test]
fn a_bundle_that_is_not_as_it_should_be_is_told_in_one_sentence() {
    let mut network = Network::start();
    network.settle();
    let stick = Stick::new(&network);
    network.hub.stop();
    network.north.patient("p-1", "Somebody");
    let (hub, north, south) = (&network.hub_home, &network.north.home, &network.south.home);
    let held = || (hub.tell(&["export", "vitals"]), number(&hub.status(), &["entries"]));
    let before = held();
    let (up, _) = stick.export(north, "up", &[]);
    let whole = fs::read(&up).unwrap();
    let broken = |name: &str, bytes: &[u8]| {
        let file = stick.path(name);
        fs::write(&file, bytes).unwrap();
        file
    };
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let check = |home: &Home, file: &str, expected: &str| {
        let said = home.refused(&["bundle", "import", file]);
        assert!(said.contains(expected), "{said}");
        assert_eq!(said.trim_end().lines().count(), 1, "{said}");
    };
    let damaged = "damaged or was not copied whole, and nothing of it was used";
    check(hub, &broken("cut", &whole[..whole.len() - 40]), damaged);
    check(hub, &broken("flipped", &flipped), damaged);
    check(south, &up, "is for another node");
    check(hub, &broken("text", b"dear hub\n"), "is no Cairn bundle");
    check(hub, &stick.path("nowhere"), "reading");
    check(hub, &stick.0.display().to_string(), "reading");
    assert_eq!(held(), before);

    // Files that are there stay, and nothing half-written is left.
    let said = north.refused(&["bundle", "export", &up]);
    assert!(said.contains("exists already"), "{said}");
    let said = north.refused(&["bundle", "export", &stick.path("new"), "--also", "age1nobody"]);
    assert!(said.contains("this is no age key"), "{said}");
    let said = hub.refused(&["bundle", "export", "--site", "nobody", &stick.path("new")]);
    assert!(said.contains("no site is called nobody"), "{said}");
    assert!(!Path::new(&stick.path("new")).exists());
    assert!(!Path::new(&stick.path("new.part")).exists());
    hub.tell(&["shut-out", "--site", "north"]);
    check(hub, &up, "does not belong to this network");
    let said = hub.refused(&["bundle", "export", "--site", "north", &stick.path("new")]);
    assert!(said.contains("no node of north is let in"), "{said}");
}

#[test]
fn the_age_program_opens_a_bundle_with_the_right_identity_and_no_other() {
    if Command::new("age").arg("--version").output().is_err() {
        // `cargo verify` installs it where it may.
        return println!("skipped: there is no age program");
    }
    let mut network = Network::start();
    let stick = Stick::new(&network);
    network.hub.stop();
    network.north.patient("p-1", "Zacharias Marker");
    let recovery = stick.path("recovery.key");
    let made = Command::new("age-keygen").args(["-o", &recovery]).output().unwrap();
    assert!(made.status.success());
    let text = fs::read_to_string(&recovery).unwrap();
    let key = text.lines().find_map(|line| line.strip_prefix("# public key: ")).unwrap();
    let (up, _) = stick.export(&network.north.home, "up", &["--also", key]);
    let bytes = fs::read(&up).unwrap();
    let has = |bytes: &[u8]| bytes.windows(9).any(|nine| nine == b"Zacharias");
    assert!(!has(&bytes));
    let identity = |home: &Home| {
        let text = fs::read_to_string(home.path().join("node.key")).unwrap();
        let seed = data_encoding::HEXLOWER.decode(&text.as_bytes()[..64]).unwrap();
        let file = stick.path("identity");
        let identity = Identity::of_signing_seed(&seed.try_into().unwrap());
        fs::write(&file, identity.to_text().as_bytes()).unwrap();
        file
    };
    let opened = |with: &str| {
        let done = Command::new("age").args(["-d", "-i", with, &up]).output().unwrap();
        done.status.success().then_some(done.stdout)
    };
    for with in [recovery, identity(&network.hub_home)] {
        let content = zstd::decode_all(&opened(&with).unwrap()[..]).unwrap();
        assert!(has(&content));
    }
    assert_eq!(opened(&identity(&network.north.home)), None);
    assert_eq!(opened(&identity(&network.south.home)), None);
}
