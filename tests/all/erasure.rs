//! Erasure in the box: what is left in files, and what must hold in any storm.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use replication::ledger::payloads_in;
use replication::streams::{Topic, patient_stream, topic};
use store::Connection;
use tests::faults::Fault;
use tests::invariants;
use tests::world::World;
use vocab::{Compartment, PatientId};

/// Storms in which things are erased, in every run.
const STORMS: usize = 20;

/// And those in which an order met disks that were put back, and something got lost by it once.
const LESSONS: [u64; 2] = [35, 51];

/// Entries held without their payload.
fn bare(conn: &Connection) -> u64 {
    let walks = replication::ledger::inspect::walk(conn).unwrap();
    walks.iter().map(|walk| walk.bare).sum()
}

#[test]
fn invariant_15_chains_and_sums_hold_with_payloads_erased_in_any_storm() {
    let (mut erased, mut gone) = (0, 0);
    for seed in (0..STORMS as u64).chain(LESSONS) {
        let mut world = World::new(seed);
        world.plan.erases = true;
        world.run();
        let broken = invariants::check(&world);
        assert!(broken.is_empty(), "seed {seed}: {broken:?}");
        replication::hub::verify(&world.hub.conn, &mut |_| {}).unwrap();
        for (_, clinic) in world.there() {
            replication::edge::verify(&clinic.conn, &clinic.key, &mut |_| {}).unwrap();
        }
        check_erased_everywhere(seed, &world);
        erased += world.erased.len();
        gone += bare(&world.hub.conn);
    }
    println!("{erased} patients, {gone} entries without payload at hubs");
    assert!(erased > STORMS && gone > 10 * STORMS as u64);
}

/// No stream that an order covers has a payload anywhere, and every clinic that is there has signed for
/// every order.
fn check_erased_everywhere(seed: u64, world: &World) {
    let all = world.there().map(|(_, clinic)| &clinic.conn).chain([&world.hub.conn]);
    let orders = replication::erasure::orders(&world.hub.conn).unwrap();
    for conn in all {
        assert_eq!(replication::erasure::orders(conn).unwrap(), orders, "seed {seed}");
        assert_eq!(replication::erasure::payloads_left(conn).unwrap(), 0, "seed {seed}");
    }
    let clinics = world.there().count() as u64;
    let mut standings = replication::hub::standings(&world.hub.conn).unwrap();
    // Nobody can ask a machine that is gone.
    standings.retain(|standing| !standing.shut_out);
    let outstanding = standings.iter().filter(|standing| standing.receipt.is_none()).count();
    assert_eq!((standings.len() as u64, outstanding), (orders * clinics, 0), "seed {seed}");
}

/// What a database said about a patient, as it stands in its pages.
fn traces(conn: &Connection, patient: PatientId) -> Vec<Vec<u8>> {
    let mut traces = Vec::new();
    for compartment in Compartment::ALL {
        for held in payloads_in(conn, &patient_stream(patient, compartment)).unwrap() {
            // The end of a payload is its own: the beginning says what it is.
            let from = held.payload.len().saturating_sub(24);
            traces.push(held.payload[from..].to_vec());
        }
    }
    traces
}

fn holds(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

fn read_all(folder: &Path, number: usize) -> Vec<u8> {
    let path = |name: String| folder.join(name);
    let log = path(format!("{number}.db-wal"));
    [fs::read(path(format!("{number}.db"))).unwrap(), fs::read(log).unwrap_or_default()].concat()
}

#[test]
fn invariant_16_no_page_of_any_file_holds_what_was_erased() {
    let folder = tempfile::tempdir().unwrap();
    let path = |number: usize| -> PathBuf { folder.path().join(format!("{number}.db")) };
    // A disk that is put back is another file: a storm without that.
    let calm_seed = (0..100).find(|seed| {
        let mut world = World::new(*seed);
        world.run();
        world.figures.times(Fault::ClinicRestored) + world.figures.times(Fault::HubRestored) == 0
    });
    let mut world =
        World::over(calm_seed.unwrap(), |number| store::open_plain(&path(number)).unwrap());
    world.run();
    let patients: BTreeSet<PatientId> = world.clinics.iter().flat_map(|c| c.own.clone()).collect();
    // Every second one goes.
    let (mut gone, mut kept, mut leaving) = (Vec::new(), Vec::new(), Vec::new());
    let databases: Vec<usize> = (0..=world.clinics.len()).collect();
    for (at, patient) in patients.into_iter().enumerate() {
        for number in &databases {
            let conn = match number {
                0 => &world.hub.conn,
                clinic => &world.clinics[clinic - 1].conn,
            };
            let list = if at % 2 == 0 { &mut gone } else { &mut kept };
            list.extend(traces(conn, patient).into_iter().map(|trace| (*number, trace)));
        }
        if at % 2 == 0 {
            leaving.push(patient);
        }
    }
    gone.retain(|(_, trace)| trace.len() == 24 && kept.iter().all(|(_, other)| other != trace));
    let files: Vec<Vec<u8>> =
        databases.iter().map(|number| read_all(folder.path(), *number)).collect();
    let all = gone.len();
    // What begins on one page and ends on another is not looked for.
    gone.retain(|(number, trace)| holds(&files[*number], trace));
    println!("{} of {all} traces stand on one page", gone.len());
    assert!(gone.len() > 100 && gone.len() * 10 > all * 9, "the scan finds what is there");
    for patient in leaving {
        assert!(patients::store::get(&world.hub.conn, patient).unwrap().is_some());
        assert!(world.erase(patient, None));
    }
    world.settle();
    for clinic in &world.clinics {
        assert!(store::rewrite(&clinic.conn).unwrap());
    }
    assert!(store::rewrite(&world.hub.conn).unwrap());
    for number in &databases {
        let conn = match number {
            0 => &world.hub.conn,
            clinic => &world.clinics[clinic - 1].conn,
        };
        let all = store::all_values(conn).unwrap();
        let left = gone.iter().filter(|(_, trace)| holds(&all, trace)).count();
        assert_eq!(left, 0, "{number}: in tables");
    }
    for number in databases {
        let all = read_all(folder.path(), number);
        for (_, trace) in &gone {
            assert!(!holds(&all, trace), "{number}: {trace:02x?} is still there");
        }
    }
    assert_eq!(invariants::check(&world), []);
    for walk in replication::ledger::inspect::walk(&world.hub.conn).unwrap() {
        if let Topic::Patient(patient, _) = topic(&walk.stream) {
            let all = walk.bare == walk.entries.len() as u64;
            assert_eq!(world.erased.contains(&patient), all, "headers stay, payloads go");
        }
    }
}
