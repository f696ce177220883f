//! What must hold after the calm, whatever the storm was.

use std::collections::{BTreeMap, BTreeSet};

use replication::ledger::inspect::{StreamWalk, walk};
use replication::ledger::{counts, for_each_of_kind};
use replication::streams::{Topic, patient_stream, topic};
use store::{Connection, StoreError};
use sync_protocol::{EntryId, NodeId, StreamId};
use vocab::{Compartment, FactKind, PatientId, SiteId};

use crate::clinic::{Clinic, NEWER_KINDS, Sent};
use crate::faults::Fault;
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
    for (number, clinic) in world.there() {
        let name = format!("clinic {number}");
        let here = walk(&clinic.conn).expect("sound storage");
        check_whole(&name, &here, &mut broken);
        check_counts(&name, &clinic.conn, &mut broken);
        check_accounts(&name, clinic, &mut broken);
        check_own_at_hub(&name, clinic, &here, &at_hub, &mut broken);
        check_feed(&name, clinic, world, &here, &at_hub, &permitted, &mut broken);
        let hub_restored = world.figures.times(Fault::HubRestored) > 0;
        if !world.restored.contains(&number) && !hub_restored && !world.plan.hostile {
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
    check_newer(world, &mut broken);
    check_identities(world, &permitted, &at_hub, &mut broken);
    broken
}

fn fail(broken: &mut Vec<Broken>, invariant: u32, what: String) {
    broken.push(Broken { invariant, what });
}

/// 3, 4 and 5: chains without gaps, dense numbers, sums that fit.
fn check_whole(name: &str, streams: &[StreamWalk], broken: &mut Vec<Broken>) {
    for stream in streams {
        let id = stream.stream;
        if !stream.linked {
            fail(broken, 3, format!("{name}: a chain of {id:?} has a gap or a false link"));
        }
        if !stream.dense || stream.recorded.count != stream.found.count {
            fail(broken, 4, format!("{name}: {id:?} is not numbered from 1 to its count"));
        }
        if stream.recorded != stream.found {
            fail(broken, 5, format!("{name}: the sum of {id:?} is not that of its entries"));
        }
    }
}

/// 15: every chain is what its author signed, with every signature and every sum, as an operator would
/// check; and 3 to 5 once more.
fn check_everything(world: &World, broken: &mut Vec<Broken>) {
    let mut said = vec![replication::hub::verify(&world.hub.conn, &mut |_| {})];
    for clinic in &world.clinics {
        said.push(replication::edge::verify(&clinic.conn, &clinic.key, &mut |_| {}));
    }
    for wrong in said.into_iter().filter_map(Result::err) {
        fail(broken, 15, wrong.to_string());
    }
}

/// 14: of everything that a clinic wrote it knows what became of it.
fn check_accounts(name: &str, clinic: &Clinic, broken: &mut Vec<Broken>) {
    let status = replication::edge::status(&clinic.conn).expect("sound storage");
    let known =
        status.received + status.pending + status.quarantined + status.refused + status.held;
    if status.authored != known || status.refused > 0 {
        fail(broken, 14, format!("{name}: {status:?}"));
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
    // What was allowed went with everything else, unless the order was lost before anybody heard of it.
    let ordered = replication::erasure::erased_since(&world.hub.conn, 0).expect("sound storage");
    let stands = |patient: PatientId| {
        let of = [Compartment::Consent];
        let open = replication::hub::open_streams(&world.hub.conn, patient, &of);
        open.expect("sound storage").contains(&patient_stream(patient, Compartment::Consent))
    };
    // An order for a part of the record takes no permission along, and may be all that is left.
    let gone = |patient: &PatientId| {
        world.erased_whole.contains(patient) && ordered.contains(patient) && !stands(*patient)
    };
    let mut allowed = world.allowed_now();
    allowed.retain(|(patient, _)| !gone(patient));
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
    let clinics = || world.clinics.iter();
    // Of what was erased nothing is promised.
    let counts = |sent: &&Sent| !world.erased.contains(&sent.patient);
    let ever: BTreeSet<&Sent> = clinics().flat_map(|clinic| &clinic.acknowledged).collect();
    let mut held = sealed_readings(&world.hub.conn);
    held.retain(|sent| counts(&sent));
    held.sort();
    let all = held.len();
    held.dedup();
    // What was sealed after the copy was made is sealed again from the copy's open readings, and a
    // device that missed its receipt repeats what the copy does not know.
    if world.restored.is_empty() && held.len() < all {
        fail(broken, 1, format!("{} readings are held twice", all - held.len()));
    }
    let held: BTreeSet<&Sent> = held.iter().collect();
    let invented = held.difference(&ever).count();
    if invented > 0 {
        fail(broken, 1, format!("{invented} readings are held that nobody acknowledged"));
    }
    let promised =
        clinics().flat_map(|clinic| clinic.promised.iter().chain(&clinic.only_elsewhere));
    let missing = promised.filter(counts).collect::<BTreeSet<_>>().difference(&held).count();
    if missing > 0 {
        fail(broken, 1, format!("{missing} readings that were acknowledged are not held"));
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

/// 23: what this version does not know is everywhere as its author wrote it, byte for byte.
fn check_newer(world: &World, broken: &mut Vec<Broken>) {
    let written: BTreeMap<EntryId, &Vec<u8>> =
        world.clinics.iter().flat_map(|clinic| &clinic.newer).map(|(id, raw)| (*id, raw)).collect();
    let held_by = |conn: &Connection, broken: &mut Vec<Broken>| {
        let mut held = BTreeSet::new();
        for kind in NEWER_KINDS {
            let visited: Result<(), StoreError> = for_each_of_kind(conn, kind, |entry| {
                held.insert(entry.id);
                if written.get(&entry.id).is_none_or(|raw| **raw != entry.payload) {
                    fail(
                        broken,
                        23,
                        "an entry of an unknown kind is not what was written".to_owned(),
                    );
                }
                Ok(())
            });
            visited.expect("sound storage");
        }
        held
    };
    let at_hub = held_by(&world.hub.conn, broken);
    for (_, clinic) in world.there() {
        let here = held_by(&clinic.conn, broken);
        let own: BTreeSet<EntryId> = clinic.newer.keys().copied().collect();
        let lacking = here.intersection(&own).filter(|id| !at_hub.contains(id)).count();
        if lacking > 0 {
            fail(broken, 23, format!("{lacking} entries of unknown kinds are not at the hub"));
        }
    }
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
            for (_, clinic) in world.there() {
                let holds =
                    clinic.own.contains(&patient) || permitted.contains(&(patient, clinic.site));
                let here = walk(&clinic.conn).expect("sound storage");
                let here = here.iter().find(|walk| walk.stream == stream);
                // What a hub held back before it was lost, others hold without its payload.
                let bare = world.figures.times(Fault::HubRestored) > 0
                    && here.is_some_and(|walk| walk.bare > 0);
                if holds && !bare && shown(&clinic.conn) != shown_at_hub {
                    fail(broken, 13, "a patient looks different at two sites".to_owned());
                }
            }
        }
    }
}
