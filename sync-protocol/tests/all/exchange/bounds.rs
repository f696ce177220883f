//! Every limit from both sides: what just fits is taken, what just does not is refused.

use sync_protocol::exchange::{Closed, EdgeOp, EdgeReply, HelloState, Violation};
use sync_protocol::limits::{
    COMPARE_STREAMS_MAX, FEED_WINDOW_BYTES, FRAME_BYTES_TARGET, FRAME_ENTRIES_MAX, HELLO_ACKS_MAX,
    HELLO_EPOCHS_MAX, HELLO_STARTS_MAX, LIVE_BYTES_MAX, LIVE_WAITING_MAX, OPS_OPEN_MAX, PAGE_BYTES,
    PAYLOAD_BYTES_MAX, PUSH_WINDOW_BYTES, RESEND_AFTER_MS, URGENT_WINDOW_BYTES,
};
use sync_protocol::message::{
    Compare, EpochClaim, Hello, Live, Message, Push, StreamAck, StreamData, StreamPosition,
    StreamState,
};
use sync_protocol::standing::{Opening, OwnHoldings, StartRecord};
use sync_protocol::{Class, Epoch};

use super::pair::{Pair, Way, said};
use super::world::stream;
use crate::samples;

const POSITION: StreamPosition = StreamPosition { stream: samples::STREAM, version: 1, to_idx: 1 };

const START: StartRecord = StartRecord { epoch: Epoch(1), head: 1, sum: [0; 16] };

#[test]
fn a_history_and_holdings_have_as_many_lines_as_their_limits() {
    let Message::Hello(hello) = samples::messages().remove(0).1 else { panic!("a greeting") };
    let opening =
        |len| -> Message { Opening { hello: hello.clone(), starts: vec![START; len] }.into() };
    hub_takes(false, Class::Control, &[opening(HELLO_STARTS_MAX)], true);
    hub_takes(false, Class::Control, &[opening(HELLO_STARTS_MAX + 1)], false);
    let state = StreamState { stream: samples::STREAM, count: 1, sum: [0; 16] };
    let holdings =
        |len| -> Message { OwnHoldings { streams: vec![state; len], more: true }.into() };
    hub_takes(true, Class::Control, &[holdings(COMPARE_STREAMS_MAX)], true);
    hub_takes(true, Class::Control, &[holdings(COMPARE_STREAMS_MAX + 1)], false);
}

#[test]
fn a_greeting_names_as_many_epochs_and_runs_as_its_limits() {
    let claim = EpochClaim { epoch: Epoch(1), head: 1 };
    let hello = |claims, unconfirmed| -> Message {
        Hello {
            versions: (1, 1),
            epoch: Epoch(1),
            parent: None,
            claims: vec![claim; claims],
            incarnation: None,
            unconfirmed: vec![POSITION; unconfirmed],
            wall_ms: 0,
        }
        .into()
    };
    hub_takes(false, Class::Control, &[hello(HELLO_EPOCHS_MAX, HELLO_ACKS_MAX)], true);
    hub_takes(false, Class::Control, &[hello(HELLO_EPOCHS_MAX + 1, 0)], false);
    hub_takes(false, Class::Control, &[hello(0, HELLO_ACKS_MAX + 1)], false);
}

#[test]
fn an_edge_with_more_to_tell_keeps_its_greeting_within_the_limits() {
    let mut pair = Pair::new();
    assert_eq!(pair.edge.poll_store(), Some(EdgeOp::LoadHello));
    let state = HelloState {
        epoch: Epoch(1),
        parent: None,
        claims: vec![EpochClaim { epoch: Epoch(1), head: 1 }; HELLO_EPOCHS_MAX + 1],
        incarnation: None,
        unconfirmed: vec![POSITION; HELLO_ACKS_MAX + 1],
        history: vec![START; HELLO_STARTS_MAX + 1],
    };
    pair.edge.stored(pair.now, EdgeReply::Hello(state));
    let (_, frame) = pair.edge.poll_transmit(|_| true).unwrap();
    let Message::Opening(Opening { hello, starts }) = said(&frame) else { panic!("a greeting") };
    let lens = (hello.claims.len(), hello.unconfirmed.len(), starts.len());
    assert_eq!(lens, (HELLO_EPOCHS_MAX, HELLO_ACKS_MAX, HELLO_STARTS_MAX));
}

