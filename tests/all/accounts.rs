//! What a clinic's account of its own entries says, whatever it hears.

use replication::edge::status;
use sync_protocol::exchange::{EdgeOp, EdgeReply};
use sync_protocol::message::Verdict;

use crate::bundles::{network, talk};

/// Somebody who sends a bad entry under another's position gets an answer that names that position.
#[test]
fn what_the_hub_has_it_cannot_refuse_any_more() {
    let (mut hub, mut clinics) = network(1, 31);
    let patient = clinics[0].register(0, 1);
    talk(&mut hub, &mut clinics[0], 1);
    let before = status(&clinics[0].conn).unwrap();
    assert!(before.received > 0 && before.pending == 0);

    let EdgeReply::Hello(hello) = clinics[0].perform(2, EdgeOp::LoadHello) else {
        panic!("a greeting")
    };
    let verdict = |oseq| (hello.epoch, oseq, Verdict::Foreign);
    let verdicts: Vec<_> = (1..=before.authored).map(verdict).collect();
    let (received, durable, streams) = (Vec::new(), Vec::new(), Vec::new());
    let op = EdgeOp::MarkReceived { received, durable, incarnation: None, verdicts, streams };
    clinics[0].perform(2, op);
    assert_eq!(status(&clinics[0].conn).unwrap(), before);

    // And what is written next goes on.
    clinics[0].edit(3, patient, 1);
    talk(&mut hub, &mut clinics[0], 4);
    let after = status(&clinics[0].conn).unwrap();
    assert_eq!((after.pending, after.refused, after.held), (0, 0, 0));
}
