//! What the hub does with payloads it cannot use and decisions that change nothing.

use replication::Draft;
use replication::streams::patient_stream;
use store::Group;
use sync_protocol::{NodeId, StreamId};
use tests::invariants::readings_at;
use tests::world::World;
use vocab::{Compartment, FactKind, PatientId};

#[test]
fn invariant_24_a_payload_that_cannot_be_used_stops_nothing() {
    let mut world = World::still(2);
    let now = world.now();
    let patient = world.clinics[0].register(now, 1);
    world.allow(0, patient, 1, true);
    world.settle();
    let now = world.now();
    let clinic = &mut world.clinics[0];
    let draft = Draft {
        stream: patient_stream(patient, Compartment::Identity),
        kind: FactKind::DocumentChange,
        payload: vec![0xff; 300],
        own_salt: false,
        urgent: false,
    };
    let group = Group::begin(&clinic.conn).unwrap();
    clinic.state.author.write(&clinic.conn, clinic.wall(now), draft).unwrap();
    group.commit().unwrap();
    // After it in the same stream, and in others.
    clinic.edit(now, patient, 4);
    let time = clinic.wall(now);
    let body = format!(
        r#"{{"batch_id":"b","readings":[{{"patient":"{patient}","code":"8867-4","unit":"/min","time":"{time}","value":80}}]}}"#
    );
    clinic.receive_batch(now, "mon", &body).unwrap();
    world.settle();
    let name = |conn| format!("{:?}", patients::store::get(conn, patient).unwrap());
    let (_, set_aside, _) = replication::ledger::counts(&world.hub.conn).unwrap();
    assert_eq!(set_aside, 1, "with its reason, for a person");
    assert_eq!(readings_at(&world.hub.conn).len(), 1);
    assert_eq!(name(&world.clinics[0].conn), name(&world.hub.conn));
    assert_eq!(name(&world.clinics[1].conn), name(&world.hub.conn));
    let told = replication::edge::status(&world.clinics[0].conn).unwrap();
    assert_eq!((told.quarantined, told.pending), (1, 0), "its author knows");
}

#[test]
fn invariant_26_a_change_of_access_is_one_change_and_no_change_is_none() {
    let mut world = World::still(2);
    let now = world.now();
    let patient = world.clinics[0].register(now, 1);
    let mut version = |grants: Option<bool>| {
        if let Some(grants) = grants {
            world.allow(0, patient, 1, grants);
        }
        // Something new, so that an active subscription says its version.
        let now = world.now();
        world.clinics[0].edit(now, patient, now);
        world.settle();
        said(&world, patient)
    };
    let opened = version(Some(true)).unwrap();
    assert_eq!(version(Some(true)), Some(opened), "allowed twice is allowed once");
    assert_eq!(version(None), Some(opened));
    assert_eq!(version(Some(false)), Some(opened + 1));
    assert_eq!(version(Some(false)), Some(opened + 1), "taken back twice is taken back once");
    assert_eq!(version(Some(true)), Some(opened + 2));
}

#[test]
fn invariant_09_an_older_backup_after_a_newer_one_takes_no_version_back() {
    let mut world = World::still(2);
    let now = world.now();
    let patient = world.clinics[0].register(now, 1);
    world.allow(0, patient, 1, true);
    world.settle();
    let older = world.hub.backup();
    let mut newer = None;
    for life in 0..3 {
        world.pass(5_000);
        let now = world.now();
        // The second life begins from what the first left, the third from before both.
        let backup = if life == 1 { newer.as_ref().unwrap_or(&older) } else { &older };
        world.hub.restore(now, backup);
        world.settle();
        let before = said(&world, patient).unwrap();
        let now = world.now();
        world.clinics[0].edit(now, patient, 7 + life);
        world.settle();
        assert!(said(&world, patient).unwrap() >= before);
        newer = Some(world.hub.backup());
    }
    let name = |conn| format!("{:?}", patients::store::get(conn, patient).unwrap());
    assert_eq!(name(&world.clinics[1].conn), name(&world.hub.conn));
}

fn said(world: &World, patient: PatientId) -> Option<u32> {
    let key: (NodeId, StreamId) =
        (world.clinics[1].key, patient_stream(patient, Compartment::Identity));
    world.versions().get(&key).copied()
}
