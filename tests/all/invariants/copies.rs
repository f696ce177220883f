//! What a backup covers, and what a repeat changes.

use std::collections::BTreeSet;

use replication::hub::durable;
use replication::ledger::inspect::walk;
use store::Connection;
use sync_protocol::EntryId;
use tests::world::World;

#[test]
fn invariant_10_what_is_durable_survives_the_loss_of_the_hub() {
    let mut world = busy();
    let before = own(&world.clinics[0].conn, &world);
    let backup = world.hub.backup();
    let marks = durable::covered(backup.in_memory().unwrap()).unwrap();
    let epoch = world.clinics[0].state.author.epoch();
    let me = world.clinics[0].key;
    let mark = marks.iter().find(|mark| mark.node == me && mark.epoch == epoch).unwrap();
    assert_eq!(mark.upto, before.len() as u64, "everything was at the hub");
    // What comes after the backup is not covered by it.
    let now = world.now();
    world.clinics[0].register(now, 99);
    world.settle();
    let now = world.now();
    world.hub.restore(now, &backup);
    let left = own(&world.hub.conn, &world);
    assert_eq!(left, before, "what was covered, and nothing else");
}

#[test]
fn invariant_12_a_conversation_said_once_more_changes_nothing() {
    let mut world = World::still(2);
    world.tap();
    let patient = fill(&mut world);
    world.allow(0, patient, 1, false);
    world.settle();
    let frames = world.tapped();
    assert!(frames.len() > 20, "{}", frames.len());
    let before = state(&world);
    for frame in frames {
        world.replay(frame);
        world.pass(5);
    }
    world.pass(10_000);
    assert_eq!(state(&world), before);
    world.settle();
    assert_eq!(state(&world), before);
}

/// Two clinics, the second of which may have what the first wrote.
fn busy() -> World {
    let mut world = World::still(2);
    fill(&mut world);
    world
}

fn fill(world: &mut World) -> vocab::PatientId {
    let now = world.now();
    let patient = world.clinics[0].register(now, 1);
    world.clinics[0].edit(now, patient, 7);
    world.allow(0, patient, 1, true);
    world.settle();
    patient
}

fn own(conn: &Connection, world: &World) -> BTreeSet<EntryId> {
    let entries = walk(conn).unwrap().into_iter().flat_map(|walk| walk.entries);
    entries.filter(|(_, origin)| *origin == world.clinics[0].key).map(|(id, _)| id).collect()
}

/// Everything that is held, and how much of it the rooms made.
fn state(world: &World) -> Vec<String> {
    let clinics = world.clinics.iter().map(|clinic| &*clinic.conn);
    let of = |conn| format!("{:?} {:?}", walk(conn).unwrap(), store::row_counts(conn).unwrap());
    clinics.chain([&*world.hub.conn]).map(of).collect()
}
