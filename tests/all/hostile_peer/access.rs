//! Who is let in at all, and what an enrolled node can get or write that is not its own.

use replication::streams::patient_stream;
use sync_protocol::Class;
use sync_protocol::entry::WithheldReason;
use sync_protocol::message::{
    Behind, Compare, Message, StreamAck, StreamPosition, StreamState, Verdict,
};
use tests::programs::network::{door, number};
use tests::programs::{Reading, body, until};
use transport::dialer::DialError;
use transport::link::LinkError;
use transport::{Dialer, LinkProfile, TlsIdentity};
use vocab::{Compartment, FactKind, PatientId};

use super::World;
use super::peer::{Fate, Peer};

const NO_ACCESS: Fate = Fate::Refused(Verdict::Quarantined(WithheldReason::NoAccess));

/// The id of the honest clinic's patient.
pub(super) fn patient(world: &World) -> PatientId {
    let list = world.honest.home.tell(&["patient", "list"]);
    let id = list.lines().nth(1).and_then(|line| line.split(',').next()).unwrap();
    id.parse().unwrap()
}

#[test]
fn a_key_that_was_never_enrolled_gets_no_conversation() {
    let mut world = World::start();
    let hub = door(&world.hub);
    // The node's other key is enrolled for another purpose.
    for seed in [[9; 32], world.author.node_seed] {
        let peer = Peer::dial(&seed, hub, &world.hub_key);
        assert_eq!(peer.closed(), LinkError::NotAdmitted);
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let refused = runtime.block_on(async {
        let identity = TlsIdentity::from_seed(&world.author.tls_seed).unwrap();
        let dialer = Dialer::new(&identity, LinkProfile::Wide).unwrap();
        dialer.connect(hub, &[9; 32]).await.map(drop)
    });
    assert!(matches!(refused, Err(DialError::WrongServerKey(_))), "{refused:?}");
    drop(world.dial());
    world.check_hub_serves();
}

#[test]
fn nobody_writes_into_the_record_of_another_clinics_patient() {
    let mut world = World::start();
    until("the patient is at the hub", || world.honest.is_in_step());
    let patient = patient(&world);
    let mut peer = world.dial();
    let cases = [
        (Compartment::Identity, FactKind::DocumentChange),
        (Compartment::Vitals, FactKind::Segment),
        (Compartment::Alerts, FactKind::Alerts),
        // Not even a permission for itself.
        (Compartment::Consent, FactKind::ConsentGrant),
    ];
    for (compartment, kind) in cases {
        let stream = patient_stream(patient, compartment);
        let own = world.author.write(stream, kind.number(), vec![1; 64]);
        assert_eq!(peer.push(&[own]), [NO_ACCESS], "{compartment:?}");
    }
    assert_eq!(world.set_aside(), 4);
    assert!(world.honest.home.tell(&["patient", "list"]).contains("Somebody"));
    assert!(world.honest.home.tell(&["consent", "list", "p-1"]).contains("nothing was allowed"));
    world.check_hub_serves();
}

#[test]
fn no_crafted_position_fetches_what_was_not_allowed() {
    let mut world = World::start();
    let monitor = world.honest.device("bed-4-mon");
    let reading = Reading::pulse("bed-4-mon", "p-1", -1, "84").of("59408-5", "%");
    monitor.deliver(world.honest.http(), &body("b-1", &[reading]));
    world.honest.home.tell(&["flush"]);
    until("all of it is at the hub", || world.honest.is_in_step());
    let patient = patient(&world);
    let mut peer = world.dial();
    let streams = Compartment::ALL.map(|compartment| patient_stream(patient, compartment));
    for (at, stream) in (0..).zip(streams) {
        let position = |to_idx| StreamPosition { stream, version: 1, to_idx };
        peer.say(Class::Control, &Behind { position: position(0) }.into());
        let ack = StreamAck { number: at + 1, positions: vec![position(1)] };
        peer.say(Class::Control, &ack.into());
        let state = StreamState { stream, count: 0, sum: [7; 16] };
        peer.say(Class::Control, &Compare { streams: vec![state], more: false }.into());
        let live = sync_protocol::message::Live { stream, values: vec![1, 2, 3] };
        peer.say(Class::Fresh, &live.into());
        // The hub has taken each of these when it answers for the acknowledgement after them.
        let heard = peer.hear_until(
            |message| matches!(message, Message::AcksStored(stored) if stored.number == at + 1),
        );
        for message in heard {
            if let Message::StreamData(data) = message {
                assert_eq!(data.stream.scope, 3, "only the directory is everybody's: {data:?}");
            }
        }
    }
    // Something new of that patient is sent to nobody else either.
    world.honest.home.tell(&["patient", "edit", "p-1", "--name", "Another Name"]);
    until("it is at the hub", || world.honest.is_in_step());
    peer.greet(&world.author);
    let held = number(&world.site(), &["delivered"]);
    assert!(held <= 2, "the two certificates at most, not {held}");
    world.check_hub_serves();
}
