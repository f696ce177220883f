//! Disks that are put back from an older copy, and disks that are copied and run twice.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tests::programs::binaries::Binary;
use tests::programs::network::number;
use tests::programs::readings::sorted;
use tests::programs::{Home, Network, Reading, body, until};

/// Copies the database, and what lies beside it, from one data folder to another.
fn copy_database(from: &Path, to: &Path) {
    for name in ["data.db", "data.db-wal", "data.db-shm"] {
        let _ = fs::remove_file(to.join(name));
        if from.join(name).exists() {
            fs::copy(from.join(name), to.join(name)).unwrap();
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

fn site(status: &Value, name: &str) -> Value {
    let sites = status["sites"].as_array().unwrap();
    sites.iter().find(|site| site["site"] == name).unwrap().clone()
}

#[test]
fn a_clinic_whose_disk_is_put_back_gets_back_what_the_hub_had() {
    let mut network = Network::start();
    let folder = network.folder().join("copy");
    fs::create_dir(&folder).unwrap();
    network.north.patient("p-1", "Somebody");
    network.north.allow("p-1", "south");
    let monitor = network.north.device("bed-4-mon");
    let reading = |minute: i64, value: &str| Reading::pulse("bed-4-mon", "p-1", minute, value);
    let open = reading(-5, "70");
    monitor.deliver(network.north.http(), &body("b-1", std::slice::from_ref(&open)));
    network.settle();
    network.north.serving.stop();
    copy_database(network.north.home.path(), &folder);

    // Life goes on: what was open is sealed, a patient comes, a name is corrected.
    network.north.serving = network.north.home.serve();
    let later = [reading(-4, "71"), reading(-3, "72")];
    monitor.deliver(network.north.http(), &body("b-2", &later));
    network.north.patient("p-2", "Somebody Else");
    network.north.home.tell(&["patient", "edit", "p-1", "--name", "Another Name"]);
    network.north.home.tell(&["flush"]);
    network.settle();
    let at_hub = network.at_hub();
    assert_eq!(at_hub, sorted([open.clone(), later[0].clone(), later[1].clone()]));

    network.north.serving.stop();
    copy_database(&folder, network.north.home.path());
    network.north.serving = network.north.home.serve();
    until("what was lost is back", || {
        network.north.home.tell(&["patient", "list"]).contains("p-2")
    });
    until("all of it", || network.north.is_in_step());
    let patients = network.north.home.tell(&["patient", "list"]);
    assert!(patients.contains("Another Name") && patients.contains("Somebody Else"), "{patients}");

    // It writes on where the copy ended, beside what came back.
    let newest = reading(-1, "73");
    monitor.deliver(network.north.http(), &body("b-3", std::slice::from_ref(&newest)));
    network.north.home.tell(&["patient", "edit", "p-2", "--name", "Third Name"]);
    network.north.home.tell(&["flush"]);
    network.settle();
    let all = sorted([open, later[0].clone(), later[1].clone(), newest]);
    for held in [network.at_hub(), network.north.vitals(), network.south.vitals()] {
        assert_eq!(held, all, "each reading once");
    }
    let status = network.hub_home.status();
    assert_eq!(
        (number(&status, &["forks"]), number(&status, &["quarantined"])),
        (0, 0),
        "{status}"
    );
    assert!(site(&status, "north")["restored_at"].is_string(), "{status}");
    assert!(site(&status, "south")["restored_at"].is_null(), "{status}");
    for home in [&network.north.home, &network.south.home, &network.hub_home] {
        home.tell(&["verify"]);
    }
}

#[test]
fn of_two_copies_of_one_clinic_one_is_refused_and_loses_nothing() {
    let mut network = Network::start();
    network.north.patient("p-1", "Somebody");
    network.settle();
    network.north.serving.stop();
    let twin = Home::new(Binary::EdgeNode, network.folder(), "twin");
    copy_folder(network.north.home.path(), twin.path());

    // Both are started and write; each calls the hub when it can.
    network.north.serving = network.north.home.serve();
    until("the first copy is in step", || network.north.is_in_step());
    network.north.patient("p-2", "At The First");
    until("its patient is at the hub", || network.north.is_in_step());
    network.north.serving.stop();
    let twin_serving = twin.serve();
    twin.tell(&["patient", "add", "p-3", "--name", "At The Second"]);
    let in_step = |home: &Home| home.status()["state"] == "up_to_date";
    until("the second copy is taken for a restored one", || in_step(&twin));

    network.north.serving = network.north.home.serve();
    network.north.patient("p-4", "Behind The Back");
    until("the first copy is told", || network.north.home.status()["state"] == "second_copy");
    let told = network.north.home.tell(&["status"]);
    assert!(told.contains("two copies") && told.contains("hub invite"), "{told}");
    // What it wrote is at the hub all the same, and it gets nothing.
    let hub = network.hub_home.tell(&["status"]);
    assert!(hub.contains("TWO COPIES"), "{hub}");
    assert!(site(&network.hub_home.status(), "north")["second_copy_at"].is_string());
    until("what it wrote arrives at the other", || {
        twin.tell(&["patient", "list"]).contains("Behind The Back")
    });
    assert!(!network.north.home.tell(&["patient", "list"]).contains("At The Second"));
    drop(twin_serving);
}
