//! What a peer can make wait here is bounded, whether it reads our answers or not.

use sync_protocol::exchange::{Closed, EdgeOp, HubOp, Violation};
use sync_protocol::limits::{
    HUB_ANSWERS_WAITING_MAX, LIVE_BYTES_MAX, MARKS_WAITING_MAX, OPS_OPEN_MAX,
};
use sync_protocol::message::{
    Compare, EpochClaim, Frame, Hello, Live, PushAck, StreamData, StreamState,
};
use sync_protocol::{Class, Epoch, StreamId};

use super::pair::Pair;
use super::world::stream;
use crate::samples;

#[test]
fn an_edge_that_takes_no_answers_is_heard_no_more_until_it_does() {
    let mut pair = Pair::new();
    for _ in 0..200 {
        pair.author(stream(Class::Records, 1), b"own");
    }
    pair.run();
    let hello = Hello {
        versions: (1, 1),
        epoch: Epoch(1),
        parent: None,
        claims: vec![EpochClaim { epoch: Epoch(1), head: 1 }],
        incarnation: None,
        unconfirmed: Vec::new(),
        wall_ms: 0,
    };
    let mut heard = 0_usize;
    while pair.hub.takes_frames() {
        // Each is answered again, in case the answer was lost.
        pair.tell_hub(Class::Control, &hello.clone().into());
        heard += 1;
        assert!(heard <= HUB_ANSWERS_WAITING_MAX, "an answer has at least one byte");
    }
    let mut waiting = 0;
    while let Some((_, frame)) = pair.hub.poll_transmit(|_| true) {
        waiting += frame.len();
    }
    assert!((HUB_ANSWERS_WAITING_MAX..HUB_ANSWERS_WAITING_MAX + 1_024).contains(&waiting));
    assert!(pair.hub.takes_frames() && pair.hub.closed().is_none());
}

#[test]
fn acknowledgements_wait_for_storage_up_to_their_limit() {
    let mut pair = Pair::new();
    pair.run();
    let id = |number: usize| {
        let mut subject = [0; 16];
        subject[..8].copy_from_slice(&(number as u64).to_be_bytes());
        StreamId { subject, ..samples::STREAM }
    };
    let state = |number| StreamState { stream: id(number), count: 1, sum: [0; 16] };
    let ack = |from: usize, len: usize| PushAck {
        streams: (from..from + len).map(state).collect(),
        ..PushAck::default()
    };
    // The first is given to storage, which does not answer; the rest waits.
    pair.tell_edge(Class::Control, &ack(0, 1).into());
    assert!(pair.edge.poll_store().is_some());
    pair.tell_edge(Class::Control, &ack(0, MARKS_WAITING_MAX / 4).into());
    for part in 0..3 {
        assert!(pair.edge.takes_frames(), "{part}");
        pair.tell_edge(Class::Control, &ack(part * 20_000, 20_000).into());
    }
    assert!(pair.edge.takes_frames(), "the same streams count once");
    pair.tell_edge(Class::Control, &ack(60_000, MARKS_WAITING_MAX - 60_000).into());
    assert!(!pair.edge.takes_frames());

    let mut pair = Pair::new();
    pair.run();
    let epochs: Vec<_> =
        (0..MARKS_WAITING_MAX as u64).map(|n| (Epoch(n), [n].into_iter().collect())).collect();
    pair.tell_edge(Class::Control, &ack(0, 1).into());
    assert!(pair.edge.poll_store().is_some());
    pair.tell_edge(Class::Control, &PushAck { received: epochs, ..PushAck::default() }.into());
    assert!(!pair.edge.takes_frames());
}

#[test]
fn a_second_comparison_does_not_wait_beside_the_first() {
    let mut pair = Pair::new();
    pair.run();
    let state = StreamState { stream: samples::STREAM, count: 1, sum: [0; 16] };
    for _ in 0..OPS_OPEN_MAX / 2 {
        pair.tell_hub(Class::Control, &Compare { streams: vec![state], more: false }.into());
    }
    let asked = std::iter::from_fn(|| pair.hub.poll_store());
    assert_eq!(asked.filter(|op| matches!(op, HubOp::Compare(_))).count(), 1);
}

#[test]
fn latest_values_of_the_hub_are_as_long_as_their_limit() {
    for (len, good) in [(LIVE_BYTES_MAX, true), (LIVE_BYTES_MAX + 1, false)] {
        let mut pair = Pair::new();
        pair.run();
        let live = Live { stream: samples::STREAM, values: vec![0; len] };
        pair.tell_edge(Class::Fresh, &live.into());
        let expected = if good { None } else { Some(&Closed::Violation(Violation::Limit)) };
        assert_eq!(pair.edge.closed(), expected, "{len} bytes");
    }
}

#[test]
fn runs_without_entries_are_held_up_to_a_limit_too() {
    let mut pair = Pair::new();
    pair.answer();
    let run = StreamData {
        stream: samples::STREAM,
        version: 1,
        from_idx: 0,
        to_idx: 1,
        head_sum: None,
        chains: Vec::new(),
        entries: Vec::new(),
    };
    let message = run.into();
    for number in 0..80_000 {
        let frame = Frame::encode(0, number, &message);
        pair.edge.receive(pair.now, Class::Records, &frame);
    }
    // The greeting is answered and settled, and what was held goes to storage.
    let (_, hello) = pair.edge.poll_transmit(|_| true).unwrap();
    pair.hub.receive(pair.now, Class::Control, &hello);
    pair.answer();
    let (_, ack) = pair.hub.poll_transmit(|_| true).unwrap();
    pair.edge.receive(pair.now, Class::Control, &ack);
    let mut held = 0;
    while let Some(op) = pair.edge.poll_store() {
        held += usize::from(matches!(op, EdgeOp::Apply(_)));
        let reply = pair.edge_store.perform(op);
        pair.edge.stored(pair.now, reply);
    }
    assert!((1..70_000).contains(&held), "{held} runs");
}
