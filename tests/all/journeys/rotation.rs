//! A clinic's node goes over to new keys and stays who it is; its old keys are nobody's then.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use directory::{Invitation, JoinResponse, Refusal, RotateRequest};
use tests::programs::network::{invitation, number};
use tests::programs::readings::sorted;
use tests::programs::{Home, Network, Reading, body, until};
use transport::link::LinkError;
use transport::{Dialer, LinkProfile, TlsIdentity};

/// The two secret seeds of a node, as they lie in its folder.
#[derive(Clone, Copy)]
struct Seeds {
    node: [u8; 32],
    tls: [u8; 32],
}

fn seeds(home: &Home) -> Seeds {
    let read = |name: &str| {
        let text = fs::read_to_string(home.path().join(name)).unwrap();
        let digits = text.split_whitespace().next().unwrap();
        data_encoding::HEXLOWER.decode(digits.as_bytes()).unwrap().try_into().unwrap()
    };
    Seeds { node: read("node.key"), tls: read("tls.key") }
}

fn rotation(home: &Home) -> Option<String> {
    home.status()["rotation"].as_str().map(str::to_owned)
}

#[track_caller]
fn until_rotated(home: &Home, old: Seeds) {
    until("the new keys are in force", || rotation(home).is_none() && seeds(home).node != old.node);
}

/// Asks the hub's door as somebody who has the keys that go into `request`.
fn knock(hub: SocketAddr, hub_key: [u8; 32], tls: &[u8; 32], request: &[u8]) -> JoinResponse {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let identity = TlsIdentity::from_seed(tls).unwrap();
        let dialer = Dialer::new(&identity, LinkProfile::Wide).unwrap();
        let answer = dialer.join(hub, &hub_key, request).await.unwrap();
        JoinResponse::from_bytes(&answer).unwrap()
    })
}

/// How the hub answers a call with this connection key.
fn call(hub: SocketAddr, hub_key: [u8; 32], tls: &[u8; 32]) -> LinkError {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let identity = TlsIdentity::from_seed(tls).unwrap();
        let dialer = Dialer::new(&identity, LinkProfile::Wide).unwrap();
        dialer.connect(hub, &hub_key).await.unwrap().closed().await
    })
}

fn public(seed: &[u8; 32]) -> [u8; 32] {
    *TlsIdentity::from_seed(seed).unwrap().public_key()
}

struct Story {
    network: Network,
    readings: Vec<Reading>,
    old: Seeds,
}

impl Story {
    /// North has a patient whom south may see, and a reading that is everywhere.
    fn start() -> Self {
        let network = Network::start();
        let readings = vec![Reading::pulse("bed-4-mon", "p-1", -5, "71")];
        network.north.patient("p-1", "Somebody");
        network.north.allow("p-1", "south");
        let monitor = network.north.device("bed-4-mon");
        monitor.deliver(network.north.http(), &body("b-0", &readings));
        network.north.home.tell(&["flush"]);
        network.settle();
        let old = seeds(&network.north.home);
        Self { network, readings, old }
    }

    fn measure(&mut self, device: &str, minute: i64, value: &str) {
        let reading = Reading::pulse(device, "p-1", minute, value);
        let monitor = self.network.north.device(device);
        let batch = body(&format!("b-{device}"), std::slice::from_ref(&reading));
        monitor.deliver(self.network.north.http(), &batch);
        self.network.north.home.tell(&["flush"]);
        self.readings.push(reading);
    }

    /// Everything that was measured is at the hub and at south, once, and everything checks.
    #[track_caller]
    fn check(&self) {
        let network = &self.network;
        network.settle();
        assert_eq!(network.at_hub(), sorted(self.readings.clone()));
        until("south has it", || network.south.vitals() == sorted(self.readings.clone()));
        for home in [&network.hub_home, &network.north.home, &network.south.home] {
            home.tell(&["verify"]);
        }
        let status = network.hub_home.status();
        assert_eq!((number(&status, &["forks"]), number(&status, &["quarantined"])), (0, 0));
        let status = network.north.home.status();
        assert_eq!(number(&status, &["entries", "refused"]), 0, "{status}");
        assert_eq!(number(&status, &["link", "divergences"]), 0, "{status}");
    }
}

