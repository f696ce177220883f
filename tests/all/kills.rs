//! Power cuts, again and again, while devices send: what has a receipt is there, once.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tests::network::Dice;
use tests::programs::http::{Connection, Device};
use tests::programs::readings::sorted;
use tests::programs::{Network, Reading, body, until, until_some};

/// Kills of each of the two programs, unless `CAIRN_KILLS` says otherwise: 25 in every run, 200 and
/// more by hand.
const KILLS_EACH: usize = 25;

/// How long a program may take to serve again. Source: acceptance criteria, Ack = durable.
const START_MAX: Duration = Duration::from_secs(5);

const DEVICES: usize = 4;
const BATCH_READINGS: usize = 20;

/// Devices that send until they are told to stop.
struct Load {
    clinic: Mutex<SocketAddr>,
    receipts: AtomicUsize,
    is_over: AtomicBool,
}

impl Load {
    fn clinic(&self) -> SocketAddr {
        *self.clinic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_moved(&self, to: SocketAddr) {
        *self.clinic.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    /// Sends batch after batch, each until it has its receipt; answers what was accepted.
    fn send(&self, device: &Device, number: usize) -> Vec<Reading> {
        let mut accepted = Vec::new();
        let mut connection: Option<Connection> = None;
        for batch in 0.. {
            if self.is_over.load(Ordering::SeqCst) {
                break;
            }
            let readings = readings(device, number, batch);
            let request = device.upload(&body(&format!("b-{batch}"), &readings));
            let receipt = until_some("a batch has its receipt", || {
                let open = match connection.take() {
                    Some(open) => Some(open),
                    None => Connection::open(self.clinic()).ok(),
                };
                let mut open = open?;
                let answer = open.ask(&request).ok()?;
                connection = Some(open);
                (answer.status == 200).then(|| answer.json())
            });
            assert_eq!(receipt["accepted"], BATCH_READINGS, "{receipt}");
            self.receipts.fetch_add(1, Ordering::SeqCst);
            accepted.extend(readings);
        }
        accepted
    }
}

/// A batch of one device about all patients, now and then with a value that calls somebody.
fn readings(device: &Device, number: usize, batch: usize) -> Vec<Reading> {
    let reading = |at: usize| {
        let patient = format!("p-{}", at % 3);
        let unique = (number * 1_000_000 + batch * BATCH_READINGS + at) % 10_000_000;
        if at == 7 && batch.is_multiple_of(10) {
            let value = format!("84.{unique:07}");
            return Reading::pulse(&device.name, &patient, -1, &value).of("59408-5", "%");
        }
        Reading::pulse(&device.name, &patient, -1, &format!("72.{unique:07}"))
    };
    (0..BATCH_READINGS).map(reading).collect()
}

#[test]
fn what_has_a_receipt_is_there_exactly_once_after_any_number_of_kills() {
    let kills_each =
        std::env::var("CAIRN_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS_EACH);
    let mut network = Network::start();
    (0..3).for_each(|at| network.north.patient(&format!("p-{at}"), "Somebody"));
    ["p-0", "p-2"].iter().for_each(|number| network.north.allow(number, "south"));
    let devices: Vec<Device> =
        (0..DEVICES).map(|at| network.north.device(&format!("mon-{at}"))).collect();
    let load = Load {
        clinic: Mutex::new(network.north.http()),
        receipts: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
    };
    let (mut clinic_starts, mut hub_starts) = (Vec::new(), Vec::new());
    let accepted: Vec<Reading> = thread::scope(|scope| {
        let sending: Vec<_> = devices
            .iter()
            .enumerate()
            .map(|(number, device)| {
                scope.spawn({
                    let load = &load;
                    move || load.send(device, number)
                })
            })
            .collect();
        let mut dice = Dice::new(1);
        for kill in 0..2 * kills_each {
            let wanted =
                load.receipts.load(Ordering::SeqCst) + 1 + usize::try_from(dice.below(20)).unwrap();
            until("there are more receipts", || load.receipts.load(Ordering::SeqCst) >= wanted);
            if kill.is_multiple_of(2) {
                network.north.restart();
                load.has_moved(network.north.http());
                clinic_starts.push(network.north.serving.started_in);
            } else {
                network.restart_hub();
                hub_starts.push(network.hub.started_in);
            }
        }
        load.is_over.store(true, Ordering::SeqCst);
        sending.into_iter().flat_map(|one| one.join().unwrap()).collect()
    });
    network.north.home.tell(&["flush"]);
    network.settle();
    println!("{} readings with a receipt", accepted.len());
    for (program, starts) in [("clinic", clinic_starts), ("hub", hub_starts)] {
        let slowest = starts.iter().max().unwrap();
        println!("{} kills of the {program}, slowest start {slowest:?}", starts.len());
        assert!(*slowest <= START_MAX, "{program}: {slowest:?}");
    }
    let accepted = sorted(accepted);
    check("the clinic", network.north.vitals(), &accepted);
    check("the hub", network.at_hub(), &accepted);
    let allowed: Vec<Reading> =
        accepted.into_iter().filter(|reading| reading.patient != "p-1").collect();
    check("the other clinic", network.south.vitals(), &allowed);
    check_alerts(&network);
    for home in [&network.hub_home, &network.north.home, &network.south.home] {
        let said = home.tell(&["verify"]);
        assert!(said.contains("everything holds"), "{said}");
    }
}

/// Compared as a whole, told as numbers: a difference has thousands of lines.
#[track_caller]
fn check(place: &str, held: Vec<Reading>, expected: &[Reading]) {
    let mut distinct = held.clone();
    distinct.dedup();
    assert_eq!(distinct.len(), held.len(), "{place} holds readings twice");
    assert!(held == expected, "{place} holds {} of {} readings", held.len(), expected.len());
}

/// Every alert once: as many as there were readings that call somebody.
fn check_alerts(network: &Network) {
    let calls = |reading: &&Reading| reading.value.starts_with("84.");
    let expected = network.north.vitals().iter().filter(calls).count();
    for home in [&network.north.home, &network.hub_home] {
        let alerts = home.tell(&["export", "alerts"]);
        let critical = alerts.lines().filter(|line| line.ends_with(",CRITICAL")).count();
        assert_eq!(critical, expected, "{}", home.path().display());
    }
}
