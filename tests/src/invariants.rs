//! What must hold after the calm, whatever the storm was.

use std::collections::{BTreeMap, BTreeSet};

use replication::ledger::inspect::{StreamWalk, walk};
use replication::ledger::{counts, for_each_of_kind};
use replication::streams::{Topic, patient_stream, topic};
use store::{Connection, StoreError};
use sync_protocol::{EntryId, NodeId, StreamId};
use vocab::{Compartment, FactKind, PatientId, SiteId};

use crate::clinic::{Clinic, Sent};
use crate::world::{Broken, World};

/// Of so many storms one is followed by a check of every signature, which costs more than the storm.
const SEEDS_PER_PROOF: u64 = 10;

/// Checks the invariants of the sync design that apply, by their numbers there.
///
/// # Panics
///
/// When storage fails, which it does not in the box.
#[must_use]
pub fn check(world: &World) -> Vec<Broken> {
    let mut broken = world.broken.clone();
    let at_hub = walk(&world.hub.conn).expect("sound storage");
    check_whole("the hub", &at_hub, &mut broken);
    check_counts("the hub", &world.hub.conn, &mut broken);
    let permitted = permissions(world);
    let there = world.clinics.iter().enumerate().filter(|(number, _)| world.is_there(*number));
    for (number, clinic) in there {
        let name = format!("clinic {number}");
        let here = walk(&clinic.conn).expect("sound storage");
        check_whole(&name, &here, &mut broken);
        check_counts(&name, &clinic.conn, &mut broken);
        check_own_at_hub(&name, clinic, &here, &at_hub, &mut broken);
        check_feed(&name, clinic, world, &here, &at_hub, &permitted, &mut broken);
        if !world.restored.contains(&number) && world.figures.hub_restores == 0 {
            check_tally(&name, clinic, &mut broken);
        }
    }
    if world.seed.is_multiple_of(SEEDS_PER_PROOF) {
        check_everything(world, &mut broken);
    }
    if replication::hub::is_in_safe_mode(&world.hub.conn).expect("sound storage") {
        fail(&mut broken, 27, "the hub is still in safe mode".to_owned());
    }
    world.check_left(&mut broken);
    check_readings(world, &mut broken);
    check_identities(world, &permitted, &at_hub, &mut broken);
    broken
}

fn fail(broken: &mut Vec<Broken>, invariant: u32, what: String) {
    broken.push(Broken { invariant, what });
}

/// 3, 4, 5 and 15: chains without gaps, dense numbers, sums that fit.
fn check_whole(name: &str, streams: &[StreamWalk], broken: &mut Vec<Broken>) {
    for stream in streams.iter().filter(|stream| !stream.is_whole()) {
        fail(broken, 5, format!("{name}: {:?} is not whole", stream.stream));
    }
}

/// 3, 4, 5 and 15 once more, as an operator would check: with every signature and every sum.
fn check_everything(world: &World, broken: &mut Vec<Broken>) {
    let mut said = vec![replication::hub::verify(&world.hub.conn, &mut |_| {})];
    for clinic in &world.clinics {
        said.push(replication::edge::verify(&clinic.conn, &clinic.key, &mut |_| {}));
    }
    for wrong in said.into_iter().filter_map(Result::err) {
        fail(broken, 5, wrong.to_string());
    }
}

/// 2 and 14: nobody misbehaved, so nothing is set aside and nothing forked.
fn check_counts(name: &str, conn: &Connection, broken: &mut Vec<Broken>) {
    let (_, quarantined, forks) = counts(conn).expect("sound storage");
    if forks > 0 {
        fail(broken, 2, format!("{name}: {forks} forks"));
    }
    if quarantined > 0 && name != "the hub" {
        fail(broken, 14, format!("{name}: {quarantined} set aside"));
    }
}

/// 1 and 6: everything a clinic wrote is at the hub, once.
fn check_own_at_hub(
    name: &str,
    clinic: &Clinic,
    here: &[StreamWalk],
    at_hub: &[StreamWalk],
    broken: &mut Vec<Broken>,
) {
    let (own, there) = (by(here, clinic.key), by(at_hub, clinic.key));
    if own != there {
        let missing = own.difference(&there).count();
        fail(
            broken,
            6,
            format!("{name}: {missing} of {} own entries are not at the hub", own.len()),
        );
    }
    let all: usize = at_hub.iter().map(|stream| stream.entries.len()).sum();
    let distinct: BTreeSet<EntryId> =
        at_hub.iter().flat_map(|stream| &stream.entries).map(|(id, _)| *id).collect();
    if distinct.len() != all {
        fail(broken, 1, "an entry is held twice at the hub".to_owned());
    }
}

fn by(streams: &[StreamWalk], author: NodeId) -> BTreeSet<EntryId> {
    let entries = streams.iter().flat_map(|stream| &stream.entries);
    entries.filter(|(_, origin)| *origin == author).map(|(id, _)| *id).collect()
}

/// Which clinic's copies must be complete now, by the last decision of each patient.
fn permissions(world: &World) -> BTreeSet<(PatientId, SiteId)> {
    // What was allowed went with everything else.
    let mut allowed = world.allowed_now();
    allowed.retain(|(patient, _)| !world.erased_whole.contains(patient));
    allowed
}