#[test]
fn a_frame_has_as_many_entries_as_its_limit() {
    let Message::Push(sample) = samples::messages().remove(2).1 else { panic!("a push") };
    let push = |len| -> Message {
        Push { entries: vec![sample.entries[0].clone(); len], ..sample.clone() }.into()
    };
    hub_takes(true, Class::Records, &[push(FRAME_ENTRIES_MAX)], true);
    hub_takes(true, Class::Records, &[push(FRAME_ENTRIES_MAX + 1)], false);
    let Message::StreamData(sample) = samples::messages().remove(4).1 else { panic!("a run") };
    let run = |len| -> Message {
        StreamData { entries: vec![sample.entries[0].clone(); len], ..sample.clone() }.into()
    };
    edge_takes(&run(FRAME_ENTRIES_MAX), None);
    edge_takes(&run(FRAME_ENTRIES_MAX + 1), Some(Violation::Limit));
    let backwards = StreamData { from_idx: 301, ..sample.clone() };
    edge_takes(&backwards.into(), Some(Violation::Contradiction));
}

#[test]
fn acknowledgements_are_as_many_as_their_limit_and_have_a_number() {
    let ack =
        |number, len| -> Message { StreamAck { number, positions: vec![POSITION; len] }.into() };
    hub_takes(true, Class::Control, &[ack(1, HELLO_ACKS_MAX)], true);
    hub_takes(true, Class::Control, &[ack(1, HELLO_ACKS_MAX + 1)], false);
    hub_takes(true, Class::Control, &[ack(0, 1)], false);
}

#[test]
fn a_comparison_has_as_many_streams_as_its_limits() {
    let state = StreamState { stream: samples::STREAM, count: 1, sum: [0; 16] };
    let compare = |len| -> Message { Compare { streams: vec![state; len], more: true }.into() };
    hub_takes(true, Class::Control, &[compare(COMPARE_STREAMS_MAX)], true);
    hub_takes(true, Class::Control, &[compare(COMPARE_STREAMS_MAX + 1)], false);
    // A million in all.
    let mut many = vec![compare(COMPARE_STREAMS_MAX); 976];
    many.push(compare(1_000_000 - 976 * COMPARE_STREAMS_MAX));
    hub_takes(true, Class::Control, &many, true);
    many.push(compare(1));
    hub_takes(true, Class::Control, &many, false);
}

#[test]
fn latest_values_are_as_long_as_their_limit() {
    let live = |len| Live { stream: samples::STREAM, values: vec![0; len] };
    hub_takes(true, Class::Fresh, &[live(LIVE_BYTES_MAX).into()], true);
    hub_takes(true, Class::Fresh, &[live(LIVE_BYTES_MAX + 1).into()], false);
    for (len, goes) in [(LIVE_BYTES_MAX, true), (LIVE_BYTES_MAX + 1, false)] {
        let mut pair = Pair::new();
        pair.run();
        pair.edge.live(live(len));
        assert_eq!(pair.edge.poll_transmit(|_| true).is_some(), goes, "edge, {len} bytes");
        pair.hub.live(live(len));
        assert_eq!(pair.hub.poll_transmit(|_| true).is_some(), goes, "hub, {len} bytes");
    }
}

#[test]
fn as_many_latest_values_wait_for_a_screen_as_their_limit() {
    let mut pair = Pair::new();
    pair.run();
    let live = |value| Live { stream: samples::STREAM, values: vec![value] };
    for number in 0..=u8::try_from(LIVE_WAITING_MAX).unwrap() {
        pair.hub.live(live(number));
        pair.run();
    }
    let waiting: Vec<Live> = std::iter::from_fn(|| pair.edge.poll_live()).collect();
    assert_eq!(waiting.len(), LIVE_WAITING_MAX);
    assert_eq!(waiting.first(), Some(&live(1)), "the oldest went");
}

