//! What a thief finds on the disks and on the wires: nothing that can be read.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use export::{Csv, ExportError, Reader, Tails};
use patients::store::ListPage;
use replication::streams::{Topic, topic};
use store::{Access, DatabaseKey};
use tests::network::Dice;
use tests::programs::network::device;
use tests::programs::{Home, Network, Reading, body, until};
use vocab::{PatientId, SiteId};

/// Planted. None of it can stand anywhere by chance.
const CANARIES: [&str; 8] = [
    "Zebulon Quartermain-Okafor",
    "Zebulon",
    "Quartermain",
    "+4915123456789",
    "MRN-77-ZEBULON",
    "173.41790",
    "4.83906",
    "wrist-of-zebulon",
];

/// Every byte of every file below `folder`, with its name.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else if let Ok(bytes) = fs::read(&path) {
            all.push((path.display().to_string(), bytes));
        }
    }
    all
}

/// Which canaries stand in `bytes`, as UTF-8 or as UTF-16.
fn found(bytes: &[u8]) -> Vec<&'static str> {
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
    CANARIES.into_iter().filter(|text| holds(text.as_bytes()) || holds(&wide(text))).collect()
}

/// Lets the canaries pass through all three programs.
fn plant(network: &Network) {
    let Network { north, south, .. } = network;
    let [name, _, _, phone, patient, pulse, potassium, device] = CANARIES;
    north.home.tell(&["patient", "add", patient, "--name", name, "--phone", phone]);
    north.allow(patient, "south");
    let monitor = north.device(device);
    let readings = [
        Reading::pulse(device, patient, -1, pulse),
        Reading::pulse(device, patient, -1, potassium).of("2823-3", "mmol/L"),
        // Set aside at the clinic, and an alert that travels.
        Reading::pulse(device, "MRN-77-ZEBULON-2", -1, pulse),
        Reading::pulse(device, patient, -1, "84").of("59408-5", "%"),
    ];
    monitor.deliver(north.http(), &body("b-1", &readings));
    north.home.tell(&["flush"]);
    network.settle();
    // And what is still in the open tail.
    let open = [Reading::pulse(device, patient, 0, pulse)];
    monitor.deliver(north.http(), &body("b-2", &open));
    until("it is at the other clinic", || south.home.tell(&["export", "vitals"]).contains(pulse));
}

#[test]
fn no_planted_name_or_value_is_in_any_file_or_on_any_wire() {
    let mut network = Network::start();
    network.north.wire.record();
    network.south.wire.record();
    plant(&network);
    // The search finds what can be read.
    let exported = network.north.home.tell(&["export", "vitals"]);
    assert!(found(exported.as_bytes()).contains(&"173.41790"));
    assert!(found(network.north.home.tell(&["patient", "list"]).as_bytes()).len() >= 4);

    network.north.serving.kill();
    network.south.serving.kill();
    network.hub.kill();
    let mut bytes = 0;
    let mut logs = 0;
    for (name, content) in files(network.folder()) {
        assert_eq!(found(&content), [""; 0], "{name}");
        assert!(!content.starts_with(b"SQLite format 3"), "{name} is not encrypted");
        bytes += content.len();
        logs += usize::from(name.ends_with("-wal") && content.len() > 4_096);
    }
    assert_eq!(logs, 3, "each database was in the middle of its work");
    let captured: Vec<Vec<u8>> = [&network.north.wire, &network.south.wire]
        .iter()
        .flat_map(|wire| wire.captured())
        .collect();
    assert!(captured.len() > 20, "{} datagrams", captured.len());
    for datagram in &captured {
        assert_eq!(found(datagram), [""; 0]);
    }
    // Nor over the border of two datagrams.
    assert_eq!(found(&captured.concat()), [""; 0]);
    println!("{bytes} bytes of files and {} of datagrams", captured.concat().len());
}

#[test]
fn no_planted_name_or_value_and_no_private_key_is_in_a_backup() {
    let network = Network::start();
    plant(&network);
    let medium = network.folder().join("medium");
    fs::create_dir(&medium).unwrap();
    let to = medium.to_str().unwrap();
    let mut secrets = Vec::new();
    for home in [&network.hub_home, &network.north.home, &network.south.home] {
        home.tell(&["backup", "--to", to]);
        for name in ["database.key", "node.key", "tls.key"] {
            // A checksum may stand behind the digits.
            let digits = fs::read(home.path().join(name)).unwrap()[..64].to_vec();
            secrets.push(data_encoding::HEXLOWER.decode(&digits).unwrap());
            secrets.push(digits);
        }
    }
    let held = |bytes: &[u8]| {
        secrets.iter().any(|one| bytes.windows(one.len()).any(|window| window == one))
    };
    let backups = files(&medium);
    assert_eq!(backups.len(), 6, "three databases with their manifests");
    for (name, content) in backups {
        assert_eq!(found(&content), [""; 0], "{name}");
        assert!(!held(&content), "a key is in {name}");
        assert!(!content.starts_with(b"SQLite format 3"), "{name} is not encrypted");
    }
    // Nor inside, for whoever has the key of the database.
    let unlocked = network.folder().join("unlocked.db");
    for (home, place) in [(&network.hub_home, "hub"), (&network.north.home, "edge-node")] {
        let theirs = fs::read_dir(&medium).unwrap().map(|entry| entry.unwrap().path());
        let mut theirs = theirs.filter(|path| {
            let number = "-000001";
            let name = path.file_name().unwrap().to_str().unwrap();
            name.starts_with(place) && name.ends_with(number)
        });
        let key = DatabaseKey::new(home.database_key());
        let open = |path: std::path::PathBuf| {
            let _ = fs::remove_file(&unlocked);
            fs::copy(path.join("data.db"), &unlocked).unwrap();
            store::open(&unlocked, &key, Access::Write).ok()
        };
        let conn = theirs.find_map(open).unwrap();
        let plain = network.folder().join(format!("plain-{place}.db"));
        let export = "ATTACH DATABASE ?1 AS plain KEY ''";
        conn.execute(export, [plain.to_str().unwrap()]).unwrap();
        conn.query_row("SELECT sqlcipher_export('plain')", [], |_| Ok(())).unwrap();
        let content = fs::read(&plain).unwrap();
        assert!(content.starts_with(b"SQLite format 3") && !found(&content).is_empty());
        assert!(!held(&content), "a key of {place} is in its database");
    }
}

