//! Entries that are not what they claim: altered, signed by others, repeated, out of order, forked.

use replication::streams::{patient_stream, policy_stream};
use sync_protocol::message::Verdict;
use sync_protocol::signature::Signer;
use sync_protocol::{Class, EntryId, Payload, SeqNo, StreamId};
use tests::programs::network::number;
use vocab::{Compartment, FactKind, PatientId};

use super::World;
use super::peer::{Fate, Own};

const KIND: u16 = 999;

fn stream(number: u8) -> StreamId {
    patient_stream(PatientId::from_bytes([0x80 + number; 16]), Compartment::Vitals)
}

/// The hub's entries of this node.
fn held(world: &World) -> u64 {
    number(&world.site(), &["authored"])
}

#[test]
fn an_entry_that_was_altered_or_signed_by_another_is_refused_and_its_neighbours_are_stored() {
    let mut world = World::start();
    let mut peer = world.dial();
    type Change = fn(&mut Own);
    let changes: [(&str, Change); 5] = [
        ("a flipped bit in the payload", |own| {
            let Payload::Present(bytes) = &mut own.entry.payload else { panic!("it is present") };
            bytes[7] ^= 0x10;
        }),
        ("a flipped bit in the signature", |own| own.entry.signature[40] ^= 1),
        ("another time", |own| own.entry.header.hlc.0 += 1),
        ("another kind", |own| own.entry.header.kind = FactKind::Segment.number()),
        ("another chain key", |own| own.key.0[0] ^= 1),
    ];
    for (number, (what, change)) in (0..).zip(changes) {
        let mut bad = world.author.write(stream(number), KIND, vec![7; 64]);
        let good = world.author.write(stream(50 + number), KIND, vec![8; 64]);
        change(&mut bad);
        let fates = peer.push(&[bad.clone(), good]);
        assert_eq!(fates, [Fate::Unclear, Fate::Stored], "{what}");
        // In its long form it is no better, and that is final.
        assert_eq!(peer.push_full(&bad), Fate::Refused(Verdict::NotAuthentic), "{what}");
    }
    assert_eq!(held(&world), 5, "only the good ones");
    assert_eq!(world.set_aside(), 5, "each is kept for the operator");
    world.check_hub_serves();
}

#[test]
fn an_entry_in_the_name_of_another_node_is_refused() {
    let mut world = World::start();
    let mut peer = world.dial();
    // A key that nobody enrolled, and the honest clinic's name under our signature.
    let stranger = Signer::from_seed(&[9; 32]);
    let own = world.author.write(stream(0), KIND, vec![7; 64]);
    let key = own.key;
    let forged = stranger.sign(own.entry.header, &key, vec![7; 64]).unwrap().into_inner();
    let mut usurped = own.clone();
    let forged = Own { entry: forged, ..own };
    assert_eq!(peer.push_full(&forged), Fate::Refused(Verdict::Foreign));
    usurped.entry.header.origin = stranger.node();
    assert_eq!(peer.push_full(&usurped), Fate::Refused(Verdict::Foreign));
    assert_eq!(held(&world), 0);
    assert_eq!(world.set_aside(), 2);
    world.check_hub_serves();
}

#[test]
fn the_directory_is_written_by_the_hub_alone() {
    let mut world = World::start();
    let mut peer = world.dial();
    let before = world.honest.home.tell(&["sites"]);
    let own = world.author.write(policy_stream(), FactKind::NodeCertificate.number(), vec![1; 90]);
    assert_eq!(peer.push(&[own]), [Fate::Refused(Verdict::Foreign)]);
    assert_eq!((held(&world), world.set_aside()), (0, 1));
    world.check_hub_serves();
    assert_eq!(world.honest.home.tell(&["sites"]), before);
}

#[test]
fn what_is_repeated_or_out_of_order_is_stored_once_and_in_order() {
    let mut world = World::start();
    let mut peer = world.dial();
    let own: Vec<Own> = (0..5).map(|_| world.author.write(stream(0), KIND, vec![7; 64])).collect();
    // Later ones first: the hub says what it lacks and takes nothing.
    for late in [&own[3], &own[1]] {
        let fate = peer.push_full(late);
        assert_eq!(fate, Fate::Refused(Verdict::Gap(SeqNo(0))));
    }
    assert_eq!(held(&world), 0);
    assert_eq!(peer.push(&own[..2]), [Fate::Stored; 2]);
    assert_eq!(peer.push_full(&own[4]), Fate::Refused(Verdict::Gap(SeqNo(2))));
    assert_eq!(peer.push(&own), [Fate::Stored; 5]);
    for _ in 0..3 {
        assert_eq!(peer.push(&own), [Fate::Stored; 5], "known, and said so");
    }
    assert_eq!(held(&world), 5);

    // The same bytes on another day: a recording of the whole conversation is worth nothing.
    drop(peer);
    world.restart_hub();
    let mut peer = world.dial();
    assert_eq!(peer.push(&own), [Fate::Stored; 5]);
    assert_eq!(held(&world), 5);
    assert_eq!(world.set_aside(), 0);
    world.check_hub_serves();
}

#[test]
fn two_entries_for_one_place_are_a_fork_that_is_kept_for_a_person() {
    let mut world = World::start();
    let mut peer = world.dial();
    let first = world.author.write(stream(0), KIND, vec![7; 64]);
    let (key, sseq, id) = world.author.head(&stream(0));
    assert_eq!(peer.push(std::slice::from_ref(&first)), [Fate::Stored]);
    let other = world.author.write_at(stream(0), (key, sseq, EntryId::NONE), KIND, vec![8; 64]);
    assert_eq!(peer.push(&[other]), [Fate::Refused(Verdict::Fork)]);
    let status = world.hub_home.status();
    assert_eq!((number(&status, &["forks"]), world.set_aside()), (1, 1), "{status}");
    // The history that came first goes on.
    let next = world.author.write_at(stream(0), (key, SeqNo(2), id), KIND, vec![9; 64]);
    assert_eq!(peer.push(&[next]), [Fate::Stored]);
    world.check_hub_serves();
}

#[test]
fn frames_of_a_lane_that_are_repeated_or_missing_do_no_harm() {
    let mut world = World::start();
    let mut peer = world.dial();
    let own: Vec<Own> = (0..4).map(|_| world.author.write(stream(0), KIND, vec![7; 64])).collect();
    let frames: Vec<Vec<u8>> =
        own.iter().map(|one| peer.push_frame(Class::Fresh, std::slice::from_ref(one))).collect();
    peer.send(Class::Fresh, frames[0].clone());
    assert_eq!(peer.fates(&own[..1]), [Fate::Stored]);
    // The first again, and the third without the second: the hub asks for the lane anew.
    peer.send(Class::Fresh, frames[0].clone());
    peer.send(Class::Fresh, frames[2].clone());
    let wanted = |message: &_| matches!(message, sync_protocol::message::Message::Resync(_));
    peer.hear_until(wanted);
    assert_eq!(held(&world), 1);
    peer.send(Class::Fresh, frames[1].clone());
    peer.send(Class::Fresh, frames[2].clone());
    peer.send(Class::Fresh, frames[3].clone());
    assert_eq!(peer.fates(&own[1..]), [Fate::Stored; 3]);
    assert_eq!(held(&world), 4);
    world.check_hub_serves();
}
