//! Copies that lock by themselves, access that ends by a date, and opening a record in an emergency.

use std::path::Path;

use host::Clock;
use replication::edge::lease::{keep_time, kept_time};
use replication::edge::trusted_time::Heard;
use store::{Access, DatabaseKey};
use tests::programs::http::get;
use tests::programs::network::{Clinic, number};
use tests::programs::readings::sorted;
use tests::programs::{Home, Network, Reading, body, until};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// Rows below the heading.
fn rows(csv: &str) -> Vec<&str> {
    csv.lines().skip(1).collect()
}

fn locked(clinic: &Clinic) -> Vec<(String, String)> {
    let listed = clinic.home.tell(&["locked"]);
    let row = |line: &str| {
        let mut cells = line.split(',');
        let cell = |cell: Option<&str>| cell.unwrap().to_owned();
        (cell(cells.next()), cell(cells.next()))
    };
    rows(&listed).into_iter().map(row).collect()
}

/// A child's readings at the north, shared with the south under these words of `consent grant`.
fn shared(network: &Network, words: &[&str]) -> Vec<Reading> {
    let north = &network.north;
    let born = ["patient", "add", "p-1", "--name", "Somebody", "--birth-date", "2015-05"];
    north.home.tell(&born);
    until("the clinic knows the other one", || north.home.tell(&["sites"]).contains("south"));
    let grant = ["consent", "grant", "p-1", "--site", "south"];
    north.home.tell(&[&grant, words].concat());
    let readings = [("70", -3), ("180", -2)]
        .map(|(value, minute)| Reading::pulse("bed-4-mon", "p-1", minute, value));
    north.device("bed-4-mon").deliver(north.http(), &body("b-1", &readings));
    north.home.tell(&["flush"]);
    network.settle();
    sorted(readings)
}

/// While the program was off, what it knows of the time changed as if more of it had passed.
fn change_time(home: &Home, change: impl Fn(Heard) -> Heard) {
    let path = home.path().join("data.db");
    let key = DatabaseKey::new(home.database_key());
    let conn = store::open(Path::new(&path), &key, Access::Write).unwrap();
    let heard = kept_time(&conn).unwrap().expect("the hub was heard");
    keep_time(&conn, &change(heard)).unwrap();
}

/// As a clinic that was off for so long.
fn off_for(ms: i64) -> impl Fn(Heard) -> Heard {
    move |heard| Heard {
        hub_ms: heard.hub_ms - ms,
        wall_ms: heard.wall_ms - ms,
        latest_ms: heard.latest_ms - ms,
        ..heard
    }
}

#[test]
fn access_that_ends_by_its_date_is_called_back_with_a_receipt() {
    let network = Network::start();
    let end = Clock::system().now().plus_seconds(20);
    let readings = shared(&network, &["--until", &end.to_string()]);
    let south = &network.south;
    assert_eq!(south.vitals(), readings, "it arrived before its end");
    until("the copy is gone", || south.vitals().is_empty());
    assert_eq!(rows(&south.home.tell(&["patient", "list"])), Vec::<&str>::new());
    let copies = || network.hub_home.tell(&["copies"]);
    until("the receipts are here", || rows(&copies()).is_empty());
    assert_eq!(network.at_hub(), readings);
    assert_eq!(network.north.vitals(), readings);
    let asked = ["consent", "check", "p-1", "--site", "south", "--purpose", "treatment"];
    assert_eq!(network.north.home.tell(&asked), "no: not at this time\n");
}

#[test]
fn a_copy_locks_when_the_hub_is_not_heard_and_opens_when_it_is() {
    let mut network = Network::start();
    let readings = shared(&network, &[]);
    let hers = network.south.device("ward-2");
    network.south.patient("s-1", "Somebody Else");
    network.hub.stop();
    network.south.serving.stop();
    // A week less an hour: still open. An hour more: locked.
    change_time(&network.south.home, off_for(7 * DAY_MS - HOUR_MS));
    network.south.serving = network.south.home.serve();
    assert_eq!(network.south.vitals(), readings);
    network.south.serving.stop();
    change_time(&network.south.home, off_for(HOUR_MS));
    network.south.serving = network.south.home.serve();
    let south = &network.south;
    assert_eq!(south.vitals(), []);
    assert_eq!(rows(&south.home.tell(&["export", "alerts"])), Vec::<&str>::new());
    let listed = south.home.tell(&["patient", "list"]);
    assert!(listed.contains("Somebody Else") && !listed.contains("2015-05"), "{listed}");
    let status = south.home.status();
    assert_eq!(number(&status, &["locked", "not_heard"]), 3, "{status}");
    let page = get(south.http(), "/");
    let shown = String::from_utf8_lossy(&page.body);
    assert!(page.status == 200 && !shown.contains(">180 "), "the page shows what is locked");
    let parts: Vec<String> = locked(south).into_iter().map(|(_, part)| part).collect();
    assert_eq!(parts, ["identity", "vitals", "alerts"]);

    // Care goes on: what devices send is taken, of everybody.
    let own = [
        Reading::pulse("ward-2", "s-1", -1, "80"),
        Reading::pulse("ward-2", &locked(south)[0].0, -1, "81"),
    ];
    let receipt = hers.deliver(south.http(), &body("b-2", &own));
    assert_eq!(number(&receipt, &["accepted"]), 2, "{receipt}");
    assert_eq!(south.vitals().len(), 2, "what it wrote itself it sees");

    network.start_hub();
    network.settle();
    assert_eq!(network.south.vitals().len(), 4);
    assert_eq!(locked(&network.south), []);
}

