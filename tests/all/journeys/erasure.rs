//! A patient, a part of a record or a fact is erased by order of the hub, at everybody who has it.

use std::fs;
use std::path::PathBuf;

use tests::programs::binaries::Binary;
use tests::programs::network::number;
use tests::programs::readings::sorted;
use tests::programs::{Home, Network, Reading, body, until};

/// Stands in the name of a patient, in a device's name and in a value, and nowhere else.
const MARKER: &str = "Quillfeather";
const DEVICE: &str = "quillfeather-mon";
/// Of a reading that raises an alert.
const HIGH: &str = "233.5";

/// Everything that stands in the tables of a program that does not run.
fn tables(home: &Home) -> Vec<u8> {
    store::all_values(&home.database()).unwrap()
}

fn holds(bytes: &[u8], needle: &str) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle.as_bytes())
}

struct Story {
    network: Network,
    medium: PathBuf,
    other: Vec<Reading>,
}

impl Story {
    /// North has a patient with a marker and another one; south may see both. North and the hub make
    /// backups in folders of their own.
    fn start() -> Self {
        let mut network = Network::start();
        let medium = network.folder().join("medium");
        for home in [&network.hub_home, &network.north.home, &network.south.home] {
            let folder = medium.join(home.path().file_name().unwrap());
            fs::create_dir_all(&folder).unwrap();
            home.configure(&format!(
                "[backup]\nfolder = \"{}\"\nevery_minutes = 0\nsame_disk_counts = true\n",
                folder.display()
            ));
        }
        network.restart_hub();
        network.north.restart();
        network.south.restart();
        network.north.patient("p-1", MARKER);
        network.north.patient("p-2", "Somebody Else");
        network.north.allow("p-1", "south");
        network.north.allow("p-2", "south");
        let monitor = network.north.device(DEVICE);
        let reading = |patient: &str, ago, value: &str| Reading::pulse(DEVICE, patient, ago, value);
        let readings = [reading("p-1", -5, HIGH), reading("p-1", -4, "71")];
        monitor.deliver(network.north.http(), &body("b-1", &readings));
        let second = network.north.device("other-mon");
        let other = vec![Reading::pulse("other-mon", "p-2", -5, "72")];
        second.deliver(network.north.http(), &body("b-2", &other));
        network.north.home.tell(&["flush"]);
        network.settle();
        until("south has both", || network.south.vitals().len() == 3);
        for home in [&network.hub_home, &network.north.home, &network.south.home] {
            home.tell(&["backup"]);
        }
        Self { network, medium, other }
    }

    fn list(&self) -> String {
        self.network.hub_home.tell(&["erase", "list"])
    }

    #[track_caller]
    fn until_everybody_signed(&self) {
        until("every clinic has signed", || {
            let list = self.list();
            list.lines().count() > 1 && !list.contains("outstanding")
        });
    }

    /// A backup that nobody replaces.
    fn elsewhere(&self, home: &Home) -> String {
        let folder = self.network.folder().join("elsewhere");
        fs::create_dir(&folder).unwrap();
        let folder = folder.display().to_string();
        home.tell(&["backup", "--to", &folder]);
        folder
    }

    fn homes(&self) -> [&Home; 3] {
        [&self.network.hub_home, &self.network.north.home, &self.network.south.home]
    }

    /// Neither name nor value of the patient is anywhere, and everything verifies.
    fn check_gone(&mut self) {
        for home in self.homes() {
            home.tell(&["verify"]);
            let exported = home.tell(&["export", "vitals"]) + &home.tell(&["export", "alerts"]);
            assert!(!exported.contains("p-1") && !exported.contains(HIGH), "{exported}");
        }
        assert_eq!(self.network.at_hub(), sorted(self.other.clone()));
        let folder = self.medium.clone();
        until("backups are replaced", || {
            ["hub", "north", "south"].iter().all(|name| {
                let all: Vec<_> = fs::read_dir(folder.join(name)).unwrap().collect();
                let is_first = |name: &str| name.ends_with("000001");
                all.len() == 1 && !is_first(all[0].as_ref().unwrap().file_name().to_str().unwrap())
            })
        });
        self.network.north.serving.stop();
        self.network.south.serving.stop();
        self.network.hub.stop();
        let beside = self.network.folder().to_owned();
        for home in self.homes() {
            let all = tables(home);
            let name = home.path().file_name().unwrap().to_str().unwrap();
            // North has the device among its own.
            let needles = if name == "north" { &[MARKER][..] } else { &[MARKER, DEVICE] };
            for needle in needles {
                assert!(!holds(&all, needle), "{needle} is in {name}");
            }
            // And in no backup: one is brought back and looked at.
            let backup = self.medium.join(name);
            let keys = beside.join(format!("{name}-keys.txt"));
            home.tell(&["save-keys", keys.to_str().unwrap()]);
            let binary = if name == "hub" { Binary::Hub } else { Binary::EdgeNode };
            let back = Home::new(binary, &beside, &format!("{name}-back"));
            back.tell(&[
                "restore",
                "--from",
                backup.to_str().unwrap(),
                "--keys",
                keys.to_str().unwrap(),
            ]);
            let all = tables(&back);
            for needle in needles {
                assert!(!holds(&all, needle), "{needle} is in the backup of {name}");
            }
        }
    }
}

