//! What a clinic set aside gets out again, with the real programs: readings of its devices, and entries
//! of others.

use std::net::SocketAddr;

use serde_json::Value;
use tests::programs::http::get;
use tests::programs::network::number;
use tests::programs::readings::sorted;
use tests::programs::{Home, Network, Reading, body, until};

/// Where a clinic's readings are, in the order of [`SUMS`].
const SUMS: [&str; 5] = ["accepted", "duplicate", "quarantined", "discarded", "rejected"];

/// Checks where the readings are, by every door that says so, and that the sums add up.
#[track_caller]
fn check_sums(home: &Home, http: SocketAddr, expected: [u64; 5]) {
    let status = home.status();
    assert_eq!(SUMS.map(|name| number(&status, &["readings", name])), expected);
    let sent: u64 = expected.iter().sum();
    let [accepted, duplicate, open, discarded, rejected] = expected;
    let line = format!(
        "{sent} sent = {accepted} accepted + {duplicate} duplicate + {open} quarantined + {discarded} \
         discarded + {rejected} rejected"
    );
    let text = home.tell(&["status"]);
    assert!(text.contains(&line), "{text}");
    let health = get(http, "/health").json();
    let aside = |name: &str| health["set_aside"][name].as_u64().unwrap();
    assert_eq!((aside("open"), aside("discarded")), (open, discarded), "{health}");
    let metrics = get(http, "/metrics").text();
    for (name, value) in SUMS.iter().zip(expected) {
        let figure = format!("edge_readings{{of=\"{name}\"}} {value}\n");
        assert!(metrics.contains(&figure), "{figure}: {metrics}");
    }
    let listed = home.tell(&["quarantine"]).lines().count() as u64;
    let all = home.tell(&["quarantine", "list", "--all"]).lines().count() as u64;
    assert_eq!(listed, 1 + open, "the list holds what is open");
    let taken = number(&status, &["readings", "taken_again"]);
    assert!(all > open + discarded + taken, "and, when asked, what is settled");
}

#[test]
fn a_reading_that_was_set_aside_is_looked_at_judged_again_or_given_up() {
    let mut network = Network::start();
    let (home, http) = (&network.north.home, network.north.http());
    network.north.patient("p-1", "Somebody");
    let monitor = network.north.device("bed-4-mon");
    let pulse = |patient: &str, value: &str| Reading::pulse("bed-4-mon", patient, -20, value);
    let known = pulse("p-1", "70");
    let early = pulse("p-2", "71");
    let grave = pulse("p-2", "320").of("2345-7", "mg/dL");
    let sent = [
        known.clone(),
        early.clone(),
        early.clone(),
        grave.clone(),
        pulse("p-1", "72").of("8867-4", "bpm"),
        pulse("p-9", "73"),
        pulse("p-1", "\"high\""),
    ];
    let receipt = monitor.deliver(http, &body("b-1", &sent));
    check_sums(home, http, [1, 0, 5, 0, 1]);
    check_shown(home);
    check_broken(home);
    check_sums(home, http, [1, 0, 5, 0, 1]);

    let still = home.refused(&["quarantine", "retry", "r1"]);
    assert!(still.contains("r1 stays set aside: unknown-patient"), "{still}");
    let still = home.tell(&["quarantine", "retry", "--all"]);
    assert!(still.starts_with("0 taken in, 0 held already, 5 stay set aside\n"), "{still}");
    check_sums(home, http, [1, 0, 5, 0, 1]);

    network.north.patient("p-2", "Somebody Else");
    assert_eq!(home.tell(&["quarantine", "retry", "r1"]), "r1 was taken in\n");
    check_sums(home, http, [2, 0, 4, 0, 1]);
    for settled in [&["retry", "r1"][..], &["discard", "r1", "--reason", "a test"]] {
        let said = home.refused(&[&["quarantine"], settled].concat());
        assert!(said.contains("reading 1 is taken-again already"), "{said}");
    }
    let tried = home.tell(&["quarantine", "retry", "--all"]);
    assert!(tried.starts_with("1 taken in, 1 held already, 2 stay set aside\n"), "{tried}");
    assert!(tried.contains("r4 stays set aside: unknown-unit\n"), "{tried}");
    check_sums(home, http, [3, 1, 2, 0, 1]);
    let held = sorted([known, early, grave]);
    assert_eq!(network.north.vitals(), held);
    home.tell(&["flush"]);
    until("the hub has what was taken again", || network.at_hub() == held);
    let alerts = network.hub_home.tell(&["export", "alerts"]);
    assert!(alerts.contains("p-2,2345-7,") && alerts.contains("CRITICAL"), "{alerts}");

    home.tell(&["quarantine", "discard", "r4", "--reason", "a sensor on the table", "--by", "ana"]);
    check_sums(home, http, [3, 1, 1, 1, 1]);
    assert_eq!(monitor.deliver(http, &body("b-1", &sent)), receipt, "the receipt is what it was");
    check_sums(home, http, [3, 1, 1, 1, 1]);
    let page = get(http, "/").text();
    assert!(page.contains("set aside, given up"), "{page}");

    // The same without the program.
    network.north.serving.stop();
    home.tell(&["quarantine", "discard", "r5", "--reason", "nobody of this number was here"]);
    let all = home.tell(&["quarantine", "list", "--all"]);
    assert!(all.contains(",ana,a sensor on the table"), "{all}");
    assert!(!all.contains("p-9") && !all.contains(",73,"), "what is given up names nobody: {all}");
    let status = home.status();
    assert_eq!(SUMS.map(|name| number(&status, &["readings", name])), [3, 1, 0, 2, 1]);
    assert!(home.tell(&["verify"]).contains("everything holds"));
    let lost = "UPDATE vitals_total SET discarded = discarded - 1, accepted = accepted + 1";
    home.database().execute_batch(lost).unwrap();
    assert!(home.refused(&["verify"]).contains("readings: the sums of what was set aside"));
}