#[test]
fn a_clinic_with_new_keys_is_the_clinic_it_was() {
    let mut story = Story::start();
    let before = number(&story.network.hub_home.status()["sites"][0], &["authored"]);
    story.network.north.home.tell(&["rotate-key"]);
    until_rotated(&story.network.north.home, story.old);
    story.measure("after", -4, "72");
    story.check();
    // Neither was sent again: the hub's count and the clinic's own went on.
    let site = &story.network.hub_home.status()["sites"][0];
    assert_eq!(site["site"], "north");
    assert!(number(site, &["authored"]) > before);
    // The patient, who is north's, is edited by the new key, and south hears of it.
    story.network.north.home.tell(&["patient", "edit", "p-1", "--name", "Another Name"]);
    until("south has the new name", || {
        story.network.south.home.tell(&["patient", "list"]).contains("Another Name")
    });
    // South's copy is taken back: the receipts go on.
    story.network.north.home.tell(&["consent", "revoke", "p-1", "--site", "south"]);
    until("south let it go", || {
        !story.network.south.home.tell(&["patient", "list"]).contains("Another Name")
            && story.network.hub_home.tell(&["copies"]).lines().count() == 1
    });
    // And once more.
    let second = seeds(&story.network.north.home);
    story.network.north.home.tell(&["rotate-key"]);
    until_rotated(&story.network.north.home, second);
    story.measure("later", -3, "73");
    story.network.settle();
    assert_eq!(story.network.at_hub(), sorted(story.readings.clone()));
    story.network.north.home.tell(&["verify"]);
    story.network.hub_home.tell(&["verify"]);
}

#[test]
fn what_the_old_key_signed_and_nobody_has_yet_is_delivered_under_the_new_one() {
    let mut story = Story::start();
    story.network.north.wire.cut();
    story.measure("offline", -4, "72");
    let said = story.network.north.home.tell(&["rotate-key"]);
    assert!(said.contains("as soon as the hub has been reached"), "{said}");
    let waiting = rotation(&story.network.north.home);
    assert_eq!(waiting.as_deref(), Some("new keys are ready and wait for the hub"));
    assert!(story.network.north.home.tell(&["rotate-key"]).contains("ready already"));
    // Nothing has changed yet, also for a process that starts anew.
    story.network.north.restart();
    assert_eq!(seeds(&story.network.north.home).node, story.old.node);
    story.measure("still", -3, "73");
    story.network.north.wire.restore();
    story.network.north.home.tell(&["sync"]);
    until_rotated(&story.network.north.home, story.old);
    story.measure("after", -2, "74");
    story.check();
}

#[test]
fn an_old_key_that_was_stolen_can_neither_call_nor_speak_for_the_clinic() {
    let mut story = Story::start();
    let hub_home = story.network.hub_home.clone();
    let hub = tests::programs::network::door(&story.network.hub);
    let line: Invitation = invitation(&hub_home, "east", hub).parse().unwrap();
    let hub_key = line.hub_tls_key;
    story.network.north.home.tell(&["rotate-key"]);
    until_rotated(&story.network.north.home, story.old);
    assert_eq!(call(hub, hub_key, &story.old.tls), LinkError::NotAdmitted);
    let Seeds { node: new, tls: new_tls } = seeds(&story.network.north.home);

    // The thief has the old keys and makes others.
    let (mine, my_tls) = ([77; 32], [78; 32]);
    let again = RotateRequest::sign(&story.old.node, &mine, &hub_key, &public(&my_tls));
    let answer = knock(hub, hub_key, &my_tls, &again.to_bytes());
    assert_eq!(answer, JoinResponse::Refused(Refusal::NotCurrent));
    // What the clinic itself had asked is of no use on another connection.
    let asked = fs::read(story.network.north.home.path().join("rotation.request")).unwrap();
    let answer = knock(hub, hub_key, &my_tls, &asked);
    assert_eq!(answer, JoinResponse::Refused(Refusal::BadProof));
    // Nor do old keys come in by an invitation.
    let token = line.token;
    let join =
        directory::JoinRequest::sign(token, &story.old.node, &hub_key, &public(&story.old.tls));
    let answer = knock(hub, hub_key, &story.old.tls, &join.to_bytes());
    assert_eq!(answer, JoinResponse::Refused(Refusal::KeyKnown));
    // The clinic itself may ask as often as it likes.
    assert!(matches!(knock(hub, hub_key, &new_tls, &asked), JoinResponse::Accepted(_)));
    // A key of somebody who is no node takes nobody's place.
    let of_nobody = RotateRequest::sign(&[5; 32], &mine, &hub_key, &public(&my_tls));
    let answer = knock(hub, hub_key, &my_tls, &of_nobody.to_bytes());
    assert_eq!(answer, JoinResponse::Refused(Refusal::NotCurrent));
    // And nobody takes keys that are in use.
    let in_use = RotateRequest::sign(&new, &story.old.node, &hub_key, &public(&my_tls));
    let answer = knock(hub, hub_key, &my_tls, &in_use.to_bytes());
    assert_eq!(answer, JoinResponse::Refused(Refusal::KeyKnown));
    story.measure("after", -4, "72");
    story.check();
}

