//! What is broken or not the sender's to say is refused with a reason, and nothing beside it suffers.

use sync_protocol::exchange::{Closed, Violation};
use sync_protocol::message::{
    Bye, ByeReason, Frame, Hello, HelloAck, Live, Message, NeedFull, Push, Resync, Verdict,
};
use sync_protocol::standing::Opening;
use sync_protocol::{Class, Epoch, limits};

use super::edge_store::State;
use super::pair::{Pair, Way, said};
use super::world::stream;
use crate::dice::Dice;
use crate::samples;

const HOURS: u64 = 60 * 60 * 1_000;

/// Flips a bit of `needle` where it stands in `frame`; answers whether it does.
fn spoil(frame: &mut [u8], needle: &[u8]) -> bool {
    let at = frame.windows(needle.len()).position(|window| window == needle);
    if let Some(at) = at {
        frame[at + 5] ^= 4;
    }
    at.is_some()
}

#[test]
fn an_entry_that_was_spoilt_on_its_way_comes_in_full() {
    let mut pair = Pair::new();
    let (spoilt, other) = (stream(Class::Records, 1), stream(Class::Records, 2));
    for _ in 0..3 {
        pair.author(spoilt, b"one of a chain");
        pair.author(other, b"a neighbour");
    }
    let victim = pair.edge_store.log.values().next().unwrap().entry.signature;
    let mut times = 0;
    pair.run_over(|way, (class, mut frame)| {
        if way == Way::Up && times == 0 && spoil(&mut frame, &victim) {
            times += 1;
        }
        vec![(class, frame)]
    });
    pair.wait(2 * limits::GAP_RETRY_MS);
    assert_eq!((times, pair.at_hub(&spoilt), pair.at_hub(&other)), (1, 3, 3));
    assert!(pair.is_idle());
    assert!(pair.hub.tally().refused > 0);
    assert_eq!(pair.hub_store.aside, []);
    // What is written next goes the short way again.
    pair.author(spoilt, b"one more");
    pair.run_over(|_, (class, frame)| {
        assert!(!matches!(said(&frame), Message::NeedFull(_)), "the thread is found again");
        vec![(class, frame)]
    });
    assert_eq!(pair.at_hub(&spoilt), 4);
}

#[test]
fn an_entry_that_is_bad_at_home_is_kept_aside_and_its_neighbours_go_on() {
    let mut pair = Pair::new();
    let (bad, good) = (stream(Class::Records, 1), stream(Class::Records, 2));
    for _ in 0..3 {
        pair.author(bad, b"one of a chain");
        pair.author(good, b"a neighbour");
    }
    let second = *pair.edge_store.log.keys().nth(2).unwrap();
    pair.edge_store.log.get_mut(&second).unwrap().entry.signature[9] ^= 1;
    for _ in 0..2 {
        pair.wait(HOURS);
        assert!(pair.is_idle(), "what cannot go on is left for the next conversation");
        assert_eq!((pair.at_hub(&bad), pair.at_hub(&good)), (1, 3));
        let states: Vec<State> = pair.edge_store.log.values().map(|own| own.state).collect();
        assert_eq!(states[0], State::Received);
        assert_eq!(states[2], State::Refused(Verdict::NotAuthentic));
        assert_eq!(states[4], State::Pending, "waits for its predecessor");
        let me = pair.edge_store.node();
        assert_eq!(pair.hub_store.aside, [(me, second.oseq, Verdict::NotAuthentic)]);
        assert!(pair.hub.tally().repeats < 20, "it is not asked for without end");
        pair.reconnect();
    }
}

#[test]
fn an_entry_that_contradicts_itself_is_refused_by_its_place() {
    let mut pair = Pair::new();
    let id = stream(Class::Records, 1);
    pair.author(id, b"first");
    pair.author(id, b"second");
    let mut rows = pair.edge_store.log.values_mut();
    rows.nth(1).unwrap().entry.header.sprev = sync_protocol::EntryId::NONE;
    pair.run();
    let states: Vec<State> = pair.edge_store.log.values().map(|own| own.state).collect();
    assert_eq!(states, [State::Received, State::Refused(Verdict::NotAuthentic)]);
    assert!(pair.is_idle());
}