fn check_shown(home: &Home) {
    let listed = home.tell(&["quarantine", "list"]);
    assert_eq!(listed, home.tell(&["quarantine"]));
    assert!(listed.contains(",unknown-patient,") && listed.contains(",r5,open,"), "{listed}");
    let shown = home.tell(&["quarantine", "show", "r5"]);
    for part in ["(open)", "bed-4-mon", "b-1, place 5", "unknown-patient", "p-9", "73"] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

fn check_broken(home: &Home) {
    let unknown: [&[&str]; 3] =
        [&["show", "r99"], &["retry", "r99"], &["discard", "r99", "--reason", "none"]];
    for command in unknown {
        let said = home.refused(&[&["quarantine"], command].concat());
        assert!(said.contains("no reading that was set aside has the number 99"), "{said}");
        let entry: Vec<&str> =
            command.iter().map(|word| if *word == "r99" { "e99" } else { *word }).collect();
        let said = home.refused(&[&["quarantine"], &entry[..]].concat());
        assert!(said.contains("nothing that was set aside has the number 99"), "{said}");
    }
    let long = "x".repeat(501);
    for reason in ["", " ", "two\nlines", &long] {
        let said = home.refused(&["quarantine", "discard", "r1", "--reason", reason]);
        assert!(said.contains("a reason is needed"), "{said}");
    }
    let nobody = ["quarantine", "discard", "r1", "--reason", "a test", "--by", " "];
    assert!(home.refused(&nobody).contains("whose decision it is"));
    let usage: [&[&str]; 6] = [
        &["discard", "r1"],
        &["retry"],
        &["retry", "r1", "--all"],
        &["show", "1"],
        &["show", "r-1"],
        &["show"],
    ];
    for command in usage {
        let said = home.refused(&[&["quarantine"], command].concat());
        assert!(said.contains("Usage") || said.contains("--help"), "{command:?}: {said}");
    }
}

/// Open, taken again and discarded, of the entries of others.
fn entries(home: &Home) -> [u64; 3] {
    let status: Value = home.status();
    ["open", "taken_again", "discarded"].map(|name| number(&status, &["set_aside", name]))
}

/// As a clinic whose program was too old for two segments left its database.
const TOO_OLD: &str = "
    INSERT INTO quarantine (at, origin, epoch, oseq, entry_id, reason, raw)
    SELECT 1781285520000, chain.origin, entry.epoch, 0, entry.id, 'unreadable', entry.payload
    FROM entry JOIN chain ON chain.no = entry.chain WHERE entry.kind = 1 ORDER BY entry.no;
    UPDATE entry SET payload_state = 1, payload = NULL WHERE kind = 1;
    UPDATE quarantine SET raw = randomblob(length(raw)) WHERE no = 2;";

#[test]
fn an_entry_that_a_clinic_could_not_take_is_taken_after_an_upgrade_or_given_up() {
    let mut network = Network::start();
    network.north.patient("p-1", "Somebody");
    network.north.allow("p-1", "south");
    let monitor = network.north.device("bed-4-mon");
    let readings = ["70", "71"].map(|value| Reading::pulse("bed-4-mon", "p-1", -20, value));
    for (at, reading) in readings.iter().enumerate() {
        let batch = body(&format!("b-{at}"), std::slice::from_ref(reading));
        monitor.deliver(network.north.http(), &batch);
        network.north.home.tell(&["flush"]);
    }
    network.settle();
    assert_eq!(network.south.vitals(), sorted(readings.clone()));
    network.south.serving.stop();
    network.south.home.database().execute_batch(TOO_OLD).unwrap();
    network.south.serving = network.south.home.serve();
    let home = &network.south.home;
    assert_eq!(entries(home), [2, 0, 0]);
    assert_eq!(network.south.vitals(), []);
    assert_eq!(home.status()["state"], "attention");
    let listed = home.tell(&["quarantine", "list", "--entries"]);
    assert!(listed.contains(",north,") && listed.contains(",e2,open,"), "{listed}");
    let shown = home.tell(&["quarantine", "show", "e1"]);
    assert!(shown.contains("cannot be read") && shown.contains("readings (1)"), "{shown}");

    assert_eq!(home.tell(&["quarantine", "retry", "e1"]), "e1 was taken in\n");
    assert_eq!(entries(home), [1, 1, 0]);
    assert_eq!(network.south.vitals(), [readings[0].clone()]);
    let said = home.refused(&["quarantine", "retry", "e1"]);
    assert!(said.contains("number 1 is taken-again already"), "{said}");
    let said = home.tell(&["quarantine", "retry", "--all"]);
    assert!(said.starts_with("0 taken in, 0 held already, 1 stay set aside\n"), "{said}");
    assert!(said.contains("e2: number 2 was changed on this disk"), "{said}");
    assert_eq!(entries(home), [1, 1, 0]);
    home.tell(&["quarantine", "discard", "e2", "--reason", "damaged here", "--by", "ana"]);
    assert_eq!(entries(home), [0, 1, 1]);
    let all = home.tell(&["quarantine", "list", "--entries", "--all"]);
    assert!(all.contains(",discarded,") && all.contains(",ana,damaged here"), "{all}");
    let health = get(network.south.http(), "/health").text();
    assert!(health.contains("\"set_aside\":{\"open\":0,\"discarded\":1}"), "{health}");
    let metrics = get(network.south.http(), "/metrics").text();
    assert!(metrics.contains("edge_entries_set_aside{of=\"discarded\"} 1"), "{metrics}");
    assert!(home.tell(&["verify"]).contains("everything holds"));
}
