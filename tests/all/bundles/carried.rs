//! Bundles that arrive, in whatever order and however often.

use sync_protocol::exchange::{EdgeOp, EdgeReply};

use super::*;

#[test]
fn what_a_clinic_wrote_reaches_the_hub_and_another_clinic_by_bundle_alone() {
    let (mut hub, mut clinics) = network(2, 1);
    let second = clinics[1].site;
    let patient = clinics[0].register(0, 1);
    clinics[0].grant(0, patient, second);
    for number in 0..20 {
        measure(&mut clinics[0], 0, 1, number);
    }
    let written = {
        clinics[0].flush(1);
        pending(&clinics[0])
    };
    let up = clinics[0].export_bundle(1, &[]);
    let stored = hub.import_bundle(2, &up, ALL).unwrap().unwrap();
    assert_eq!((stored.entries, stored.set_aside, stored.waiting), (written, 0, 0));
    assert_eq!(pending(&clinics[0]), written, "it has not heard of it");

    let down = hub.export_bundle(3, clinics[1].key);
    let taken = clinics[1].import_bundle(4, &down, ALL).unwrap().unwrap();
    assert!(taken.entries > 0 && taken.waiting == 0, "{taken:?}");
    assert!(clinics[1].knows(patient));
    assert_eq!(shared(&clinics[1].conn), shared(&hub.conn));

    let ack = hub.export_bundle(5, clinics[0].key);
    let taken = clinics[0].import_bundle(6, &ack, ALL).unwrap().unwrap();
    assert_eq!((pending(&clinics[0]), taken.received), (0, written));

    assert!(behind(&hub, clinics[1].key) > 0, "its acknowledgement is on its way");
    let up = clinics[1].export_bundle(7, &[]);
    hub.import_bundle(8, &up, ALL).unwrap();
    assert_eq!(behind(&hub, clinics[1].key), 0);
    assert_same_as_by_link(hub, clinics);
}

/// The links come back: nothing is sent again, and nothing is there twice.
fn assert_same_as_by_link(mut hub: BoxHub, mut clinics: Vec<Clinic>) {
    let before: Vec<_> = clinics.iter().map(|clinic| held(&clinic.conn)).collect();
    let at_hub = held(&hub.conn);
    for (clinic, before) in clinics.iter_mut().zip(before) {
        talk(&mut hub, clinic, 1_000);
        assert_eq!(held(&clinic.conn), before);
    }
    assert_eq!(held(&hub.conn), at_hub);
}

#[test]
fn a_clinic_that_uses_bundles_holds_what_one_with_a_link_holds() {
    let by = |carry: fn(&mut BoxHub, &mut Clinic, u64)| {
        let (mut hub, mut clinics) = network(3, 2);
        for round in 0..4 {
            let now = round * 100_000;
            for at in 0..3 {
                let number = round * 3 + at as u64;
                let patient = clinics[at].register(now, number);
                let site = clinics[(at + 1) % 3].site;
                clinics[at].grant(now, patient, site);
                measure(&mut clinics[at], now, number, number);
                clinics[at].flush(now);
            }
            for _ in 0..3 {
                clinics.iter_mut().for_each(|clinic| carry(&mut hub, clinic, now));
            }
            clinics.iter_mut().for_each(Clinic::restart);
        }
        let at_hub = held(&hub.conn);
        (at_hub, clinics.iter().map(|clinic| held(&clinic.conn)).collect::<Vec<_>>())
    };
    assert!(by(round) == by(talk), "the two ways lead to different places");
}