#[test]
fn two_entries_at_one_position_are_a_fork_and_the_first_stays() {
    let mut pair = Pair::new();
    let id = stream(Class::Records, 1);
    let first = pair.author(id, b"first");
    pair.run();
    // The same process once more, as a machine that is resumed from a snapshot of its memory.
    let mut copy = Pair::new();
    copy.hub_store = std::mem::take(&mut pair.hub_store);
    copy.author(id, b"other");
    copy.wait(HOURS);
    assert_eq!(copy.edge.closed(), Some(&Closed::SecondCopy));
    let state = copy.edge_store.log.values().next().unwrap().state;
    assert_eq!(state, State::Refused(Verdict::Fork));
    assert_eq!(copy.hub_store.ids(&id, |_| true), [first]);
}

#[test]
fn a_copy_that_was_started_anew_writes_beside_what_it_does_not_know() {
    let mut pair = Pair::new();
    let id = stream(Class::Records, 1);
    let first = pair.author(id, b"first");
    pair.run();
    let mut copy = Pair::new();
    copy.hub_store = std::mem::take(&mut pair.hub_store);
    copy.edge_store.restart(Epoch(77));
    let other = copy.author(id, b"other");
    copy.wait(HOURS);
    assert!(copy.is_idle());
    assert_eq!(copy.hub_store.ids(&id, |_| true), [first, other]);
}

#[test]
fn only_the_senders_own_entries_are_taken() {
    let mut pair = Pair::new();
    let id = stream(Class::Records, 1);
    for _ in 0..3 {
        pair.author(id, b"mine");
    }
    // The second is somebody else's, authentic as it is; the third claims an epoch it has not.
    let mut rows = pair.edge_store.log.values_mut();
    let (_, second, third) = (rows.next().unwrap(), rows.next().unwrap(), rows.next().unwrap());
    second.entry = samples::chain().remove(0);
    second.id = second.entry.id();
    third.epoch = Epoch(5);
    pair.wait(HOURS);
    let states: Vec<State> = pair.edge_store.log.values().map(|own| own.state).collect();
    let foreign = State::Refused(Verdict::Foreign);
    assert_eq!(states, [State::Received, foreign, foreign]);
    assert_eq!(pair.at_hub(&id), 1);
    assert!(pair.is_idle());
}

#[test]
fn what_came_before_the_certificate_of_its_author_is_taken_right_after_it() {
    let mut pair = Pair::new();
    pair.edge_store.knows_nobody = true;
    let (alerts, policy) = (stream(Class::Urgent, 1), stream(Class::Policy, 1));
    pair.offer(alerts, &[b"one".to_vec(), b"two".to_vec()]);
    pair.run();
    assert_eq!(pair.at_edge(&alerts), 0);
    assert!(!pair.edge.is_idle(), "not up to date");
    pair.offer(policy, &[b"certificate".to_vec()]);
    // No time passes.
    pair.run();
    assert_eq!(pair.at_edge(&alerts), 2);
    assert!(pair.is_idle());
}

#[test]
fn a_run_that_is_bad_at_the_hub_stops_no_other() {
    let mut pair = Pair::new();
    let (bad, good) = (stream(Class::Records, 1), stream(Class::Records, 2));
    pair.offer(bad, &[b"one".to_vec(), b"two".to_vec()]);
    pair.hub_store.streams.get_mut(&bad).unwrap().rows[1].spoil();
    pair.offer(good, &[b"one".to_vec()]);
    pair.wait(5 * 60 * 1_000);
    assert_eq!((pair.at_edge(&bad), pair.at_edge(&good)), (0, 1));
    pair.offer(good, &[b"later".to_vec()]);
    pair.wait(5 * 60 * 1_000);
    assert!(pair.edge.tally().refused > 0);
    assert!(pair.hub.tally().resyncs < 15, "about once a minute: {:?}", pair.hub.tally());
    assert!(pair.hub.tally().entries_sent < 200, "{:?}", pair.hub.tally());
}

