//! Frames that are none, and messages out of turn. They cost the conversation, and nothing else.

use sync_protocol::limits::{COMPARE_STREAMS_MAX, FRAME_BYTES_MAX, LIVE_BYTES_MAX};
use sync_protocol::message::{
    Bye, ByeReason, Compare, Frame, HelloAck, Live, Message, Push, StreamState,
};
use sync_protocol::{Class, Epoch, StreamId};

use super::World;
use super::peer::Peer;

const SOMETHING: StreamId = StreamId { scope: 1, subject: [1; 16], compartment: 2, generation: 0 };

/// The hub says good-bye for a broken rule, and the link ends.
#[track_caller]
fn check_ends(what: &str, peer: &Peer) {
    let heard = peer.hear_until(|message| matches!(message, Message::Bye(_)));
    let Some(Message::Bye(Bye { reason, .. })) = heard.last() else { panic!("{what}") };
    assert_eq!(*reason, ByeReason::ProtocolViolation, "{what}");
    peer.closed();
}

fn garbage() -> Vec<(&'static str, Vec<u8>)> {
    let overlong = [&[0x80, 0x00][..], &[0, 13, 0, 0]].concat();
    vec![
        ("a single byte", vec![0xff]),
        // A type that is not known would be passed over: a newer program may say more.
        (
            "noise",
            [0, 0, 3]
                .into_iter()
                .chain((0..999_u32).map(|at| u8::try_from(at * at % 251).unwrap()))
                .collect(),
        ),
        ("zeros", [0, 0, 3].into_iter().chain([0; 4_096]).collect()),
        ("the longest frame", vec![1; FRAME_BYTES_MAX]),
        ("a number that is not minimal", overlong),
        ("a message that is cut off", vec![0, 0, 1, 1]),
        ("a length without its bytes", vec![0, 0, 3, 0, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        ("something behind the message", {
            let bye = Bye { reason: ByeReason::Done, retry_after_ms: None };
            [Frame::encode(0, 0, &bye.into()), vec![0]].concat()
        }),
    ]
}

#[test]
fn what_is_no_frame_ends_the_conversation_and_nothing_else() {
    let mut world = World::start();
    for (what, bytes) in garbage() {
        for class in [Class::Control, Class::Fresh] {
            let peer = world.dial();
            peer.send(class, bytes.clone());
            check_ends(&format!("{what} on {class:?}"), &peer);
            assert!(world.hub.is_up(), "{what} ended the hub: {}", world.hub.said());
        }
    }
    world.check_hub_serves();
}

#[test]
fn a_message_out_of_turn_or_over_its_limit_ends_the_conversation() {
    let mut world = World::start();
    let push = Push { epoch: Epoch(1), chains: Vec::new(), entries: Vec::new() };
    let mut before_greeting = world.dial_silently();
    before_greeting.say(Class::Fresh, &push.clone().into());
    check_ends("a push before the greeting", &before_greeting);

    let state = StreamState { stream: SOMETHING, count: 1, sum: [0; 16] };
    let ack = HelloAck {
        version: 1,
        incarnation: 0,
        received: Vec::new(),
        durable: Vec::new(),
        feed: (0, [0; 16]),
        wall_ms: 0,
    };
    let cases: [(&str, Class, Message); 4] = [
        ("a push on the control lane", Class::Control, push.into()),
        ("a hub's words", Class::Control, ack.into()),
        (
            "too long a comparison",
            Class::Control,
            Compare { streams: vec![state; COMPARE_STREAMS_MAX + 1], more: true }.into(),
        ),
        (
            "too long a live message",
            Class::Fresh,
            Live { stream: SOMETHING, values: vec![0; LIVE_BYTES_MAX + 1] }.into(),
        ),
    ];
    for (what, class, message) in cases {
        let mut peer = world.dial();
        peer.say(class, &message);
        check_ends(what, &peer);
    }
    // What is just within its limit is borne.
    let mut peer = world.dial();
    let most = Compare { streams: vec![state; COMPARE_STREAMS_MAX], more: false };
    peer.say(Class::Control, &most.into());
    peer.say(Class::Fresh, &Live { stream: SOMETHING, values: vec![0; LIVE_BYTES_MAX] }.into());
    peer.greet(&world.author);
    world.check_hub_serves();
}

#[test]
fn a_comparison_without_an_end_is_bounded() {
    let mut world = World::start();
    let resident = world.hub.resident_kib();
    let mut peer = world.dial();
    let state = StreamState { stream: SOMETHING, count: 1, sum: [0; 16] };
    let part = Message::from(Compare { streams: vec![state; COMPARE_STREAMS_MAX], more: true });
    // A million streams are the largest clinic's three times over; then it is enough.
    for _ in 0..1_000_000 / COMPARE_STREAMS_MAX + 1 {
        peer.say(Class::Control, &part);
    }
    check_ends("a comparison without an end", &peer);
    let growth = world.hub.peak_kib().zip(resident).map(|(peak, before)| peak - before);
    println!("{growth:?} KiB");
    assert!(growth.is_none_or(|kib| kib < 128 * 1024), "{growth:?} KiB");
    world.check_hub_serves();
}
