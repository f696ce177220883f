//! What the clock of another, or no clock at all, must not do.

use replication::outbox::Author;
use sync_protocol::exchange::{EdgeOp, EdgeReply};
use sync_protocol::signature::Signer;
use sync_protocol::{Class, hlc};
use tests::world::World;

/// Milliseconds in ten years.
const TEN_YEARS_MS: i64 = 10 * 365 * 86_400_000;

#[test]
fn invariant_17_care_goes_on_without_a_hub_and_under_any_clock() {
    let mut world = World::still(2);
    let (now, other) = (world.now(), world.clinics[1].site);
    // No conversation was ever opened: whatever is written is written, or this test panics.
    let clinic = &mut world.clinics[0];
    for (number, off) in [0, TEN_YEARS_MS, -TEN_YEARS_MS, 0].into_iter().enumerate() {
        clinic.clock_off_ms = off;
        let patient = clinic.register(now, number as u64);
        clinic.edit(now, patient, 7);
        let _ = clinic.grant(now, patient, other);
        let _ = clinic.revoke(now, patient, other);
        let time = clinic.wall(now);
        let body = format!(
            r#"{{"batch_id":"b-{number}","readings":[{{"patient":"{patient}","code":"8867-4","unit":"/min","time":"{time}","value":80}}]}}"#
        );
        let receipt = clinic.receive_batch(now, "mon", &body).unwrap();
        assert!(
            receipt.outcomes.iter().all(|outcome| outcome == vitals::receipt::Outcome::Accepted)
        );
        clinic.restart();
    }
    assert_eq!(clinic.own.len(), 4);
    clinic.clock_off_ms = 0;
    world.settle();
}

#[test]
fn invariant_18_a_peer_in_the_future_does_not_drag_our_clock_along() {
    let mut world = World::still(2);
    world.clinics[0].clock_off_ms = TEN_YEARS_MS;
    let now = world.now();
    let patient = world.clinics[0].register(now, 1);
    world.allow(0, patient, 1, true);
    // The clock is put right again when everything has arrived.
    world.settle();
    assert!(world.clinics[1].knows(patient));
    let now = world.now();
    world.clinics[1].edit(now, patient, 7);
    let wall = u64::try_from(world.clinics[1].wall(now).millis()).unwrap();
    let op = EdgeOp::ReadOutbox {
        class: Class::Records,
        after: None,
        skip: Vec::new(),
        bytes_max: 100_000,
    };
    let EdgeReply::Outbox(page) = world.clinics[1].perform(now, op) else { panic!() };
    assert_eq!(page.entries.len(), 1);
    let stamped = page.entries[0].entry.header.hlc.millis();
    assert!(stamped <= wall + hlc::AHEAD_MAX_MS, "{stamped} is far after {wall}");
}

#[test]
fn invariant_19_every_start_writes_under_an_epoch_of_its_own() {
    let mut world = World::still(1);
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..5 {
        assert!(seen.insert(world.clinics[0].state.author.epoch()));
        world.clinics[0].restart();
    }
    // A generator that says the same again is asked again.
    let used = world.clinics[0].state.author.epoch();
    let mut draws = 0_u64;
    let fill = Box::new(move |bytes: &mut [u8]| {
        bytes.copy_from_slice(&(used.0 + draws).to_le_bytes());
        draws += 1;
    });
    let author = Author::start(&world.clinics[0].conn, Signer::from_seed(&[1; 32]), fill).unwrap();
    assert_eq!(author.epoch().0, used.0 + 1);
}