#[test]
fn invariant_16_a_patient_who_is_erased_is_in_no_table_no_log_and_no_backup() {
    let mut story = Story::start();
    {
        // The scan finds what is there.
        story.network.south.serving.stop();
        let all = tables(&story.network.south.home);
        assert!(holds(&all, MARKER), "the name");
        assert!(holds(&all, DEVICE), "the device, in an alert");
        story.network.south.serving = story.network.south.home.serve();
    }
    let said = story.network.hub_home.tell(&[
        "erase",
        "--patient",
        "north/p-1",
        "--reason",
        "asked for in writing",
    ]);
    assert!(said.contains("the older ones are gone"), "{said}");
    story.until_everybody_signed();
    let list = story.list();
    assert!(list.contains("asked for in writing") && !list.contains(MARKER), "{list}");
    assert_eq!(list.lines().count(), 3, "{list}");
    // What a device still sends about the patient waits for a person: nobody has that number.
    let late = [Reading::pulse("late-mon", "p-1", -3, "88")];
    story.network.north.device("late-mon").deliver(story.network.north.http(), &body("b-3", &late));
    let patients = story.network.north.home.tell(&["patient", "list"]);
    assert!(!patients.contains(MARKER) && patients.contains("Somebody Else"));
    let again =
        story.network.hub_home.refused(&["erase", "--patient", "north/p-1", "--reason", "twice"]);
    assert!(again.contains("no patient of this name"), "{again}");
    story.network.settle();
    story.check_gone();
}

#[test]
fn a_part_of_a_record_is_erased_and_life_goes_on_in_it() {
    let story = Story::start();
    let hub = story.network.hub_home.clone();
    let part =
        |why| ["erase", "--patient", "north/p-1", "--compartment", "vitals", "--reason", why];
    hub.tell(&part("wrong patient"));
    story.until_everybody_signed();
    assert!(story.network.south.home.tell(&["patient", "list"]).contains(MARKER));
    let again = hub.refused(&part("twice"));
    assert!(again.contains("erased already"), "{again}");
    for home in story.homes() {
        assert!(!home.tell(&["export", "alerts"]).contains("p-1"));
        home.tell(&["verify"]);
    }
    // What is measured from now on is a new beginning, for everybody who may have it.
    let later = Reading::pulse("new-mon", "p-1", -3, "74");
    let monitor = story.network.north.device("new-mon");
    monitor.deliver(story.network.north.http(), &body("b-9", std::slice::from_ref(&later)));
    story.network.north.home.tell(&["flush"]);
    story.network.settle();
    let expected = sorted([story.other.clone(), vec![later]].concat());
    assert_eq!(story.network.at_hub(), expected);
    until("south has it", || story.network.south.vitals() == expected);
    // And can be erased again.
    hub.tell(&part("again"));
    story.until_everybody_signed();
    story.network.settle();
    assert_eq!(story.network.at_hub(), sorted(story.other.clone()));
    assert_eq!(story.network.north.vitals(), sorted(story.other.clone()));
    for home in story.homes() {
        home.tell(&["verify"]);
    }
    let status = hub.status();
    assert_eq!((number(&status, &["forks"]), number(&status, &["quarantined"])), (0, 0));
}