/// What a crash leaves at each step of a change of keys.
#[test]
fn a_crash_at_any_step_of_a_change_of_keys_leaves_a_clinic_that_goes_on() {
    let mut story = Story::start();
    let hub = tests::programs::network::door(&story.network.hub);
    let path = story.network.north.home.path().to_owned();
    let hub_key = {
        let line: Invitation = invitation(&story.network.hub_home, "east", hub).parse().unwrap();
        line.hub_tls_key
    };

    // One of two files is made.
    story.network.north.serving.kill();
    write_key(&path.join("node.key.next"), [61; 32]);
    story.network.north.serving = story.network.north.home.serve();
    assert_eq!(rotation(&story.network.north.home), None);
    story.measure("one", -4, "71");

    // Both are made, and the hub has said yes, but the answer never came.
    story.network.north.serving.kill();
    write_key(&path.join("tls.key.next"), [62; 32]);
    let request = RotateRequest::sign(&story.old.node, &[61; 32], &hub_key, &public(&[62; 32]));
    let answer = knock(hub, hub_key, &[62; 32], &request.to_bytes());
    assert!(matches!(answer, JoinResponse::Accepted(_)));
    story.network.north.serving = story.network.north.home.serve();
    until_rotated(&story.network.north.home, story.old);
    assert_eq!(seeds(&story.network.north.home).node, [61; 32]);
    story.measure("two", -3, "72");
    story.check();

    // The signing key is in its place, the connection key not yet.
    story.network.north.serving.kill();
    write_key(&path.join("tls.key.next"), [62; 32]);
    fs::remove_file(path.join("tls.key")).unwrap();
    write_key(&path.join("tls.key"), story.old.tls);
    story.network.north.serving = story.network.north.home.serve();
    assert_eq!(seeds(&story.network.north.home).tls, [62; 32]);
    story.measure("three", -2, "73");
    story.check();
}

fn write_key(path: &Path, seed: [u8; 32]) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::write(path, format!("{}\n", data_encoding::HEXLOWER.encode(&seed))).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn a_hub_from_a_backup_of_before_the_change_learns_the_new_keys_again() {
    let mut story = Story::start();
    let medium = story.network.folder().join("medium");
    fs::create_dir(&medium).unwrap();
    story.network.hub_home.tell(&["backup", "--to", medium.to_str().unwrap()]);
    story.network.north.home.tell(&["rotate-key"]);
    until_rotated(&story.network.north.home, story.old);
    story.measure("after", -4, "72");
    story.check();
    let keys = story.network.folder().join("keys.txt").display().to_string();
    story.network.hub_home.tell(&["save-keys", &keys]);
    story.network.hub.kill();
    fs::rename(story.network.hub_home.path(), story.network.folder().join("lost")).unwrap();
    let medium = medium.display().to_string();
    story.network.hub_home.tell(&["restore", "--from", &medium, "--keys", &keys]);
    story.network.start_hub();
    until("every clinic has reported", || {
        story.network.north.home.tell(&["sync"]);
        story.network.hub_home.status()["safe_mode"] == false
    });
    story.measure("later", -3, "73");
    story.network.settle();
    assert_eq!(story.network.at_hub(), sorted(story.readings.clone()));
    until("south has it", || story.network.south.vitals() == sorted(story.readings.clone()));
}

