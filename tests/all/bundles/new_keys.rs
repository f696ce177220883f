//! A clinic goes over to new keys while what the old one signed has not been carried yet.

use super::*;

/// The hub says yes, and the clinic signs with the new key.
fn rotate(hub: &mut BoxHub, clinic: &mut Clinic, now: u64) {
    let (seed, new) = clinic.draw_key();
    hub.rotate(now, clinic.key, new);
    clinic.take_up(seed);
}

#[test]
fn what_the_old_key_signed_is_carried_under_the_new_one_and_taken() {
    let (mut hub, mut clinics) = network(2, 21);
    let second = clinics[1].site;
    let patient = clinics[0].register(0, 1);
    clinics[0].grant(0, patient, second);
    measure(&mut clinics[0], 0, 1, 1);
    clinics[0].flush(1);
    let before = pending(&clinics[0]);
    rotate(&mut hub, &mut clinics[0], 2);
    measure(&mut clinics[0], 3, 1, 2);
    clinics[0].flush(4);
    let written = pending(&clinics[0]);
    assert!(before > 0 && written > before, "both keys signed something: {before} of {written}");
    let up = clinics[0].export_bundle(5, &[]);
    let stored = hub.import_bundle(6, &up, ALL).unwrap().unwrap();
    assert_eq!((stored.entries, stored.set_aside, stored.waiting), (written, 0, 0));
    let down = hub.export_bundle(7, clinics[0].key);
    let taken = clinics[0].import_bundle(8, &down, ALL).unwrap().unwrap();
    assert_eq!((taken.received, pending(&clinics[0])), (written, 0));
    // The other clinic gets both, and then nothing is left for a link.
    for _ in 0..2 {
        round(&mut hub, &mut clinics[1], 9);
    }
    assert_eq!(shared(&clinics[1].conn), shared(&hub.conn));
    for clinic in &mut clinics {
        let (here, at_hub) = (held(&clinic.conn), held(&hub.conn));
        talk(&mut hub, clinic, 10);
        assert_eq!((held(&clinic.conn), held(&hub.conn)), (here, at_hub));
    }
}

/// By bundle a clinic does not hear the place of its own entries, whichever key signed them: runs for it
/// begin behind the last entry of somebody else.
#[test]
fn runs_for_a_clinic_begin_where_others_wrote_whichever_key_it_had() {
    let (mut hub, mut clinics) = network(2, 22);
    let second = clinics[1].site;
    let patient = clinics[0].register(0, 1);
    clinics[0].grant(0, patient, second);
    for at in [0, 1, 0, 1] {
        round(&mut hub, &mut clinics[at], 1);
    }
    for number in 2..6 {
        clinics[1].edit(number, patient, number);
        let up = clinics[1].export_bundle(number, &[]);
        hub.import_bundle(number, &up, ALL).unwrap();
        rotate(&mut hub, &mut clinics[1], number);
        clinics[0].edit(number, patient, number + 10);
        let up = clinics[0].export_bundle(number, &[]);
        hub.import_bundle(number, &up, ALL).unwrap();
        let down = hub.export_bundle(number, clinics[1].key);
        let taken = clinics[1].import_bundle(number, &down, ALL).unwrap().unwrap();
        assert_eq!(taken.waiting, 0, "round {number}");
        assert!(taken.entries > 0, "round {number}");
        round(&mut hub, &mut clinics[0], number);
    }
    for clinic in &mut clinics {
        round(&mut hub, clinic, 9);
        assert_eq!(shared(&clinic.conn), shared(&hub.conn));
    }
}

#[test]
fn a_bundle_that_the_old_key_signed_is_refused_after_the_change_and_the_next_brings_it_all() {
    let (mut hub, mut clinics) = network(1, 23);
    clinics[0].register(0, 1);
    clinics[0].flush(1);
    let written = pending(&clinics[0]);
    let up = clinics[0].export_bundle(2, &[]);
    rotate(&mut hub, &mut clinics[0], 3);
    let refused = hub.import_bundle(4, &up, ALL).unwrap_err();
    assert!(matches!(refused, replication::bundle::BundleError::Stranger), "{refused}");
    let up = clinics[0].export_bundle(5, &[]);
    let stored = hub.import_bundle(6, &up, ALL).unwrap().unwrap();
    assert_eq!(stored.entries, written);
}