#[test]
fn while_storage_is_behind_no_frame_is_taken() {
    let mut pair = Pair::new();
    pair.run();
    for number in 1..=OPS_OPEN_MAX {
        assert!(pair.hub.takes_frames(), "{number}");
        let ack = StreamAck { number: number as u64, positions: vec![POSITION] };
        pair.tell_hub(Class::Control, &ack.into());
    }
    assert!(!pair.hub.takes_frames());
    pair.run();
    assert!(pair.hub.takes_frames());
}

#[test]
fn what_is_sent_ahead_stays_within_the_windows() {
    let (bulk, urgent) = (stream(Class::Fresh, 1), stream(Class::Urgent, 1));
    let mut pair = Pair::new();
    for _ in 0..1_600 {
        pair.author(bulk, &[7; 4_000]);
        pair.author(urgent, &[7; 400]);
    }
    let mut bytes = [0; Class::COUNT];
    pair.run_over(|way, (class, frame)| {
        if way == Way::Up && class != Class::Control {
            bytes[class.index()] += frame.len();
            return Vec::new();
        }
        vec![(class, frame)]
    });
    within(bytes[Class::Fresh.index()], PUSH_WINDOW_BYTES, PAGE_BYTES);
    within(bytes[Class::Urgent.index()], URGENT_WINDOW_BYTES, URGENT_WINDOW_BYTES);

    let mut pair = Pair::new();
    pair.offer(bulk, &vec![vec![7; 4_000]; 1_600]);
    let mut bytes = 0;
    pair.run_over(|way, (class, frame)| {
        if way == Way::Down && class != Class::Control {
            bytes += frame.len();
            return Vec::new();
        }
        vec![(class, frame)]
    });
    within(bytes, FEED_WINDOW_BYTES, 5 * PAGE_BYTES);
}

#[track_caller]
fn within(bytes: usize, window: usize, page: usize) {
    assert!(bytes > window / 2 && bytes < window + page, "{bytes} of {window}");
}

#[test]
fn frames_are_filled_up_to_their_usual_size_and_longer_only_for_one_entry() {
    let id = stream(Class::Records, 1);
    let mut pair = Pair::new();
    for len in [100, 15_000, 15_000, PAYLOAD_BYTES_MAX, 100, 16_300, PAYLOAD_BYTES_MAX, 30, 40] {
        pair.author(id, &vec![1; len]);
    }
    pair.run_over(|_, (class, frame)| {
        if let Message::Push(push) = said(&frame) {
            let usual = frame.len() <= FRAME_BYTES_TARGET + 512;
            assert!(usual || push.entries.len() == 1, "{} bytes", frame.len());
        }
        vec![(class, frame)]
    });
    assert_eq!(pair.at_hub(&id), 9);
    assert!(pair.is_idle());
}

#[test]
fn what_nobody_acknowledges_is_sent_again_when_its_time_is_over() {
    let id = stream(Class::Records, 1);
    let mut pair = Pair::new();
    pair.run();
    pair.author(id, b"lost");
    let mut pushes = 0;
    let mut swallow = |way, (class, frame): (Class, Vec<u8>)| {
        if way == Way::Up && matches!(said(&frame), Message::Push(_)) {
            pushes += 1;
            return Vec::new();
        }
        vec![(class, frame)]
    };
    pair.wait_over(RESEND_AFTER_MS - 1, &mut swallow);
    pair.wait_over(1_000, &mut swallow);
    assert_eq!(pushes, 2, "once at first, once when overdue");
    pair.wait(2 * RESEND_AFTER_MS);
    assert!(pair.is_idle());
    assert_eq!(pair.at_hub(&id), 1);
}

#[track_caller]
fn hub_takes(greeted: bool, class: Class, messages: &[Message], good: bool) {
    let mut pair = Pair::new();
    if greeted {
        pair.run();
    }
    for (number, message) in (0..).zip(messages) {
        let frame = sync_protocol::message::Frame::encode(0, number, message);
        pair.hub.receive(pair.now, class, &frame);
    }
    let expected = if good { None } else { Some(Closed::Violation(Violation::Limit)) };
    assert_eq!(pair.hub.closed(), expected.as_ref());
}

#[track_caller]
fn edge_takes(message: &Message, expected: Option<Violation>) {
    let mut pair = Pair::new();
    pair.run();
    pair.tell_edge(Class::Records, message);
    assert_eq!(pair.edge.closed().copied(), expected.map(Closed::Violation));
}