#[test]
fn nothing_that_was_captured_changes_anything_when_it_is_played_again() {
    let mut pair = Pair::new();
    let (up, down) = (stream(Class::Urgent, 1), stream(Class::Records, 2));
    pair.author(up, b"up");
    pair.offer(down, &[b"down".to_vec()]);
    let mut captured = Vec::new();
    pair.run_over(|way, (class, frame)| {
        captured.push((way, class, frame.clone()));
        vec![(class, frame)]
    });
    pair.author(up, b"up again");
    pair.run();
    assert!(pair.is_idle());
    let before = state(&pair);
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        pair.reconnect();
        pair.run();
        for _ in 0..captured.len() * 2 {
            let (way, class, frame) = &captured[dice.index(captured.len())];
            match way {
                Way::Up => pair.hub.receive(pair.now, *class, frame),
                Way::Down => pair.edge.receive(pair.now, *class, frame),
            }
            if dice.percent(50) {
                pair.run();
            }
        }
        pair.run();
        assert_eq!(state(&pair), before, "seed {seed}");
    }
}

/// What both sides hold.
fn state(pair: &Pair) -> String {
    let at_hub: Vec<_> = pair.hub_store.streams.values().map(|stream| &stream.rows).collect();
    let at_edge: Vec<_> = pair.edge_store.foreign.values().map(|copy| &copy.ids).collect();
    format!("{at_hub:?} {at_edge:?} {:?}", pair.edge_store.log)
}

#[test]
fn a_lane_that_starts_anew_sends_nothing_of_what_it_was() {
    let mut pair = Pair::new();
    pair.run();
    for _ in 0..20 {
        pair.author(stream(Class::Records, 1), &[7; 9_000]);
    }
    pair.answer();
    let (_, lost) = pair.edge.poll_transmit(|_| true).unwrap();
    assert_eq!(Frame::decode(&lost).unwrap().generation, 0);
    pair.tell_edge(Class::Control, &Resync { class: 3, generation: 0 }.into());
    pair.run_over(|way, (class, frame)| {
        let generation = Frame::decode(&frame).unwrap().generation;
        let expected = u32::from((way, class) == (Way::Up, Class::Records));
        assert_eq!(generation, expected, "{class:?}");
        vec![(class, frame)]
    });
    assert_eq!(pair.at_hub(&stream(Class::Records, 1)), 20);
    assert!(pair.is_idle());
}

#[test]
fn types_of_a_newer_version_are_passed_over() {
    let mut pair = Pair::new();
    pair.author(stream(Class::Records, 1), b"known");
    let newer = [0, 0, 0x99, 0x01, 1, 2, 3];
    pair.run_over(|_, sent| {
        vec![(Class::Control, newer.to_vec()), sent, (Class::Blobs, newer.to_vec())]
    });
    assert!(pair.is_idle());
    assert_eq!(pair.at_hub(&stream(Class::Records, 1)), 1);
}

#[test]
fn what_is_said_out_of_turn_ends_the_conversation() {
    let push: Message = Push { epoch: Epoch(1), chains: Vec::new(), entries: Vec::new() }.into();
    let data = samples::messages().remove(4).1;
    let answer: Message = HelloAck {
        version: 1,
        incarnation: 1,
        received: Vec::new(),
        durable: Vec::new(),
        feed: (0, [0; 16]),
        wall_ms: 0,
    }
    .into();
    hub_ends(false, Class::Records, &push, Violation::OutOfTurn);
    hub_ends(true, Class::Control, &push, Violation::OutOfTurn);
    hub_ends(true, Class::Records, &data, Violation::OutOfTurn);
    hub_ends(true, Class::Control, &answer, Violation::OutOfTurn);
    let need: Message = NeedFull { epoch: Epoch(1), oseq: 1 }.into();
    hub_ends(true, Class::Control, &need, Violation::OutOfTurn);
    let nowhere: Message = Resync { class: 7, generation: 0 }.into();
    hub_ends(true, Class::Control, &nowhere, Violation::Contradiction);
    edge_ends(Class::Records, &push, Violation::OutOfTurn);
    edge_ends(Class::Control, &data, Violation::OutOfTurn);
    edge_ends(Class::Control, &nowhere, Violation::Contradiction);
    let own: Message = Live { stream: samples::STREAM, values: Vec::new() }.into();
    let mut pair = Pair::new();
    pair.run();
    pair.tell_edge(Class::Fresh, &own);
    assert_eq!(pair.edge.closed(), None, "latest values are no reason to end");
}

