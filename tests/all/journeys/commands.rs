//! The same commands on a node that runs and on one that does not.

use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt as _;
use std::thread;

use tests::programs::binaries::Binary;
use tests::programs::network::{device, folder, number};
use tests::programs::readings::{exported, sorted};
use tests::programs::{Home, Network, Reading, body};

#[test]
fn commands_reach_a_running_and_a_stopped_node_but_no_folder_that_another_program_holds() {
    let mut network = Network::start();
    let north = &network.north.home;
    let socket = north.path().join("control.sock");
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    north.tell(&["patient", "add", "p-1", "--name", "While Running"]);
    let said = north.refused(&["serve", "--listen", "127.0.0.1:0"]);
    assert!(said.contains("a program is running in"), "{said}");

    network.north.serving.stop();
    assert!(!socket.exists(), "a program that stopped leaves no socket");
    north.tell(&["patient", "add", "p-2", "--name", "While Stopped"]);
    let list = north.tell(&["patient", "list"]);
    assert!(
        list.contains(",p-1,north,While Running,") && list.contains(",p-2,north,While Stopped,"),
        "{list}"
    );
    assert_eq!(number(&north.status(), &["patients"]), 2);

    let lock = File::open(north.path().join("lock")).unwrap();
    lock.lock().unwrap();
    for command in [["status"].as_slice(), &["export", "vitals"], &["flush"], &["patient", "list"]]
    {
        let said = north.refused(command);
        assert!(said.contains("a program is running in"), "{command:?}: {said}");
    }
    drop(lock);
    assert_eq!(number(&north.status(), &["patients"]), 2);

    network.hub.stop();
    assert!(network.hub_home.tell(&["status"]).contains("site        north"));
    let invited = network.hub_home.tell(&["invite", "--site", "east", "--no-qr"]);
    assert!(invited.starts_with("CAIRN1:"), "{invited}");
}

#[test]
fn a_command_that_cannot_be_done_changes_nothing_and_says_why() {
    let network = Network::start();
    let north = &network.north.home;
    north.tell(&["patient", "add", "p-1", "--name", "Somebody"]);
    check(
        north,
        &["patient", "add", "p-1", "--name", "Twice"],
        "the number is taken by another patient",
    );
    check(
        north,
        &["patient", "edit", "p-9", "--name", "Nobody"],
        "no patient with this number is known here",
    );
    check(north, &["patient", "add", "../p", "--name", "Somebody"], "a patient number has");
    check(north, &["consent", "grant", "p-1", "--site", "east"], "no site with this name");
    check(north, &["device", "add", "bed 4"], "starts with a letter");
    check(north, &["device", "revoke", "bed-4-mon"], "no device has this name");
    check(north, &["device", "add", "bed-4-mon", "--kind", "toaster"], "there is no device type");
    assert_eq!(north.tell(&["device", "list"]).lines().count(), 1);
    assert_eq!(number(&north.status(), &["patients"]), 1);
}

#[track_caller]
fn check(home: &Home, command: &[&str], sentence: &str) {
    let said = home.refused(command);
    assert!(said.contains(sentence), "{command:?}: {said}");
}

