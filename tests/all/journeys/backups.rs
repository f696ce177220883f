//! Backups: made while readings come, tried out, broken, brought back.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use serde_json::Value;
use tests::programs::binaries::Binary;
use tests::programs::http::get;
use tests::programs::network::number;
use tests::programs::readings::sorted;
use tests::programs::{Home, Network, Reading, body, until};

/// A folder beside the programs' own that stands for another medium.
fn medium(network: &Network, name: &str) -> PathBuf {
    let path = network.folder().join(name);
    fs::create_dir(&path).unwrap();
    path
}

/// The copy of a program's keys that its operator keeps.
fn saved_keys(home: &Home, network: &Network, name: &str) -> String {
    let path = network.folder().join(name).display().to_string();
    home.tell(&["save-keys", &path]);
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The only backup in a folder.
fn only(folder: &Path) -> PathBuf {
    let mut all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let one = all.next().unwrap();
    assert_eq!(all.next(), None);
    one
}

/// Batches of fifty readings each; the times of no two are the same.
fn batches(patient: &str, count: i64) -> Vec<Vec<Reading>> {
    let batch = |at: i64| {
        let readings = (0..50).map(|n| {
            Reading::pulse("bed-4-mon", patient, -20_000 - at * 50 - n, &(60 + n).to_string())
        });
        readings.collect()
    };
    (0..count).map(batch).collect()
}

#[test]
fn a_hub_is_backed_up_while_readings_come_and_comes_back_in_a_new_folder() {
    let mut network = Network::start();
    let there = medium(&network, "medium");
    let keys = saved_keys(&network.hub_home, &network, "hub-keys.txt");
    let north = &network.north;
    north.patient("p-1", "Somebody");
    let monitor = north.device("bed-4-mon");
    let batches = batches("p-1", 40);
    let backup = ["backup", "--to", text(&there)];
    let made = thread::scope(|scope| {
        let uploading = scope.spawn(|| {
            for (at, readings) in batches.iter().enumerate() {
                monitor.deliver(north.http(), &body(&format!("b-{at}"), readings));
                north.home.tell(&["flush"]);
            }
        });
        let mut made = 0;
        while !uploading.is_finished() {
            let said = network.hub_home.tell(&backup);
            assert!(said.contains("read back and whole"), "{said}");
            network.hub_home.tell(&["drill", "--from", text(&there), "--keys", &keys]);
            made += 1;
        }
        made
    });
    network.settle();
    network.hub_home.tell(&backup);
    println!("{made} backups beside the upload");
    let said = network.hub_home.tell(&["drill", "--from", text(&there), "--keys", &keys]);
    assert!(said.contains("everything holds: ") && said.contains("as its manifest says"), "{said}");
    assert!(said.contains("would lose no row"), "{said}");
    assert!(!network.hub_home.path().join("drill").exists());
    let held = network.at_hub();
    assert_eq!(held, sorted(batches.concat()));
    let before = network.hub_home.status();
    assert_eq!(before["safe_mode"], false);

    // The machine is lost: what is left are the medium and the copy of the keys.
    network.hub.kill();
    let lost = network.hub_home.path().to_owned();
    fs::rename(&lost, network.folder().join("lost")).unwrap();
    let home = &network.hub_home;
    assert!(home.refused(&["restore", "--from", text(&there)]).contains("the keys are needed"));
    let said = home.tell(&["restore", "--from", text(&there), "--keys", &keys]);
    assert!(said.contains("marked as restored") && said.contains("everything holds: "), "{said}");
    let again = home.refused(&["restore", "--from", text(&there), "--keys", &keys]);
    assert!(again.contains("holds a database already"), "{again}");
    assert!(home.tell(&["status"]).contains("came back from a backup"));
    network.start_hub();
    assert_eq!(network.at_hub(), held);
    let after = network.hub_home.status();
    assert_eq!(number(&after, &["entries"]), number(&before, &["entries"]));
    // It is the same hub to its clinics, and they go on with it.
    let reading = Reading::pulse("bed-4-mon", "p-1", -1, "61");
    monitor.deliver(network.north.http(), &body("b-after", std::slice::from_ref(&reading)));
    network.north.home.tell(&["flush"]);
    network.settle();
    assert_eq!(network.at_hub(), sorted(held.into_iter().chain([reading])));
    until("every clinic has reported", || network.hub_home.status()["safe_mode"] == false);
}

#[test]
fn a_restored_hub_is_another_life_of_it() {
    let network = Network::start();
    let there = medium(&network, "medium");
    network.hub_home.tell(&["backup", "--to", text(&there)]);
    let keys = saved_keys(&network.hub_home, &network, "hub-keys.txt");
    let incarnation = |home: &Home| -> i64 {
        let question = "SELECT incarnation FROM hub_meta";
        home.database().query_row(question, [], |row| row.get(0)).unwrap()
    };
    let lives: Vec<i64> = ["first", "second"]
        .map(|name| {
            let home = Home::new(Binary::Hub, network.folder(), name);
            home.tell(&["restore", "--from", text(&there), "--keys", &keys]);
            incarnation(&home)
        })
        .into();
    assert_ne!(lives[0], lives[1]);
    assert!(!lives.contains(&incarnation(&network.hub_home)));
}

#[test]
fn whatever_is_wrong_with_a_backup_a_drill_and_a_restore_say_so_and_fail() {
    let network = Network::start();
    network.north.patient("p-1", "Somebody");
    network.settle();
    let there = medium(&network, "medium");
    let home = &network.hub_home;
    let keys = saved_keys(home, &network, "hub-keys.txt");
    let other = Home::new(Binary::Hub, network.folder(), "other");
    other.tell(&["init"]);
    let other_keys = saved_keys(&other, &network, "other-keys.txt");
    let nothing = home.refused(&["drill", "--from", text(&there)]);
    assert!(nothing.contains("holds no backup of hub "), "{nothing}");
    assert!(home.refused(&["backup"]).contains("set backup.folder in config.toml"));
    home.tell(&["backup", "--to", text(&there)]);
    let backup = only(&there);
    let (file, manifest) = (backup.join("data.db"), backup.join("manifest.json"));
    let new = Home::new(Binary::Hub, network.folder(), "new");
    let check = |sentence: &str| {
        for keys in [["--keys", &keys].as_slice(), &[]] {
            let said = home.refused(&[&["drill", "--from", text(&there)], keys].concat());
            assert!(said.contains(sentence), "{said}");
        }
        let said = new.refused(&["restore", "--from", text(&there), "--keys", &keys]);
        assert!(said.contains(sentence), "{said}");
        assert!(!new.path().join("data.db").exists());
        assert!(!home.path().join("drill").exists());
    };
    let whole = fs::read(&file).unwrap();
    for at in [100, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 8;
        fs::write(&file, flipped).unwrap();
        check("its digest differs");
    }
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    check("bytes where ");
    fs::remove_file(&file).unwrap();
    check("reading ");
    fs::write(&file, &whole).unwrap();
    let text_of_it = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text_of_it.replacen("\"entry\":", "\"entry\":1", 1)).unwrap();
    check("is damaged or was changed");
    fs::remove_file(&manifest).unwrap();
    check("has no manifest.json");
    fs::write(&manifest, &text_of_it).unwrap();

    let said = home.refused(&["drill", "--from", text(&there), "--keys", &other_keys]);
    assert!(said.contains("are those of hub "), "{said}");
    let said = new.refused(&["restore", "--from", text(&there), "--keys", &other_keys]);
    assert!(said.contains("holds no backup of hub "), "{said}");
    fs::write(&other_keys, "hub-keys").unwrap();
    let said = home.refused(&["drill", "--from", text(&there), "--keys", &other_keys]);
    assert!(said.contains("is no copy of keys"), "{said}");
    home.tell(&["drill", "--from", text(&there), "--keys", &keys]);
    let said = home.refused(&["restore", "--from", text(&there), "--keys", &keys]);
    assert!(said.contains("a program is running in"), "{said}");
}