#[test]
fn a_clinic_put_back_from_a_backup_of_before_two_changes_gets_back_what_it_wrote() {
    let mut story = Story::start();
    let medium = story.network.folder().join("medium");
    fs::create_dir(&medium).unwrap();
    let medium = medium.display().to_string();
    story.network.north.home.tell(&["backup", "--to", &medium]);
    for round in ["one", "two"] {
        let before = seeds(&story.network.north.home);
        story.network.north.home.tell(&["rotate-key"]);
        until_rotated(&story.network.north.home, before);
        story.measure(round, -4, if round == "one" { "81" } else { "82" });
    }
    story.check();
    let keys = story.network.folder().join("keys.txt").display().to_string();
    story.network.north.home.tell(&["save-keys", &keys]);
    story.network.north.serving.kill();
    fs::rename(story.network.north.home.path(), story.network.folder().join("lost")).unwrap();
    story.network.north.home.tell(&["restore", "--from", &medium, "--keys", &keys]);
    story.network.north.serving = story.network.north.home.serve();
    until("what it wrote is back", || {
        story.network.north.home.tell(&["sync"]);
        story.network.north.vitals() == sorted(story.readings.clone())
    });
    story.network.settle();
    assert_eq!(story.network.at_hub(), sorted(story.readings.clone()));
    story.network.north.home.tell(&["verify"]);
}

#[test]
fn keys_of_a_clinic_that_nobody_knows_are_not_changed() {
    let folder = tests::programs::network::folder();
    let home = Home::new(tests::programs::binaries::Binary::EdgeNode, folder.path(), "alone");
    home.tell(&["init"]);
    let said = home.refused(&["rotate-key"]);
    assert!(said.contains("has not joined a hub"), "{said}");
}

#[test]
fn what_the_old_key_signed_is_carried_to_the_hub_under_the_new_one() {
    let mut story = Story::start();
    let hub = tests::programs::network::door(&story.network.hub);
    let line: Invitation = invitation(&story.network.hub_home, "east", hub).parse().unwrap();
    story.network.north.wire.cut();
    story.measure("offline", -4, "72");
    story.network.north.home.tell(&["rotate-key"]);
    // The hub says yes, and that is the last thing that comes through.
    story.network.north.serving.kill();
    let folder = host::folder::DataFolder::open(story.network.north.home.path()).unwrap();
    let next = folder.next_seeds().unwrap().unwrap();
    let (old, hub_key) = (story.old.node, line.hub_tls_key);
    let request = RotateRequest::sign(&old, &next.node, &hub_key, &public(&next.tls)).to_bytes();
    let answer = knock(hub, hub_key, &next.tls, &request);
    assert!(matches!(answer, JoinResponse::Accepted(_)));
    folder.install_next(&request, &sync_protocol::signature::node_id(&old).0).unwrap();
    drop(folder);
    story.network.north.serving = story.network.north.home.serve();
    story.measure("after", -3, "73");
    story.network.hub.stop();
    let carry = |from: &Home, to: &Home, name: &str, more: &[&str]| -> serde_json::Value {
        let file = story.network.folder().join(format!("carried-{name}")).display().to_string();
        from.tell(&[&["bundle", "export", &file][..], more].concat());
        serde_json::from_str(&to.tell(&["bundle", "import", &file, "--json"])).unwrap()
    };
    let (north, hub_home) = (&story.network.north.home, &story.network.hub_home);
    let taken = carry(north, hub_home, "up", &[]);
    assert_eq!(["refused", "waiting", "set_aside"].map(|name| number(&taken, &[name])), [0; 3]);
    carry(hub_home, north, "down", &["--site", "north"]);
    carry(hub_home, &story.network.south.home, "south", &["--site", "south"]);
    assert_eq!(number(&north.status(), &["entries", "pending"]), 0);
    assert_eq!(story.network.at_hub(), sorted(story.readings.clone()));
    assert_eq!(story.network.south.vitals(), sorted(story.readings.clone()));
    // The links come back and find nothing to mend.
    story.network.start_hub();
    story.network.north.wire.restore();
    story.network.north.home.tell(&["sync"]);
    story.check();
}