#[test]
fn whoever_asks_hears_whether_everything_holds_and_what_is_wrong_first() {
    let mut network = Network::start();
    network.north.patient("p-1", "Somebody");
    network.north.allow("p-1", "south");
    let readings: Vec<Reading> =
        (0..40).map(|minute| Reading::pulse("bed-4-mon", "p-1", minute - 50, "84")).collect();
    network.north.device("bed-4-mon").deliver(network.north.http(), &body("b-1", &readings));
    network.north.home.tell(&["flush"]);
    network.settle();
    let homes = [&network.hub_home, &network.north.home, &network.south.home];
    for home in homes {
        let said = home.tell(&["verify"]);
        assert!(said.contains("the database file is whole\neverything holds: "), "{said}");
    }

    network.hub.stop();
    network.north.serving.stop();
    network.hub_home.tell(&["verify"]);
    let last = "no = (SELECT max(no) FROM entry WHERE payload IS NOT NULL)";
    let another = format!("UPDATE entry SET payload = randomblob(length(payload)) WHERE {last}");
    let forged = format!("UPDATE entry SET signature = randomblob(64) WHERE {last}");
    for home in [&network.hub_home, &network.north.home] {
        check_found(home, &another, "the payload is not the one its author committed to");
        check_found(home, &forged, "the entry is not signed by its author");
        check_found(home, "UPDATE stream SET sum = zeroblob(32)", "are not those of its entries");
    }
    for (change, found) in [
        ("UPDATE sub SET acked_idx = acked_idx - 1 WHERE acked_idx > 0", "more is to be sent"),
        ("UPDATE sub SET acked_idx = acked_idx + 1", "more is acknowledged than there is"),
        ("UPDATE sub SET foreign_sum = zeroblob(32)", "the sum of what was acknowledged"),
        ("UPDATE enrolled_node SET feed_count = feed_count + 1", "that of its subscriptions"),
        ("UPDATE origin_epoch SET received = x'00'", "on record as received"),
        ("UPDATE origin_epoch SET received = x'ff'", "does not read back"),
    ] {
        check_found(&network.hub_home, change, found);
    }
    for home in [&network.hub_home, &network.north.home] {
        home.tell(&["verify"]);
    }
}

/// A change to the database behind the program's back is found; it is taken back then.
#[track_caller]
fn check_found(home: &Home, change: &str, found: &str) {
    let conn = home.database();
    conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let (file, kept) = (home.path().join("data.db"), home.path().join("kept.db"));
    fs::copy(&file, &kept).unwrap();
    conn.execute_batch(change).unwrap();
    drop(conn);
    let said = home.refused(&["verify"]);
    assert!(said.contains(found), "{change}: {said}");
    fs::rename(&kept, &file).unwrap();
}

#[test]
fn an_export_beside_a_running_upload_is_one_state_and_whole() {
    let network = Network::start();
    let north = &network.north;
    north.patient("p-1", "Somebody");
    let monitor = north.device("bed-4-mon");
    let batch = |at: i64| {
        let readings = (0..50).map(|n| {
            Reading::pulse("bed-4-mon", "p-1", -20_000 - at * 50 - n, &(60 + n).to_string())
        });
        readings.collect::<Vec<_>>()
    };
    let batches: Vec<_> = (0..40).map(batch).collect();
    thread::scope(|scope| {
        let uploading = scope.spawn(|| {
            for (at, readings) in batches.iter().enumerate() {
                monitor.deliver(north.http(), &body(&format!("b-{at}"), readings));
            }
        });
        while !uploading.is_finished() {
            let held = north.vitals().len();
            assert_eq!(held % 50, 0, "a batch is there whole or not at all");
        }
    });
    assert_eq!(north.vitals(), sorted(batches.into_iter().flatten()));
}

#[test]
fn a_clinic_without_a_hub_does_its_work_and_sends_it_later() {
    let folder = folder();
    let home = Home::new(Binary::EdgeNode, folder.path(), "alone");
    home.tell(&["init"]);
    assert!(home.refused(&["init"]).contains("exists already"));
    let monitor = device(&home, "bed-4-mon");
    let serving = home.serve();
    let said = home.refused(&["patient", "add", "p-1", "--name", "Somebody"]);
    assert!(said.contains("join"), "it says what is missing: {said}");
    // Without a hub nobody is a patient here yet: what arrives is kept aside.
    let reading = Reading::pulse("bed-4-mon", "p-1", -1, "72");
    let receipt = monitor.deliver(serving.http, &body("b-1", &[reading]));
    assert_eq!(number(&receipt, &["quarantined"]), 1, "{receipt}");
    assert!(home.tell(&["quarantine"]).contains("unknown-patient"));
    assert_eq!(exported(&home.tell(&["export", "vitals"])), []);
}