#[test]
fn a_clinic_is_backed_up_while_readings_come_and_comes_back_in_a_new_folder() {
    let mut network = Network::start();
    let there = medium(&network, "medium");
    let keys = saved_keys(&network.north.home, &network, "north-keys.txt");
    let north = &network.north;
    north.patient("p-1", "Somebody");
    let monitor = north.device("bed-4-mon");
    let batches = batches("p-1", 20);
    let backup = ["backup", "--to", text(&there)];
    let drill = ["drill", "--from", text(&there), "--keys", &keys];
    thread::scope(|scope| {
        let uploading = scope.spawn(|| {
            for (at, readings) in batches.iter().enumerate() {
                monitor.deliver(north.http(), &body(&format!("b-{at}"), readings));
            }
        });
        while !uploading.is_finished() {
            north.home.tell(&backup);
            let said = north.home.tell(&drill);
            assert!(said.contains("everything holds: "), "{said}");
        }
    });
    network.settle();
    // What is not sealed yet is in it too.
    let open = [Reading::pulse("bed-4-mon", "p-1", -1, "61")];
    monitor.deliver(north.http(), &body("b-open", &open));
    north.home.tell(&backup);
    let said = north.home.tell(&drill);
    assert!(said.contains("would lose no row"), "{said}");
    let held = north.vitals();
    assert_eq!(held, sorted(batches.concat().into_iter().chain(open)));

    network.north.serving.kill();
    fs::rename(network.north.home.path(), network.folder().join("lost")).unwrap();
    let home = &network.north.home;
    let said = home.tell(&["restore", "--from", text(&there), "--keys", &keys]);
    assert!(said.contains("everything holds: "), "{said}");
    let said = home.refused(&["restore", "--from", text(&there), "--keys", &keys]);
    assert!(said.contains("holds a database already"), "{said}");
    network.north.serving = home.serve();
    assert_eq!(network.north.vitals(), held);
    // Devices have their keys still, receipts are remembered, and the hub knows the node.
    let repeated = monitor.deliver(network.north.http(), &body("b-0", &batches[0]));
    assert_eq!(number(&repeated, &["accepted"]), 50);
    let more = [Reading::pulse("bed-4-mon", "p-1", 0, "62")];
    monitor.deliver(network.north.http(), &body("b-more", &more));
    network.north.home.tell(&["flush"]);
    network.settle();
    let all = sorted(held.into_iter().chain(more));
    assert_eq!(network.at_hub(), all);
    assert_eq!(network.north.vitals(), all);
    assert_eq!(number(&network.hub_home.status(), &["forks"]), 0);
    network.hub_home.tell(&["verify"]);
}