#[test]
fn a_clinic_holds_no_stream_of_a_patient_who_did_not_allow_it() {
    let mut network = Network::start();
    plant(&network);
    let Network { north, south, .. } = &mut network;
    north.patient("p-2", "Somebody Else");
    let monitor = north.device("mon-2");
    let reading = Reading::pulse("mon-2", "p-2", -1, "84").of("59408-5", "%");
    monitor.deliver(north.http(), &body("b-1", &[reading]));
    north.home.tell(&["flush"]);
    until("all of it is at the hub", || north.is_in_step());
    let list = north.home.tell(&["patient", "list"]);
    let id_of = |name: &str| -> PatientId {
        let line = list.lines().find(|line| line.contains(name)).unwrap();
        line.split(',').next().unwrap().parse().unwrap()
    };
    let (allowed, other) = (id_of(CANARIES[0]), id_of("Somebody Else"));
    south.serving.stop();
    north.serving.stop();
    let subjects = |home: &Home| -> BTreeSet<PatientId> {
        let conn = home.database();
        let streams = replication::ledger::inspect::walk(&conn).unwrap();
        let patients = streams.iter().filter_map(|walk| match topic(&walk.stream) {
            Topic::Patient(patient, _) => Some(patient),
            Topic::Policy | Topic::Site(_) | Topic::Emergencies(_) | Topic::Unknown => None,
        });
        patients.collect()
    };
    assert_eq!(subjects(&north.home), [allowed, other].into());
    assert_eq!(subjects(&south.home), [allowed].into(), "not even that the other exists");
}

/// Everything that can be read from the database, or `None` when it is refused.
fn read_all(path: &Path, key: &[u8; 32]) -> Option<Vec<u8>> {
    // A reader alone cannot make the files that stand beside a database in use.
    let conn = store::open(path, &DatabaseKey::new(*key), Access::Write).ok()?;
    let site = SiteId::from_bytes([0; 16]);
    let mut all = Vec::new();
    type List<'a> = &'a dyn Fn(&mut Csv<&mut Vec<u8>>) -> Result<(), ExportError>;
    let lists: [List<'_>; 3] = [
        &|csv| export::vitals(&conn, Reader::of_all(site), Tails::Included, None, csv),
        &|csv| export::alerts(&conn, Reader::of_all(site), None, csv),
        &|csv| export::quarantine(&conn, true, csv),
    ];
    for list in lists {
        Csv::write_with(&mut all, list).ok()?;
    }
    let page = ListPage { after: None, rows: 500 };
    let patients = patients::store::list(&conn, site, page).ok()?;
    let streams = replication::ledger::inspect::walk(&conn).ok()?;
    let names =
        patients.iter().flat_map(|patient| &patient.name).map(|name| name.reveal().as_str());
    all.extend(names.flat_map(str::bytes));
    all.extend(format!("{streams:?}").bytes());
    Some(all)
}

#[test]
fn a_flipped_bit_in_the_database_is_noticed_or_without_effect() {
    let mut network = Network::start();
    plant(&network);
    let home: &Home = &network.north.home;
    let second = device(home, "mon-2");
    let readings: Vec<Reading> = (0..2_000)
        .map(|at| Reading::pulse("mon-2", CANARIES[4], -at - 5, &format!("{}.5", 60 + at % 40)))
        .collect();
    second.deliver(network.north.http(), &body("b-1", &readings));
    network.north.serving.stop();

    let key = home.database_key();
    let database = home.path().join("data.db");
    // The last to close a database brings everything from its log into it.
    drop(store::open(&database, &DatabaseKey::new(key), Access::Write).unwrap());
    let whole = fs::read(database).unwrap();
    let path = network.folder().join("flipped.db");
    fs::write(&path, &whole).unwrap();
    let expected = read_all(&path, &key).unwrap();
    assert!(expected.len() > 2_000 * 20);
    assert_eq!(read_all(&path, &[7; 32]), None, "another key");

    let mut dice = Dice::new(12);
    let mut noticed = 0;
    for flip in 0..300 {
        let mut bytes = whole.clone();
        let at = usize::try_from(dice.below(whole.len() as u64)).unwrap();
        bytes[at] ^= 1 << dice.below(8);
        fs::write(&path, &bytes).unwrap();
        match read_all(&path, &key) {
            None => noticed += 1,
            Some(read) => assert!(read == expected, "flip {flip} at {at} is silent"),
        }
    }
    println!("{noticed} of 300 flips noticed, the others were in pages that nothing read");
    assert!(noticed > 0);
}