#[test]
fn a_clinic_that_was_away_erases_at_its_next_contact_and_what_it_had_written_meanwhile() {
    let mut story = Story::start();
    story.network.north.wire.cut();
    story.network.south.serving.stop();
    // Written before it hears of the order, and nobody has it yet.
    let unsent = [Reading::pulse(DEVICE, "p-1", -2, "91.25")];
    story
        .network
        .north
        .device("unsent-mon")
        .deliver(story.network.north.http(), &body("b-7", &unsent));
    story.network.north.home.tell(&["patient", "edit", "p-1", "--name", "Quillfeather Again"]);
    story.network.north.home.tell(&["flush"]);
    story.network.hub_home.tell(&["erase", "--patient", "north/p-1", "--reason", "asked for"]);
    assert_eq!(story.list().matches("outstanding").count(), 2);
    story.network.south.serving = story.network.south.home.serve();
    until("one has signed", || story.list().matches("outstanding").count() == 1);
    story.network.north.wire.restore();
    story.network.north.home.tell(&["sync"]);
    story.until_everybody_signed();
    story.network.settle();
    story.check_gone();
}

#[test]
fn a_clinic_that_comes_back_from_before_erases_again() {
    let mut story = Story::start();
    let elsewhere = story.elsewhere(&story.network.south.home);
    let keys = story.network.folder().join("keys.txt").display().to_string();
    story.network.south.home.tell(&["save-keys", &keys]);
    story.network.hub_home.tell(&["erase", "--patient", "north/p-1", "--reason", "asked for"]);
    story.until_everybody_signed();
    story.network.settle();
    story.network.south.serving.kill();
    let lost = story.network.folder().join("lost-south");
    fs::rename(story.network.south.home.path(), lost).unwrap();
    let south = story.network.south.home.clone();
    south.tell(&["restore", "--from", &elsewhere, "--keys", &keys]);
    assert!(south.tell(&["patient", "list"]).contains(MARKER), "the copy is from before");
    story.network.south.serving = south.serve();
    until("it is gone again", || !south.tell(&["patient", "list"]).contains(MARKER));
    story.network.settle();
    south.tell(&["verify"]);
    story.network.south.serving.stop();
    assert!(!holds(&tables(&south), MARKER));
}

#[test]
fn a_hub_that_comes_back_from_before_learns_its_orders_from_the_receipts() {
    let mut story = Story::start();
    let elsewhere = story.elsewhere(&story.network.hub_home);
    let keys = story.network.folder().join("keys.txt").display().to_string();
    story.network.hub_home.tell(&["save-keys", &keys]);
    story.network.hub_home.tell(&["erase", "--patient", "north/p-1", "--reason", "asked for"]);
    story.until_everybody_signed();
    story.network.settle();
    story.network.hub.kill();
    let lost = story.network.folder().join("lost-hub");
    fs::rename(story.network.hub_home.path(), lost).unwrap();
    let hub = story.network.hub_home.clone();
    hub.tell(&["restore", "--from", &elsewhere, "--keys", &keys]);
    assert!(hub.tell(&["export", "vitals"]).contains(HIGH), "the copy is from before");
    story.network.start_hub();
    story.until_everybody_signed();
    until("every clinic has reported", || hub.status()["safe_mode"] == false);
    assert_eq!(story.network.at_hub(), sorted(story.other.clone()));
    for home in story.homes() {
        home.tell(&["verify"]);
    }
    story.network.hub.stop();
    assert!(!holds(&tables(&hub), MARKER));
}

#[test]
fn what_cannot_be_erased_is_refused_with_what_to_do() {
    let story = Story::start();
    let hub = &story.network.hub_home;
    let check = |arguments: &[&str], expected: &str| {
        let said = hub.refused(&[&["erase"], arguments].concat());
        assert!(said.contains(expected), "{arguments:?}: {said}");
    };
    check(&["--patient", "north/p-1"], "needs a sentence");
    check(&["--patient", "north/p-1", "--reason", "  "], "needs a sentence");
    check(&["--patient", "north/p-1", "--reason", "two\nlines"], "needs a sentence");
    check(&["--reason", "why"], "say what is to be erased");
    check(&["--patient", "north/p-9", "--reason", "why"], "no patient of this name");
    check(&["--patient", "west/p-1", "--reason", "why"], "no patient of this name");
    check(&["--patient", "p-1", "--reason", "why"], "CLINIC/NUMBER");
    let nobody = "018f4e9a-0000-7000-8000-000000000000";
    check(&["--patient", nobody, "--reason", "why"], "no patient of this name");
    check(
        &["--patient", "north/p-1", "--compartment", "soul", "--reason", "why"],
        "no part of a record",
    );
    check(&["--entry", "abc", "--reason", "why"], "64 hexadecimal digits");
    check(&["--entry", &"ab".repeat(32), "--reason", "why"], "no entry with this id");
    assert_eq!(story.list().lines().count(), 1, "nothing was ordered");
    assert_eq!(story.network.at_hub().len(), 3);
}