#[test]
fn bundles_that_come_late_or_in_another_order_do_no_harm() {
    let (mut hub, mut clinics) = network(2, 3);
    let second = clinics[1].site;
    let patient = clinics[0].register(0, 1);
    clinics[0].grant(0, patient, second);
    let mut ups = Vec::new();
    for number in 0..5 {
        measure(&mut clinics[0], 0, 1, number);
        ups.push(clinics[0].export_bundle(number, &[]));
        clinics[0].restart();
    }
    // The newest first, one never.
    for at in [4, 1, 3, 0] {
        hub.import_bundle(10, &ups[at], ALL).unwrap();
    }
    let mut downs: Vec<_> = (0..3).map(|_| hub.export_bundle(11, clinics[1].key)).collect();
    measure(&mut clinics[0], 12, 1, 30);
    let up = clinics[0].export_bundle(12, &[]);
    hub.import_bundle(13, &up, ALL).unwrap();
    downs.insert(0, hub.export_bundle(14, clinics[1].key));
    for down in &downs {
        clinics[1].import_bundle(15, down, ALL).unwrap();
    }
    round(&mut hub, &mut clinics[0], 16);
    assert_eq!(shared(&clinics[1].conn), shared(&hub.conn));
    assert_same_as_by_link(hub, clinics);
}

#[test]
fn a_bundle_in_a_pocket_while_the_link_comes_back_changes_nothing() {
    let (mut hub, mut clinics) = network(2, 4);
    let second = clinics[1].site;
    let patient = clinics[0].register(0, 1);
    clinics[0].grant(0, patient, second);
    talk(&mut hub, &mut clinics[0], 1);
    // Written under a start that the hub has not heard of, and carried.
    clinics[0].restart();
    measure(&mut clinics[0], 2, 1, 1);
    let up = clinics[0].export_bundle(3, &[]);
    let down = hub.export_bundle(3, clinics[1].key);
    let old_ack = hub.export_bundle(3, clinics[0].key);
    // Meanwhile the links are there.
    measure(&mut clinics[0], 4, 1, 2);
    clinics[0].flush(4);
    talk(&mut hub, &mut clinics[0], 5);
    talk(&mut hub, &mut clinics[1], 6);
    let (here, there, at_hub) = (held(&clinics[0].conn), held(&clinics[1].conn), held(&hub.conn));
    let stored = hub.import_bundle(7, &up, ALL).unwrap().unwrap();
    assert_eq!(stored.entries, 0);
    let taken = clinics[1].import_bundle(8, &down, ALL).unwrap().unwrap();
    assert_eq!(taken.entries, 0);
    clinics[0].import_bundle(9, &old_ack, ALL).unwrap();
    assert_eq!(held(&clinics[0].conn), here);
    assert_eq!(held(&clinics[1].conn), there);
    assert_eq!(held(&hub.conn), at_hub);
    assert_same_as_by_link(hub, clinics);
}

#[test]
fn a_start_that_only_bundles_have_named_is_no_second_copy() {
    let (mut hub, mut clinics) = network(1, 5);
    clinics[0].register(0, 1);
    talk(&mut hub, &mut clinics[0], 1);
    for number in 2..5 {
        clinics[0].restart();
        clinics[0].register(number, number);
        round(&mut hub, &mut clinics[0], number);
        assert_eq!(pending(&clinics[0]), 0);
    }
    talk(&mut hub, &mut clinics[0], 10);
    clinics[0].restart();
    talk(&mut hub, &mut clinics[0], 11);
    let status = &replication::hub::node_statuses(&hub.conn).unwrap()[0];
    assert_eq!((status.second_copy_at, status.restored_at), (None, None));
}

#[test]
fn streams_that_two_clinics_write_go_on_in_both_after_one_bundle_each_way() {
    let (mut hub, mut clinics) = network(2, 6);
    let second = clinics[1].site;
    let patient = clinics[0].register(0, 1);
    clinics[0].grant(0, patient, second);
    for at in [0, 1, 0, 1] {
        round(&mut hub, &mut clinics[at], 1);
    }
    for number in 2..8 {
        for clinic in &mut clinics {
            clinic.edit(number, patient, number);
        }
        let ups: Vec<_> =
            clinics.iter_mut().map(|clinic| clinic.export_bundle(number, &[])).collect();
        for up in &ups {
            hub.import_bundle(number, up, ALL).unwrap();
        }
        for clinic in &mut clinics {
            let down = hub.export_bundle(number, clinic.key);
            let taken = clinic.import_bundle(number, &down, ALL).unwrap().unwrap();
            assert_eq!((taken.waiting, taken.entries), (0, 1), "round {number}");
        }
        assert_eq!(shared(&clinics[1].conn), shared(&hub.conn));
    }
    assert_same_as_by_link(hub, clinics);
}