#[track_caller]
fn hub_ends(greeted: bool, class: Class, message: &Message, why: Violation) {
    let mut pair = Pair::new();
    if greeted {
        pair.run();
    }
    pair.tell_hub(class, message);
    assert_eq!(pair.hub.closed(), Some(&Closed::Violation(why)));
    let (_, frame) = pair.hub.poll_transmit(|_| true).unwrap();
    let bye = Bye { reason: ByeReason::ProtocolViolation, retry_after_ms: None };
    assert_eq!(said(&frame), bye.into(), "and says so");
}

#[track_caller]
fn edge_ends(class: Class, message: &Message, why: Violation) {
    let mut pair = Pair::new();
    pair.run();
    pair.tell_edge(class, message);
    assert_eq!(pair.edge.closed(), Some(&Closed::Violation(why)));
}

#[test]
fn bytes_that_are_no_frame_end_the_conversation() {
    let mut pair = Pair::new();
    pair.run();
    pair.hub.receive(pair.now, Class::Control, &[1]);
    assert_eq!(pair.hub.closed(), Some(&Closed::Violation(Violation::Frame)));
    pair.edge.receive(pair.now, Class::Control, &vec![0; limits::FRAME_BYTES_MAX + 1]);
    assert_eq!(pair.edge.closed(), Some(&Closed::Violation(Violation::Frame)));
}

#[test]
fn a_greeting_is_repeated_until_it_is_answered_or_given_up() {
    let mut pair = Pair::new();
    let mut greetings = 0;
    pair.wait_over(limits::GREETING_TIMEOUT_MS - 1, |way, (_, frame)| {
        greetings += usize::from(way == Way::Up && matches!(said(&frame), Message::Opening(_)));
        Vec::new()
    });
    assert_eq!((greetings, pair.edge.closed(), pair.hub.closed()), (10, None, None));
    pair.wait_over(1, |_, _| Vec::new());
    assert_eq!(pair.edge.closed(), Some(&Closed::NoAnswer));
    assert_eq!(pair.hub.closed(), Some(&Closed::NoAnswer));

    let mut lucky = Pair::new();
    let mut lost = 3;
    lucky.wait_over(limits::GREETING_TIMEOUT_MS, |_, sent| {
        lost = i32::max(lost - 1, -1);
        if lost >= 0 { Vec::new() } else { vec![sent] }
    });
    assert!(lucky.is_idle());
}

#[test]
fn versions_that_do_not_meet_are_turned_away() {
    let mut pair = Pair::new();
    pair.run_over(|_, (class, frame)| match said(&frame) {
        Message::Opening(Opening { hello, starts }) => {
            let hello = Hello { versions: (2, 9), ..hello };
            let newer: Message = Opening { hello, starts }.into();
            vec![(class, Frame::encode(0, 0, &newer))]
        }
        _ => vec![(class, frame)],
    });
    assert_eq!(pair.hub.closed(), Some(&Closed::NoCommonVersion));
    assert_eq!(pair.edge.closed(), Some(&Closed::NoCommonVersion));
}

#[test]
fn a_newer_edge_speaks_the_version_that_both_know() {
    let id = stream(Class::Records, 1);
    let mut pair = Pair::new();
    pair.author(id, b"own");
    let mut answered = Vec::new();
    pair.run_over(|_, (class, frame)| match said(&frame) {
        Message::Opening(Opening { hello, starts }) => {
            let newer: Message =
                Opening { hello: Hello { versions: (1, 9), ..hello }, starts }.into();
            vec![(class, Frame::encode(0, 0, &newer))]
        }
        Message::Placed(placed) => {
            answered.push(placed.answer.version);
            vec![(class, frame)]
        }
        _ => vec![(class, frame)],
    });
    assert_eq!(answered, [1]);
    assert!(pair.is_idle());
    assert_eq!(pair.at_hub(&id), 1);
}