/// How many of its entries a clinic knows to be on a second medium, and at the hub.
fn durable(home: &Home) -> (u64, u64) {
    let status = home.status();
    (number(&status, &["entries", "durable"]), number(&status, &["entries", "at_hub"]))
}

/// Starts the hub again with a backup folder in its settings.
fn restart_with(network: &mut Network, there: &Path, more: &str) {
    network.hub.stop();
    let settings = format!("[backup]\nfolder = {there:?}\nevery_minutes = 0\n{more}");
    network.hub_home.configure(&settings);
    network.start_hub();
    network.settle();
}

#[test]
fn what_a_backup_covers_is_durable_at_the_clinic_that_wrote_it_and_nothing_else_is() {
    let mut network = Network::start();
    let (there, elsewhere) = (medium(&network, "medium"), medium(&network, "elsewhere"));
    network.north.patient("p-1", "Somebody");
    let monitor = network.north.device("bed-4-mon");
    let write = |network: &Network, name: &str| {
        let reading = Reading::pulse("bed-4-mon", "p-1", -1, "61");
        monitor.deliver(network.north.http(), &body(name, &[reading]));
        network.north.home.tell(&["flush"]);
        network.settle();
    };
    write(&network, "b-1");
    let said = network.north.home.tell(&["status"]);
    assert!(said.contains("at the hub, not yet on a second medium"), "{said}");
    let said = network.hub_home.tell(&["status"]);
    assert!(said.contains("no backup is configured"), "{said}");

    // Neither a backup that nobody configured counts, nor one on the same disk.
    let said = network.hub_home.tell(&["backup", "--to", text(&elsewhere)]);
    assert!(said.contains("nothing counts"), "{said}");
    restart_with(&mut network, &there, "");
    let said = network.hub_home.tell(&["backup"]);
    assert!(said.contains("on the same disk as the data"), "{said}");
    let said = network.hub_home.tell(&["status"]);
    assert!(said.contains("counts for nothing"), "{said}");
    assert_eq!(number(&network.hub_home.status(), &["durable_entries"]), 0);

    restart_with(&mut network, &there, "same_disk_counts = true");
    let at_hub = durable(&network.north.home).1;
    assert!(at_hub > 0);
    network.hub_home.tell(&["backup"]);
    // Told at once, to a clinic that is connected.
    until("the clinic knows it", || durable(&network.north.home) == (at_hub, at_hub));
    write(&network, "b-2");
    let (covered, now) = durable(&network.north.home);
    assert!(covered == at_hub && now > at_hub, "{covered} of {now}");
    let said = network.north.home.tell(&["status"]);
    assert!(said.contains("wait for its next backup"), "{said}");

    // And to one that was away, when it greets.
    network.north.serving.kill();
    network.hub_home.tell(&["backup"]);
    network.north.serving = network.north.home.serve();
    until("the clinic has heard of it", || durable(&network.north.home) == (now, now));
    network.settle();
    for home in [&network.hub_home, &network.north.home] {
        home.tell(&["verify"]);
    }
}

