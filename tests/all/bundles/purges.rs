//! Access that ends, told and receipted by bundle.

use sync_protocol::exchange::{EdgeOp, EdgeReply, HubOp};

use super::*;

#[test]
fn a_withdrawn_permission_and_its_receipt_travel_by_bundle() {
    let (mut hub, mut clinics) = network(2, 11);
    let (second, node) = (clinics[1].site, clinics[1].key);
    let patient = clinics[0].register(0, 1);
    clinics[0].grant(0, patient, second);
    measure(&mut clinics[0], 0, 1, 1);
    round(&mut hub, &mut clinics[0], 1);
    // From before the end: it must not bring anything back later.
    let old = hub.export_bundle(2, node);
    round(&mut hub, &mut clinics[1], 2);
    assert!(clinics[1].knows(patient));

    clinics[0].revoke(3, patient, second);
    round(&mut hub, &mut clinics[0], 4);
    let order = hub.export_bundle(5, node);
    let taken = clinics[1].import_bundle(6, &order, ALL).unwrap().unwrap();
    assert!(taken.let_go >= 2, "{taken:?}");
    assert!(!clinics[1].knows(patient));
    let open = |hub: &BoxHub| replication::hub::outstanding(&hub.conn).unwrap().len();
    assert!(open(&hub) > 0);

    let again = clinics[1].import_bundle(7, &old, ALL).unwrap().unwrap();
    assert_eq!(again.entries, 0, "an old stick brought back what was let go");
    assert!(!clinics[1].knows(patient));

    // The first receipt is lost.
    drop(clinics[1].export_bundle(8, &[]));
    let receipt = clinics[1].export_bundle(8, &[]);
    let stored = hub.import_bundle(9, &receipt, ALL).unwrap().unwrap();
    assert!(stored.receipts >= 2, "{stored:?}");
    assert_eq!(open(&hub), 0);
    talk(&mut hub, &mut clinics[1], 10);
    assert!(!clinics[1].knows(patient));
}

#[test]
fn a_receipt_that_the_link_lost_is_carried_when_the_order_comes_by_bundle() {
    let (mut hub, mut clinics) = network(2, 12);
    let (second, node) = (clinics[1].site, clinics[1].key);
    let patient = clinics[0].register(0, 1);
    clinics[0].grant(0, patient, second);
    talk(&mut hub, &mut clinics[0], 1);
    talk(&mut hub, &mut clinics[1], 2);
    clinics[0].revoke(3, patient, second);
    talk(&mut hub, &mut clinics[0], 4);
    // The order came over a link whose answer was lost; the next greeting said that nothing is held.
    let orders = hub.perform(5, node, HubOp::ReadPurges).reply;
    let Some(HubReply::Purges { orders, .. }) = orders else { panic!("no orders") };
    for order in orders {
        clinics[1].perform(5, EdgeOp::Purge(order));
    }
    let EdgeReply::Hello(hello) = clinics[1].perform(5, EdgeOp::LoadHello) else {
        panic!("no greeting")
    };
    hub.perform(5, node, HubOp::Ack(hello.unconfirmed.clone()));
    clinics[1].perform(5, EdgeOp::ForgetAcks(hello.unconfirmed));
    assert!(!replication::hub::outstanding(&hub.conn).unwrap().is_empty());
    round(&mut hub, &mut clinics[1], 6);
    round(&mut hub, &mut clinics[1], 7);
    assert_eq!(replication::hub::outstanding(&hub.conn).unwrap().len(), 0);
}

#[test]
fn nothing_that_a_clinic_may_not_have_is_in_its_bundle() {
    let (mut hub, mut clinics) = network(3, 13);
    let second = clinics[1].site;
    for number in 0..4 {
        let patient = clinics[0].register(0, number);
        if number % 2 == 0 {
            clinics[0].grant(0, patient, second);
        }
        measure(&mut clinics[0], 0, number, number);
    }
    round(&mut hub, &mut clinics[0], 1);
    round(&mut hub, &mut clinics[1], 2);
    round(&mut hub, &mut clinics[2], 2);
    for (number, patient) in clinics[0].own.clone().into_iter().enumerate() {
        assert_eq!(clinics[1].knows(patient), number % 2 == 0);
        assert!(!clinics[2].knows(patient));
    }
    let consents = held(&clinics[1].conn);
    assert!(
        consents.iter().all(|(stream, _)| {
            !matches!(topic(stream), Topic::Patient(_, Compartment::Consent))
        })
    );
}