#[test]
fn a_clock_that_was_put_back_locks_a_visitors_copy_and_no_other() {
    let mut network = Network::start();
    let readings = shared(&network, &["--offline-hours", "72"]);
    network.hub.stop();
    network.south.serving.stop();
    // As if the clock had shown a later time before.
    let ahead = |heard: Heard| Heard { latest_ms: heard.latest_ms + 30 * DAY_MS, ..heard };
    change_time(&network.south.home, ahead);
    network.south.serving = network.south.home.serve();
    assert_eq!(network.south.vitals(), []);
    let status = network.south.home.status();
    assert_eq!(number(&status, &["locked", "time_unknown"]), 3, "{status}");
    network.start_hub();
    network.settle();
    assert_eq!(network.south.vitals(), readings);
}

#[test]
fn a_locked_record_is_opened_in_an_emergency_and_the_hub_hears_of_it() {
    let mut network = Network::start();
    let readings = shared(&network, &[]);
    network.hub.stop();
    network.south.serving.stop();
    change_time(&network.south.home, off_for(8 * DAY_MS));
    network.south.serving = network.south.home.serve();
    let south = &network.south.home;
    let patient = locked(&network.south)[0].0.clone();
    let open = |words: &[&str]| [&["emergency", &patient], words].concat().join("\u{1}");
    let tell = |line: String| south.ask(&line.split('\u{1}').collect::<Vec<_>>());
    for (words, said) in [
        (&["--reason", "curious", "--because", "found unconscious"][..], "there are life-at-risk"),
        (&["--reason", "cannot-ask", "--because", "x"][..], "say why"),
        (
            &["--reason", "cannot-ask", "--because", "found unconscious", "--parts", "vitals"][..],
            "second reason",
        ),
        (
            &["--reason", "cannot-ask", "--because", "found unconscious", "--parts", "consent"][..],
            "at least one part",
        ),
    ] {
        let asked = tell(open(words));
        assert!(!asked.status.success() && asked.said.contains(said), "{words:?}: {}", asked.said);
    }
    let nobody = south.refused(&[
        "emergency",
        "p-99",
        "--reason",
        "cannot-ask",
        "--because",
        "found unconscious",
    ]);
    assert!(nobody.contains("no patient with this number"), "{nobody}");
    assert_eq!(locked(&network.south).len(), 3, "nothing was opened");

    let told = tell(open(&["--reason", "cannot-ask", "--because", "found unconscious"]));
    assert!(told.status.success(), "{}", told.said);
    assert!(south.tell(&["patient", "list"]).contains("2015-05"));
    assert_eq!(network.south.vitals(), [], "identity and lifesaver only");
    let further = ["--parts", "vitals", "--further", "pulse is falling"];
    let words = ["--reason", "life-at-risk", "--because", "does not breathe well"];
    assert!(tell(open(&[&words[..], &further].concat())).status.success());
    assert_eq!(network.south.vitals(), readings);

    // Two hours later it is closed; the clock of the machine does not matter.
    network.south.serving.stop();
    let later = |heard: Heard| Heard { passed_ms: heard.passed_ms + 2 * HOUR_MS, ..heard };
    change_time(&network.south.home, later);
    network.south.serving = network.south.home.serve();
    assert_eq!(network.south.vitals(), []);

    network.start_hub();
    network.settle();
    let heard = network.hub_home.tell(&["emergencies"]);
    let heard = rows(&heard);
    assert_eq!(heard.len(), 2, "{heard:?}");
    for said in ["cannot-ask,found unconscious", "life-at-risk,does not breathe well,pulse is"] {
        let is_said = |row: &&str| row.starts_with("south,") && row.contains(said);
        assert!(heard.iter().any(is_said), "{heard:?}");
    }
    let elsewhere = network.north.home.tell(&["locked"]);
    assert_eq!(rows(&elsewhere), Vec::<&str>::new(), "nobody else is told");
}

#[test]
fn what_a_guardian_allows_ends_with_childhood() {
    let network = Network::start();
    let north = &network.north.home;
    let grant = ["consent", "grant", "p-1", "--site", "south", "--guardian"];
    let refused = |words: &[&str]| north.refused(&[&grant, words].concat());
    network.north.patient("p-1", "Somebody");
    until("the clinic knows the other one", || north.tell(&["sites"]).contains("south"));
    assert!(refused(&["parent", "--until", "2030-01-01"]).contains("birth date is not known"));
    assert!(refused(&["parent"]).contains("has an end"));
    assert!(refused(&["aunt", "--until", "2030-01-01"]).contains("there are parent"));
    assert!(refused(&["parent", "--until", "soon"]).contains("2027-03-01"));
    north.tell(&["patient", "edit", "p-1", "--birth-date", "1990-05-17"]);
    assert!(refused(&["parent", "--until", "2030-01-01"]).contains("is of age"));
    let born = Clock::system().now().to_string();
    let year: i32 = born[..4].parse().unwrap();
    let birth = format!("{}-01-01", year - 16);
    north.tell(&["patient", "edit", "p-1", "--birth-date", &birth]);
    let beyond = format!("{}-01-02", year + 2);
    assert!(refused(&["parent", "--until", &beyond]).contains("at the latest"));
    let of_age = format!("{}-01-01", year + 2);
    north.tell(&[&grant[..], &["parent", "--until", &of_age]].concat());
    let readings = [Reading::pulse("bed-4-mon", "p-1", -3, "70")];
    network.north.device("bed-4-mon").deliver(network.north.http(), &body("b-1", &readings));
    north.tell(&["flush"]);
    network.settle();
    assert_eq!(network.south.vitals(), readings);
    // It turns out that the patient is older, and of age for longer than a treatment goes on.
    north.tell(&["patient", "edit", "p-1", "--birth-date", "1990-05-17"]);
    until("the copy is gone", || network.south.vitals().is_empty());
}