#[test]
fn backups_come_by_themselves_and_a_missing_medium_is_seen_everywhere() {
    let mut network = Network::start();
    let there = medium(&network, "medium");
    let settings = format!("[backup]\nfolder = {there:?}\nsame_disk_counts = true");
    network.north.patient("p-1", "Somebody");
    network.settle();
    network.hub.stop();
    network.north.serving.stop();
    for home in [&network.hub_home, &network.north.home] {
        assert_eq!(home.status()["backup"]["state"], "off");
        home.configure(&settings);
    }
    network.start_hub();
    network.north.serving = network.north.home.serve();
    let programs =
        [(&network.hub_home, network.hub.http), (&network.north.home, network.north.http())];
    let health = |http| -> Value { serde_json::from_str(&get(http, "/health").text()).unwrap() };
    for (home, http) in programs {
        until("the first is made", || home.status()["backup"]["state"] == "fresh");
        let health = health(http);
        assert_eq!(
            (&health["status"], &health["backup"]["state"]),
            (&"ok".into(), &"fresh".into())
        );
        assert!(number(&health, &["backup", "age_seconds"]) < 3_600, "{health}");
        assert!(get(http, "/metrics").text().contains("_backup_failing 0"));
        home.tell(&["drill"]);
    }
    until("what the first backup of the hub covers is told", || durable(&network.north.home).0 > 0);
    assert_eq!(fs::read_dir(&there).unwrap().count(), 2, "both keep theirs in one folder");

    let gone = network.folder().join("gone");
    fs::rename(&there, &gone).unwrap();
    for (home, http) in programs {
        let said = home.refused(&["backup"]);
        assert!(said.contains("is the medium mounted?"), "{said}");
        let said = home.tell(&["status"]);
        assert!(
            said.contains("number 1 of ") && said.contains("the last attempt failed"),
            "{said}"
        );
        let health = health(http);
        assert_eq!(health["backup"]["state"], "failing");
        assert_eq!(health["backup"]["last_error"], "folder-missing");
        assert_eq!(health["status"], "ok", "the program itself is well");
        assert!(get(http, "/metrics").text().contains("_backup_failing 1"));
        assert!(get(http, "/").text().contains("the last attempt failed"));
    }
    fs::rename(&gone, &there).unwrap();
    for (home, http) in programs {
        home.tell(&["backup"]);
        assert_eq!(health(http)["backup"]["state"], "fresh");
    }
    // The next process knows of them without making one.
    network.north.serving.kill();
    network.north.serving = network.north.home.serve();
    let status = network.north.home.status();
    assert_eq!(number(&status, &["backup", "number"]), 2);
}