#[test]
fn a_clinic_that_was_put_back_says_how_far_it_holds_what_the_hub_thinks_it_has() {
    let (mut hub, mut clinics) = network(2, 7);
    let second = clinics[1].site;
    let patient = clinics[0].register(0, 1);
    clinics[0].grant(0, patient, second);
    let disk = clinics[1].backup();
    for number in 0..3 {
        measure(&mut clinics[0], number, 1, number);
        round(&mut hub, &mut clinics[0], number);
        round(&mut hub, &mut clinics[1], number);
    }
    let up = clinics[1].export_bundle(4, &[]);
    hub.import_bundle(4, &up, ALL).unwrap();
    clinics[1].restore(&disk, &std::collections::BTreeSet::new());
    measure(&mut clinics[0], 5, 1, 5);
    round(&mut hub, &mut clinics[0], 5);
    let down = hub.export_bundle(6, clinics[1].key);
    let taken = clinics[1].import_bundle(6, &down, ALL).unwrap().unwrap();
    assert!(taken.waiting > 0, "{taken:?}");
    round(&mut hub, &mut clinics[1], 7);
    round(&mut hub, &mut clinics[1], 8);
    let vitals = |conn: &store::Connection| {
        let mut all = shared(conn);
        all.retain(|(stream, _)| matches!(topic(stream), Topic::Patient(_, Compartment::Vitals)));
        all
    };
    assert_eq!(vitals(&clinics[1].conn), vitals(&hub.conn));
    assert!(!vitals(&hub.conn).is_empty());
}

#[test]
fn acknowledgements_are_carried_until_the_hub_says_that_it_has_them() {
    let (mut hub, mut clinics) = network(2, 8);
    let second = clinics[1].site;
    let patient = clinics[0].register(0, 1);
    clinics[0].grant(0, patient, second);
    round(&mut hub, &mut clinics[0], 1);
    let down = hub.export_bundle(2, clinics[1].key);
    clinics[1].import_bundle(2, &down, ALL).unwrap();
    let open = |clinic: &mut Clinic| {
        let EdgeReply::Hello(hello) = clinic.perform(3, EdgeOp::LoadHello) else {
            panic!("no greeting")
        };
        hello.unconfirmed.len()
    };
    assert!(open(&mut clinics[1]) > 0);
    // The first is lost; the second has all that the first had.
    drop(clinics[1].export_bundle(3, &[]));
    round(&mut hub, &mut clinics[1], 4);
    assert_eq!(open(&mut clinics[1]), 0);
    assert_eq!(behind(&hub, clinics[1].key), 0);
}

#[test]
fn an_import_that_is_killed_goes_on_when_it_is_run_again() {
    let (mut hub, mut clinics) = network(2, 9);
    let second = clinics[1].site;
    for number in 0..30 {
        let patient = clinics[0].register(0, number);
        clinics[0].grant(0, patient, second);
        measure(&mut clinics[0], 0, number, number);
    }
    let up = clinics[0].export_bundle(1, &[]);
    for frames in 0..2 {
        hub.import_bundle(2, &up, frames).unwrap();
    }
    hub.import_bundle(3, &up, ALL).unwrap().unwrap();
    assert!(hub.import_bundle(4, &up, ALL).unwrap().is_none());
    assert!(shared(&clinics[0].conn).iter().all(|held| shared(&hub.conn).contains(held)));
    let down = hub.export_bundle(5, clinics[1].key);
    for frames in [0, 3, 17, 40] {
        clinics[1].import_bundle(6, &down, frames).unwrap();
    }
    clinics[1].import_bundle(7, &down, ALL).unwrap().unwrap();
    assert!(clinics[1].import_bundle(8, &down, ALL).unwrap().is_none());
    assert_eq!(shared(&clinics[1].conn), shared(&hub.conn));
}