/// 6, 7 and 8: a clinic holds all of what it may have, nothing of what it never might have had, and
/// nothing of others where access has ended.
fn check_feed(
    name: &str,
    clinic: &Clinic,
    world: &World,
    here: &[StreamWalk],
    at_hub: &[StreamWalk],
    permitted: &BTreeSet<(PatientId, SiteId)>,
    broken: &mut Vec<Broken>,
) {
    let held: BTreeMap<StreamId, &StreamWalk> = here.iter().map(|s| (s.stream, s)).collect();
    for stream in at_hub {
        let count = held.get(&stream.stream).map_or(0, |held| held.entries.len());
        let (home, may, ever) = match topic(&stream.stream) {
            Topic::Policy => (true, true, true),
            Topic::Patient(patient, compartment) => {
                let home = clinic.own.contains(&patient);
                let shared = compartment != Compartment::Consent;
                let may = permitted.contains(&(patient, clinic.site)) && shared;
                let ever = world.ever_allowed.contains(&(patient, clinic.site)) && shared;
                (home, may, ever)
            }
            // Of one site and for it alone.
            Topic::Site(site) | Topic::Emergencies(site) => {
                (site == clinic.site, site == clinic.site, site == clinic.site)
            }
            Topic::Unknown => (false, false, false),
        };
        if (home || may) && count != stream.entries.len() {
            let all = stream.entries.len();
            fail(broken, 6, format!("{name}: {count} of {all} entries of {:?}", stream.stream));
        }
        let others = held.get(&stream.stream).map_or(0, |held| {
            held.entries.iter().filter(|(_, origin)| *origin != clinic.key).count()
        });
        if !home && !may && others > 0 {
            fail(broken, 8, format!("{name} still holds {others} entries of {:?}", stream.stream));
        }
        if !home && !ever && count > 0 {
            fail(broken, 7, format!("{name} holds {:?}, which it never might", stream.stream));
        }
    }
}

/// 6: no sum ever differed where it should not.
fn check_tally(name: &str, clinic: &Clinic, broken: &mut Vec<Broken>) {
    let tally = clinic.exchange.as_ref().map(|exchange| exchange.tally()).unwrap_or_default();
    if tally.divergences > 0 {
        fail(broken, 6, format!("{name}: {} sums differed", tally.divergences));
    }
}

/// 1, 10 and 13: every reading that a device got a receipt for is at the hub exactly once.
fn check_readings(world: &World, broken: &mut Vec<Broken>) {
    let mut sent: Vec<Sent> =
        world.clinics.iter().flat_map(|clinic| clinic.acknowledged.iter().cloned()).collect();
    let mut held = sealed_readings(&world.hub.conn);
    for readings in [&mut sent, &mut held] {
        readings.retain(|reading| !world.erased.contains(&reading.patient));
    }
    sent.sort();
    held.sort();
    if !world.restored.is_empty() {
        // What was sealed after the copy was made is sealed again from the copy's open readings.
        // A device that missed its receipt repeats what the copy does not know.
        sent.dedup();
        held.dedup();
    }
    if sent != held {
        fail(
            broken,
            1,
            format!("{} readings were acknowledged, {} are held", sent.len(), held.len()),
        );
    }
}

/// Every reading that is sealed.
fn sealed_readings(conn: &Connection) -> Vec<Sent> {
    let mut held: Vec<Sent> = Vec::new();
    let visited: Result<(), StoreError> =
        for_each_of_kind(conn, FactKind::Segment.number(), |entry| {
            let Topic::Patient(patient, _) = topic(&entry.stream) else { return Ok(()) };
            let segment = vitals::segment::decode(&entry.payload).expect("a segment of ours");
            held.extend(segment.readings.iter().map(|reading| Sent {
                patient,
                time: reading.time.nanos(),
                value: reading.value.to_string(),
            }));
            Ok(())
        });
    visited.expect("sound storage");
    held
}

/// The readings that `conn` holds sealed.
///
/// # Panics
///
/// When storage fails, which it does not in the box.
#[must_use]
pub fn readings_at(conn: &Connection) -> BTreeSet<Sent> {
    sealed_readings(conn).into_iter().collect()
}

/// 13: whoever holds the same changes of a patient shows the same patient. A clinic whose permission
/// had ended when it wrote keeps its own change; the hub holds that back, so they differ.
fn check_identities(
    world: &World,
    permitted: &BTreeSet<(PatientId, SiteId)>,
    at_hub: &[StreamWalk],
    broken: &mut Vec<Broken>,
) {
    for home in &world.clinics {
        for &patient in home.own.iter().filter(|patient| !world.erased.contains(patient)) {
            let stream = patient_stream(patient, Compartment::Identity);
            if at_hub.iter().any(|walk| walk.stream == stream && walk.bare > 0) {
                continue;
            }
            let shown = |conn| patients::store::get(conn, patient).expect("sound storage");
            let shown_at_hub = shown(&world.hub.conn);
            let there = world.clinics.iter().enumerate();
            for (_, clinic) in there.filter(|(number, _)| world.is_there(*number)) {
                let holds =
                    clinic.own.contains(&patient) || permitted.contains(&(patient, clinic.site));
                // What a hub held back before it was lost, others hold without its payload.
                let bare = world.figures.hub_restores > 0
                    && walk(&clinic.conn)
                        .expect("sound storage")
                        .iter()
                        .any(|walk| walk.stream == stream && walk.bare > 0);
                if holds && !bare && shown(&clinic.conn) != shown_at_hub {
                    fail(broken, 13, "a patient looks different at two sites".to_owned());
                }
            }
        }
    }
}