#[test]
fn a_second_copy_delivers_what_it_wrote_and_gets_nothing() {
    let mut copy = Pair::new();
    let (own, others) = (stream(Class::Records, 1), stream(Class::Records, 2));
    let me = copy.edge_store.node();
    copy.hub_store.copies.insert(me);
    copy.offer(others, &[b"of another site".to_vec()]);
    let written = copy.author(own, b"written by the copy");
    copy.run();
    assert_eq!(copy.hub_store.ids(&own, |_| true), [written]);
    assert_eq!(copy.edge_store.log.values().next().unwrap().state, State::Received);
    assert!(copy.edge_store.foreign.is_empty(), "nothing was served");
    assert_eq!(copy.edge.closed(), Some(&Closed::SecondCopy));
    let done = Closed::ByPeer { reason: ByeReason::Done, retry_after_ms: None };
    assert_eq!(copy.hub.closed(), Some(&done));
}

#[test]
fn an_edge_that_lost_its_own_entries_gets_them_back() {
    let mut pair = Pair::new();
    let streams = [stream(Class::Records, 1), stream(Class::Fresh, 2)];
    let written: Vec<_> = (0..10).map(|at| pair.author(streams[at % 2], b"ours")).collect();
    pair.run();
    // The disk is put back: what was written last is gone, and so is what the hub said of it.
    let kept: Vec<_> = pair.edge_store.log.keys().take(3).copied().collect();
    pair.edge_store.log.retain(|cursor, _| kept.contains(cursor));
    pair.edge_store.restart(Epoch(9));
    pair.reconnect();
    let mut own = 0;
    pair.wait_over(HOURS, |_, (class, frame)| {
        let is_own = matches!(said(&frame), Message::OwnEntries(_));
        own += usize::from(is_own);
        // Some are lost; the lane starts anew, and they are sent again.
        if is_own && own % 4 == 1 { Vec::new() } else { vec![(class, frame)] }
    });
    assert!(pair.is_idle());
    let mut held: Vec<_> = pair.edge_store.log.values().map(|own| own.id).collect();
    held.sort();
    let mut expected = written;
    expected.sort();
    assert_eq!(held, expected);
    assert!(own > 7, "{own}");
}

/// The hub learns of them after the greeting, from another edge that still had them.
#[test]
fn what_others_bring_goes_to_its_author_though_nobody_greets_anew() {
    let mut pair = Pair::new();
    let streams = [stream(Class::Records, 1), stream(Class::Fresh, 2)];
    let written: Vec<_> = (0..6).map(|at| pair.author(streams[at % 2], b"ours")).collect();
    pair.run();
    pair.edge_store.log.clear();
    pair.hub.brought(&streams);
    let mut own = 0;
    pair.wait_over(HOURS, |_, (class, frame)| {
        let is_own = matches!(said(&frame), Message::OwnEntries(_));
        own += usize::from(is_own);
        if is_own && own == 2 { Vec::new() } else { vec![(class, frame)] }
    });
    assert!(pair.is_idle());
    let mut held: Vec<_> = pair.edge_store.log.values().map(|own| own.id).collect();
    held.sort();
    let mut expected = written;
    expected.sort();
    assert_eq!(held, expected);
}

#[test]
fn a_hub_from_a_backup_hears_when_all_that_was_written_is_there() {
    let mut pair = Pair::new();
    let id = stream(Class::Records, 1);
    pair.hub_store.wants_report = true;
    for _ in 0..50 {
        pair.author(id, b"ours");
    }
    let mut reported_after = None;
    pair.run_over(|_, (class, frame)| {
        if matches!(said(&frame), Message::Reported(_)) {
            reported_after = Some(class);
        }
        vec![(class, frame)]
    });
    assert_eq!((pair.at_hub(&id), reported_after), (50, Some(Class::Control)));
    assert!(!pair.hub_store.wants_report);
    // Safe mode is over: whoever was there greets anew.
    pair.hub.wake();
    pair.run();
    assert_eq!(pair.hub.closed(), Some(&Closed::SafeModeEnded));
    pair.reconnect();
    pair.run();
    assert!(pair.is_idle());
}

#[test]
fn a_goodbye_is_heard_with_its_reason() {
    let mut pair = Pair::new();
    pair.run();
    pair.hub.finish(ByeReason::Busy, Some(1_500));
    pair.run();
    let heard = Closed::ByPeer { reason: ByeReason::Busy, retry_after_ms: Some(1_500) };
    assert_eq!(pair.edge.closed(), Some(&heard));
}
