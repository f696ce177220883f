//! From the device to the hub and to a second clinic.

use std::fs;

use serde_json::{Value, json};
use tests::programs::http::get;
use tests::programs::network::number;
use tests::programs::readings::{from_now, sorted};
use tests::programs::{Home, Network, Reading, body, until};

/// Signs of `patient`, one of them so high that somebody must come.
fn signs(patient: &str) -> Vec<Reading> {
    let pulse = |seconds, value| Reading::pulse("bed-4-mon", patient, seconds, value);
    vec![
        pulse(-3, "72"),
        pulse(-2, "84").of("59408-5", "%"),
        pulse(-2, "98.60").of("8310-5", "[degF]"),
        pulse(-1, "6.10").of("2345-7", "mmol/L"),
        pulse(-1, "97").of("59408-5", "%"),
        // Any number with a LOINC code and a UCUM unit is kept.
        pulse(-1, "3.80").of("2823-3", "mmol/L"),
    ]
}

#[test]
fn a_reading_travels_to_the_hub_and_to_the_clinics_that_its_patient_allows() {
    let network = Network::start();
    let Network { north, south, .. } = &network;
    let patients = ["p-1", "p-2", "p-3"];
    patients.iter().for_each(|number| north.patient(number, "Somebody"));
    ["p-1", "p-3"].iter().for_each(|number| north.allow(number, "south"));
    let monitor = north.device("bed-4-mon");

    let mut sent = Vec::new();
    for patient in patients {
        let readings = signs(patient);
        let receipt = monitor.deliver(north.http(), &body(&format!("b-{patient}"), &readings));
        assert_eq!(number(&receipt, &["accepted"]), readings.len() as u64, "{receipt}");
        sent.extend(readings);
    }
    // A repeat under another name, one of another clinic's patients, one that cannot be read.
    let mut odd = vec![signs("p-1").remove(0), Reading::pulse("bed-4-mon", "p-9", -1, "80")];
    odd[0].clone_from(&sent[0]);
    odd.push(Reading { code: "8867-5".to_owned(), ..sent[0].clone() });
    let receipt = monitor.deliver(north.http(), &body("b-odd", &odd));
    let outcomes: Vec<&Value> =
        receipt["outcomes"].as_array().unwrap().iter().map(|one| &one["outcome"]).collect();
    assert_eq!(outcomes, ["duplicate", "quarantined", "rejected"]);

    north.home.tell(&["flush"]);
    network.settle();
    check_sums(&north.home.status(), sent.len() as u64);
    assert_eq!(north.vitals(), sorted(sent.clone()));
    assert_eq!(network.at_hub(), sorted(sent.clone()));
    let allowed = sent.into_iter().filter(|reading| reading.patient != "p-2");
    assert_eq!(south.vitals(), sorted(allowed));

    let alerts = |text: String| {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let here = alerts(north.home.tell(&["export", "alerts"]));
    assert!(here.iter().any(|line| line.starts_with("p-2,59408-5,")), "{here:?}");
    assert!(here.iter().any(|line| line.ends_with(",CRITICAL")), "{here:?}");
    assert_eq!(alerts(network.hub_home.tell(&["export", "alerts"])), here);
    let allowed: Vec<String> = here.into_iter().filter(|line| !line.starts_with("p-2,")).collect();
    assert_eq!(alerts(south.home.tell(&["export", "alerts"])), allowed);
    // And of the patient who allowed nothing, not even the name is there.
    assert_eq!(number(&south.home.status(), &["patients"]), 2);
}

/// What the status says of entries and of readings adds up.
fn check_sums(status: &Value, accepted: u64) {
    let entries = |name| number(status, &["entries", name]);
    let there = ["at_hub", "pending", "quarantined", "refused", "held"].map(entries);
    assert_eq!(entries("authored"), there.iter().sum::<u64>(), "{status}");
    assert_eq!(entries("authored"), entries("at_hub"), "{status}");
    let readings = ["accepted", "duplicate", "quarantined", "rejected"]
        .map(|name| status["readings"][name].clone());
    assert_eq!(readings.to_vec(), vec![json!(accepted), json!(1), json!(1), json!(1)], "{status}");
    assert_eq!(number(status, &["readings", "open"]), 0, "{status}");
    assert_eq!(number(status, &["readings", "sealed"]), accepted, "{status}");
}

#[test]
fn after_a_revocation_nothing_reaches_the_other_clinic_and_its_copy_goes() {
    let network = Network::start();
    let Network { north, south, .. } = &network;
    ["p-1", "p-2"].iter().for_each(|number| north.patient(number, "Somebody"));
    ["p-1", "p-2"].iter().for_each(|number| north.allow(number, "south"));
    let monitor = north.device("bed-4-mon");
    let upload = |name: &str, value: &str| {
        let readings =
            ["p-1", "p-2"].map(|patient| Reading::pulse("bed-4-mon", patient, -1, value));
        monitor.deliver(north.http(), &body(name, &readings));
        north.home.tell(&["flush"]);
        network.settle();
        readings
    };
    let before = upload("b-1", "71");
    assert_eq!(south.vitals(), sorted(before.clone()));

    let check = |more: &[&str]| {
        north.home.tell(&[&["consent", "check", "p-1", "--site", "south"], more].concat())
    };
    assert_eq!(check(&[]), "yes\n");
    assert_eq!(check(&["--purpose", "research"]), "no: it was never allowed\n");
    assert_eq!(check(&["--compartment", "clinical"]), "no: it was never allowed\n");
    let refused = ["consent", "check", "p-1", "--site", "south", "--purpose", "gossip"];
    assert!(north.home.refused(&refused).contains("there are treatment, "));
    let of_one = north.home.tell(&["export", "vitals", "--patient", "p-1"]);
    assert_eq!(of_one.lines().count(), 2, "{of_one}");
    assert!(of_one.contains(",p-1,") && !of_one.contains(",p-2,"), "{of_one}");
    let unknown = north.home.refused(&["export", "alerts", "--patient", "p-9"]);
    assert!(unknown.contains("no patient with this number is known here"), "{unknown}");
    north.home.tell(&["consent", "revoke", "p-1", "--site", "south"]);
    assert_eq!(check(&[]), "no: it was taken back\n");
    network.settle();
    let after = upload("b-2", "172");
    north.home.tell(&["patient", "edit", "p-1", "--name", "Another Name"]);
    network.settle();
    let other = [before[1].clone(), after[1].clone()];
    until("the copy is gone, and what was not taken back goes on", || {
        south.vitals() == sorted(other.to_vec())
    });
    let list = south.home.tell(&["patient", "list"]);
    assert!(list.contains(",p-2,") && !list.contains(",p-1,"), "{list}");
    let alerts = south.home.tell(&["export", "alerts"]);
    assert!(alerts.contains("p-2,") && !alerts.contains("p-1,"), "{alerts}");
    assert_eq!(network.hub_home.tell(&["copies"]).lines().count(), 1, "all receipts are here");
    for home in [&network.hub_home, &north.home, &south.home] {
        home.tell(&["verify"]);
    }

    // Whoever allows it again, having seen what was taken back, gets everything there.
    north.allow("p-1", "south");
    network.settle();
    until("the other clinic has caught up", || {
        south.vitals() == sorted(before.iter().chain(&after).cloned())
    });
}

#[test]
fn a_copy_at_a_clinic_that_is_out_of_reach_is_listed_until_its_receipt_is_here() {
    let mut network = Network::start();
    network.north.patient("p-1", "Zacharias Outofreach");
    network.north.allow("p-1", "south");
    let monitor = network.north.device("bed-4-mon");
    monitor.deliver(
        network.north.http(),
        &body("b-1", &[Reading::pulse("bed-4-mon", "p-1", -1, "71")]),
    );
    network.north.home.tell(&["flush"]);
    network.settle();

    network.south.serving.stop();
    network.north.home.tell(&["consent", "revoke", "p-1"]);
    let listed = || network.hub_home.tell(&["copies"]);
    until("the hub has heard of it", || listed().lines().count() > 1);
    let copies = listed();
    assert!(copies.lines().skip(1).all(|line| line.starts_with("south,")), "{copies}");
    for compartment in ["identity", "vitals"] {
        assert!(copies.contains(&format!(",{compartment},")), "{copies}");
    }
    assert_eq!(network.south.vitals().len(), 1, "nobody could tell it yet");

    network.hub.stop();
    network.start_hub();
    network.south.serving = network.south.home.serve();
    until("the receipts are here", || network.hub_home.tell(&["copies"]).lines().count() == 1);
    assert!(network.south.vitals().is_empty());
    assert_eq!(network.south.home.tell(&["patient", "list"]).lines().count(), 1);

    // Nor in any table, wherever one would forget to look.
    for (home, serving, held) in [
        (&network.south.home, &mut network.south.serving, false),
        (&network.north.home, &mut network.north.serving, true),
    ] {
        serving.stop();
        let plain = home.path().join("plain.db");
        let conn = home.database();
        let attach = format!("ATTACH DATABASE '{}' AS plain KEY ''", plain.display());
        conn.execute_batch(&attach).unwrap();
        conn.query_row("SELECT sqlcipher_export('plain')", [], |_| Ok(())).unwrap();
        conn.execute_batch("DETACH DATABASE plain").unwrap();
        let bytes = fs::read(plain).unwrap();
        assert_eq!(bytes.windows(9).any(|nine| nine == b"Zacharias"), held);
    }
}

#[test]
fn a_value_is_on_every_screen_before_it_is_sealed() {
    let network = Network::start();
    let Network { north, south, hub, .. } = &network;
    ["p-1", "p-2"].iter().for_each(|number| north.patient(number, "Somebody"));
    north.allow("p-1", "south");
    let monitor = north.device("bed-4-mon");
    // The stream that a screen subscribes to comes into being with the first segment.
    let first = ["p-1", "p-2"].map(|patient| Reading::pulse("bed-4-mon", patient, -9, "70"));
    monitor.deliver(north.http(), &body("b-0", &first));
    north.home.tell(&["flush"]);
    network.settle();

    let values = [("p-1", "61.731"), ("p-2", "62.842")];
    let live = values.map(|(patient, value)| Reading::pulse("bed-4-mon", patient, -1, value));
    let clock = host::Clock::system();
    monitor.deliver(north.http(), &body("b-1", &live));
    let shows = |at, value| get(at, "/fragment").text().contains(value);
    until("the clinic's own page shows it", || shows(north.http(), "61.731"));
    until("the hub's page shows both", || values.iter().all(|(_, value)| shows(hub.http, value)));
    println!("on the hub's page after {} ms", clock.monotonic_nanos() / 1_000_000);
    until("the other clinic's page shows what it may", || shows(south.http(), "61.731"));
    assert!(!shows(south.http(), "62.842"), "and nothing else");
    let status = north.home.status();
    assert_eq!(number(&status, &["readings", "open"]), 2, "none of it is sealed: {status}");
}

#[test]
fn a_reading_of_the_past_raises_an_alert_that_says_so() {
    let network = Network::start();
    let Network { north, .. } = &network;
    north.patient("p-1", "Somebody");
    let monitor = north.device("bed-4-mon");
    let mut old = Reading::pulse("bed-4-mon", "p-1", 0, "84").of("59408-5", "%");
    old.time = from_now(-3 * 3_600);
    monitor.deliver(north.http(), &body("b-1", &[old]));
    let status = north.home.status();
    assert_eq!(number(&status, &["readings", "open"]), 1, "nobody waits for it: {status}");
    network.settle();
    assert_eq!(number(&north.home.status(), &["alerts"]), 1);
    assert_eq!(number(&north.home.status(), &["alerts_critical_open"]), 0);
    assert_eq!(number(&network.hub_home.status(), &["alerts"]), 1);
}

#[test]
fn a_site_that_is_shut_out_is_cut_at_once_and_says_so() {
    let network = Network::start();
    let Network { north, south, hub_home, .. } = &network;
    north.patient("p-1", "Somebody");
    north.allow("p-1", "south");
    network.settle();
    hub_home.tell(&["shut-out", "--site", "south"]);
    until("the clinic knows", || south.home.status()["state"] == "shut_out");
    assert!(hub_home.tell(&["copies"]).contains("shut out"), "what it holds is listed");
    assert!(hub_home.refused(&["shut-out", "--site", "south"]).contains("no node of south"));
    assert!(hub_home.refused(&["shut-out", "--site", "west"]).contains("no site is called west"));
    // What it writes stays there, what others write does not reach it, and nobody else is touched.
    south.patient("p-2", "Somebody Else");
    let name = |home: &Home| home.tell(&["patient", "list"]);
    north.home.tell(&["patient", "edit", "p-1", "--name", "Another Name"]);
    until("the other clinic is in step", || north.is_in_step());
    assert!(!name(&south.home).contains("Another Name"));
    assert_eq!(south.home.status()["state"], "shut_out");
}

#[test]
fn after_a_restart_the_pages_show_what_was_stored_last() {
    let mut network = Network::start();
    network.north.patient("p-1", "Somebody");
    let monitor = network.north.device("bed-4-mon");
    let post = |network: &Network, name: &str, minute: i64, value: &str| {
        let reading = Reading::pulse("bed-4-mon", "p-1", minute, value);
        monitor.deliver(network.north.http(), &body(name, &[reading]));
    };
    post(&network, "b-1", -2, "61");
    network.north.home.tell(&["flush"]);
    network.settle();
    network.north.restart();
    network.restart_hub();
    let pages = |network: &Network| {
        [network.north.http(), network.hub.http].map(|address| get(address, "/").text())
    };
    assert!(pages(&network).iter().all(|page| page.contains("61 /min")), "from a sealed segment");
    post(&network, "b-2", -1, "62");
    network.north.restart();
    assert!(pages(&network)[0].contains("62 /min"), "and from an open one");
}
