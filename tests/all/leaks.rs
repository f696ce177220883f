//! A whole scenario with known names and values, every program at the level of finest detail: not
//! one of them is in a log, a metric, or an answer that refuses something.

use std::cell::RefCell;

use tests::programs::http::{Answer, ask, digest, get, post};
use tests::programs::network::{Clinic, door, invitation};
use tests::programs::{Network, Reading, body, until};

const NAME: &str = "Philippa Thistlewood";
const OTHER_NAME: &str = "Philippa Brackenbury";
const PHONE: &str = "+4915198765432";
const BORN: &str = "1931-07-29";
const PATIENT: &str = "MRN-4711-PHILIPPA";
const STRANGER: &str = "MRN-4712-STRANGER";
const PULSE: &str = "163.70921";
const ODD: &str = "9.87654e99";

const CANARIES: [&str; 12] = [
    NAME,
    OTHER_NAME,
    "Philippa",
    "Thistlewood",
    "Brackenbury",
    PHONE,
    "15198765432",
    BORN,
    PATIENT,
    STRANGER,
    PULSE,
    "9.87654",
];

/// What somebody other than the clinic's staff may come to read.
#[derive(Default)]
struct Gathered(RefCell<Vec<(String, String)>>);

impl Gathered {
    fn add(&self, place: &str, text: impl Into<String>) {
        self.0.borrow_mut().push((place.to_owned(), text.into()));
    }

    fn answer(&self, place: &str, answer: &Answer) {
        assert_ne!(answer.status, 200, "{place} is not refused");
        self.add(place, format!("{}\n{}", answer.head, answer.text()));
    }

    fn check(&self) {
        let all = self.0.borrow();
        for (place, text) in all.iter() {
            for canary in CANARIES {
                assert!(!text.contains(canary), "{canary} is in {place}:\n{text}");
            }
        }
        let bytes: usize = all.iter().map(|(_, text)| text.len()).sum();
        println!("{bytes} bytes of {} texts", all.len());
    }
}

fn refused_uploads(north: &Clinic, gathered: &Gathered) {
    let to = north.http();
    let monitor = north.device("bed-4-mon");
    let good = body("b-9", &[Reading::pulse("bed-4-mon", PATIENT, -1, PULSE)]);
    let cut = good.get(..good.len() - 2).unwrap();
    gathered.answer("a body that is cut off", &monitor.send(to, cut));
    gathered.answer("a body in words", &monitor.send(to, &format!("{{\"{NAME}\": {PULSE}}}")));
    gathered.answer("a key twice", &monitor.send(to, &good.replace("\"code\"", "\"patient\"")));
    gathered.answer("a bad batch id", &monitor.send(to, &body(NAME, &[])));
    let sum = digest(good.as_bytes());
    let wrong = format!("{good} ");
    let answer = ask(to, &monitor.request(wrong.as_bytes(), &[("content-digest", &sum)]));
    gathered.answer("a wrong checksum", &answer);
    let answer = ask(to, &post("bed-9-mon", good.as_bytes(), &[("content-digest", &sum)]));
    gathered.answer("an unknown device", &answer);
    let answer = ask(to, &post(PATIENT, good.as_bytes(), &[("authorization", NAME)]));
    gathered.answer("a name for a device", &answer);
    gathered.answer("a name for a page", &get(to, &format!("/patients/{PATIENT}")));
    let long = format!("{good}{}", " ".repeat(1024 * 1024));
    gathered.answer("a long body", &monitor.send(to, &long));

    let readings = [
        Reading::pulse("bed-4-mon", PATIENT, -1, PULSE),
        Reading::pulse("bed-4-mon", PATIENT, -1, ODD),
        Reading::pulse("bed-4-mon", STRANGER, -1, PULSE),
        Reading::pulse("bed-4-mon", NAME, -1, PULSE),
        Reading::pulse("bed-4-mon", PATIENT, -1, &format!("\"{NAME}\"")),
        Reading::pulse("bed-4-mon", PATIENT, -1, PULSE).of("8867-4", "Philippas"),
        Reading::pulse("bed-4-mon", PATIENT, -1, "84").of("59408-5", "%"),
    ];
    let text = body("b-1", &readings);
    let receipt = monitor.deliver(to, &text);
    assert_eq!(
        (&receipt["quarantined"], &receipt["rejected"]),
        (&3.into(), &2.into()),
        "{receipt}"
    );
    gathered.add("a receipt", receipt.to_string());
    gathered.answer("a conflict", &monitor.send(to, &body("b-1", &readings[..1])));
}

fn refused_commands(network: &Network, gathered: &Gathered) {
    let north = &network.north.home;
    for command in [
        ["patient", "add", PATIENT, "--name", NAME].as_slice(),
        &["patient", "add", "p-2", "--name", "Philippa\u{7}"],
        &["patient", "add", "p-2", "--name", "X", "--birth-date", "1931-07-29x"],
        &["patient", "edit", STRANGER, "--name", NAME],
        &["patient", "edit", PATIENT, "--phone", "+4915198765432999999999"],
        &["consent", "grant", STRANGER, "--site", "south"],
        &["consent", "revoke", STRANGER],
        &["consent", "list", STRANGER],
    ] {
        gathered.add(&command.join(" "), north.refused(command));
    }
}

#[test]
fn no_log_metric_or_refusal_holds_a_persons_data() {
    let mut network = Network::start_with(|home| home.with_variable("CAIRN_LOG", "trace"));
    let gathered = Gathered::default();
    let north = &network.north;
    let added = ["patient", "add", PATIENT, "--name", NAME, "--phone", PHONE, "--birth-date", BORN];
    for command in [added.as_slice(), &["patient", "edit", PATIENT, "--name", OTHER_NAME]] {
        let asked = north.home.ask(command);
        assert!(asked.status.success(), "{}", asked.said);
        gathered.add("a command's log", asked.said);
    }
    north.allow(PATIENT, "south");
    refused_uploads(north, &gathered);
    refused_commands(&network, &gathered);
    north.home.tell(&["flush"]);
    network.settle();
    until("the other clinic has the reading", || {
        network.south.home.tell(&["export", "vitals"]).contains(PULSE)
    });
    north.wire.cut();
    north.home.tell(&["consent", "revoke", PATIENT, "--site", "south"]);
    north.wire.restore();
    network.settle();
    for (name, http) in
        [("north", north.http()), ("south", network.south.http()), ("hub", network.hub.http)]
    {
        gathered.add(&format!("metrics of {name}"), get(http, "/metrics").text());
        gathered.add(&format!("health of {name}"), get(http, "/health").text());
    }
    for home in [&network.north.home, &network.south.home, &network.hub_home] {
        gathered.add("a status", home.tell(&["status"]));
        gathered.add("a status", home.tell(&["status", "--json"]));
    }
    gathered.add("the hub's list of what it set aside", network.hub_home.tell(&["quarantine"]));
    let line = invitation(&network.hub_home, "east", door(&network.hub));
    gathered.add("an invitation", line);
    network.restart_hub();
    network.north.restart();
    network.settle();
    gathered.add("log of north", network.north.serving.stop());
    gathered.add("log of south", network.south.serving.stop());
    gathered.add("log of the hub", network.hub.stop());
    assert!(gathered.0.borrow().iter().any(|(_, text)| text.contains(" DEBUG ")), "in fine detail");
    gathered.check();
}
