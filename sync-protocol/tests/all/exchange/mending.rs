//! Finding what the two hold differently, and giving the hub back what it lost.

use sync_protocol::exchange::{Closed, HubOp, Places, Violation};
use sync_protocol::lane::full;
use sync_protocol::limits::{
    FRAME_ENTRIES_MAX, OFFER_IDS_MAX, OPS_OPEN_MAX, RECONCILE_ANSWERS_MAX, RECONCILE_IDLE_MS,
};
use sync_protocol::mending::{
    Reconcile, ReconcileStep, Resupplied, ResuppliedStep, Resupply, ResupplyStep,
};
use sync_protocol::message::{Frame, Message, StreamState};
use sync_protocol::reconcile::{Asker, Holdings, Piece, Said};
use sync_protocol::{Class, StreamId};

use super::pair::{Pair, Way, said};
use super::world::stream;
use crate::samples;

/// Longer than any answer is waited for.
const LONG_MS: u64 = 3_600_000;

/// A pair that holds `streams` streams of somebody else, three entries each.
fn filled(streams: u8) -> Pair {
    let mut pair = Pair::new();
    for subject in 0..streams {
        let payloads: Vec<Vec<u8>> = (0..3).map(|number| vec![subject, number]).collect();
        pair.offer(stream(Class::Records, subject), &payloads);
    }
    pair.run();
    assert!(pair.is_idle());
    pair
}

/// The hub's database is put back to where it had only one entry of these streams.
fn lose(pair: &mut Pair, streams: &[StreamId]) {
    let peer = pair.edge_store.node();
    for stream in streams {
        pair.hub_store.lose_after(stream, 1);
        pair.hub_store.subscriptions.insert((peer, *stream), 1);
    }
}

#[test]
fn where_the_sums_are_equal_nothing_is_asked() {
    let mut pair = filled(40);
    pair.reconnect();
    pair.run_over(|_, sent| {
        assert!(!matches!(said(&sent.1), Message::Reconcile(_)));
        vec![sent]
    });
    assert!(pair.is_idle());
}

#[test]
fn only_the_streams_that_differ_start_over() {
    let mut pair = filled(200);
    let (lost, held) = (stream(Class::Records, 77), stream(Class::Records, 130));
    // The edge's disk lost one, the hub's record of another is older than it was.
    pair.edge_store.foreign.remove(&lost);
    *pair.hub_store.subscriptions.get_mut(&(pair.edge_store.node(), held)).unwrap() = 1;
    pair.reconnect();
    let mut sent_again = Vec::new();
    pair.run_over(|_, sent| {
        if let Message::StreamData(data) = said(&sent.1) {
            sent_again.push(data.stream);
        }
        vec![sent]
    });
    assert!(pair.is_idle());
    assert_eq!((pair.at_edge(&lost), pair.at_edge(&held)), (3, 3));
    // What the hub sends and hears of meanwhile may have settled the other one.
    assert!(pair.hub_store.restarted.contains(&lost));
    assert!(pair.hub_store.restarted.iter().all(|stream| [lost, held].contains(stream)));
    sent_again.dedup();
    assert!(sent_again.iter().all(|stream| [lost, held].contains(stream)), "{sent_again:?}");
}

#[test]
fn a_disk_that_lost_everything_gets_everything() {
    let mut pair = filled(60);
    pair.edge_store.foreign.clear();
    pair.reconnect();
    pair.run();
    assert!(pair.is_idle());
    assert!((0..60).all(|subject| pair.at_edge(&stream(Class::Records, subject)) == 3));
}

#[test]
fn the_hub_gets_back_what_others_wrote_and_it_lost() {
    let mut pair = filled(100);
    let lost: Vec<StreamId> = [3, 50, 99].map(|subject| stream(Class::Records, subject)).into();
    lose(&mut pair, &lost);
    pair.reconnect();
    pair.run();
    assert!(pair.is_idle());
    assert!(lost.iter().all(|stream| pair.at_hub(stream) == 3));
    // When the hub has on record that the edge holds them, there is nothing to be said once more.
    pair.hub.wake();
    pair.run();
    pair.reconnect();
    pair.run_over(|_, sent| {
        assert!(!matches!(said(&sent.1), Message::Reconcile(_) | Message::Resupply(_)));
        vec![sent]
    });
}

#[test]
fn own_entries_that_came_back_are_offered_again() {
    let mut pair = filled(1);
    let (entry, key) = {
        let stream = stream(Class::Records, 9);
        pair.author(stream, b"lost and found");
        pair.run();
        let own = pair.edge_store.log.pop_first().unwrap().1;
        (own.entry, own.key)
    };
    let of = entry.header.stream;
    pair.hub_store.lose_after(&of, 0);
    pair.edge_store.returned.insert(entry.id(), (entry, key));
    pair.reconnect();
    pair.run();
    assert!(pair.is_idle());
    assert_eq!(pair.at_hub(&of), 1);
    assert!(pair.edge_store.returned.is_empty(), "and it is on record that they were");
}

#[test]
fn what_is_put_off_stays_on_record_for_another_conversation() {
    let mut pair = filled(1);
    let one = samples::chain().remove(1);
    pair.edge_store.returned.insert(one.id(), (one, samples::KEY));
    pair.reconnect();
    pair.run();
    assert!(pair.is_idle());
    assert_eq!(pair.edge_store.returned.len(), 1);
}

/// Whichever frame of a reconciliation is lost, it ends as if none were.
#[test]
fn every_message_can_be_lost() {
    let frames = |lost: usize| {
        let mut pair = filled(100);
        let gone = stream(Class::Records, 42);
        lose(&mut pair, &[gone]);
        pair.reconnect();
        let mut number = 0;
        pair.wait_over(LONG_MS, |_, sent| {
            let mends = matches!(
                said(&sent.1),
                Message::Reconcile(_) | Message::Resupply(_) | Message::Resupplied(_)
            );
            number += usize::from(mends);
            if mends && number == lost { vec![] } else { vec![sent] }
        });
        assert!(pair.is_idle(), "frame {lost} was lost");
        assert_eq!(pair.at_hub(&gone), 3, "frame {lost} was lost");
        number
    };
    let all = frames(usize::MAX);
    assert!(all >= 8, "{all}");
    for lost in 1..=all {
        frames(lost);
    }
}

#[test]
fn who_finds_no_place_asks_again_later() {
    let mut pair = filled(100);
    let gone = stream(Class::Records, 42);
    lose(&mut pair, &[gone]);
    let places = Places::new(1);
    // Another conversation has the place.
    let mut other = filled(100);
    other.reconnect();
    other.hub = other.hub.sharing(places.clone());
    lose(&mut other, &[gone]);
    other.run_over(|way, sent| {
        let ends = way == Way::Up
            && matches!(
                said(&sent.1),
                Message::Reconcile(Reconcile { step: ReconcileStep::Done, .. })
            );
        if ends { vec![] } else { vec![sent] }
    });
    pair.reconnect();
    pair.hub = pair.hub.sharing(places);
    pair.run();
    assert!(!pair.edge.is_idle());
    assert_eq!(pair.at_hub(&gone), 1);
    pair.wait(20_000);
    assert_eq!(pair.at_hub(&gone), 1, "the place is taken");
    // Who asks nothing for a while leaves it.
    other.wait(RECONCILE_IDLE_MS + 1_000);
    pair.wait(20_000);
    assert!(pair.is_idle());
    assert_eq!(pair.at_hub(&gone), 3);
}

fn ask(number: u32, pieces: Vec<Piece>) -> Message {
    Reconcile { number, step: ReconcileStep::Ask(pieces) }.into()
}

fn everything(said: Said) -> Vec<Piece> {
    vec![Piece { end: None, said }]
}

/// Tells the hub something out of the ordinary; answers why the conversation ended.
fn hub_hears(message: &Message) -> Option<Closed> {
    let mut pair = filled(3);
    pair.tell_hub(Class::Control, message);
    pair.hub.closed().copied()
}

fn edge_hears(message: &Message) -> Option<Closed> {
    let mut pair = filled(3);
    pair.edge_store.foreign.clear();
    pair.reconnect();
    // Up to the first question.
    pair.run_over(|way, sent| {
        let asked = matches!(said(&sent.1), Message::Reconcile(_));
        if way == Way::Up && asked { vec![] } else { vec![sent] }
    });
    pair.tell_edge(Class::Control, message);
    pair.edge.closed().copied()
}

#[test]
fn what_no_honest_side_says_ends_the_conversation() {
    let limit = Some(Closed::Violation(Violation::Limit));
    let turn = Some(Closed::Violation(Violation::OutOfTurn));
    let contradiction = Some(Closed::Violation(Violation::Contradiction));
    let sum = || Said::Sum([1; 16]);
    assert_eq!(hub_hears(&ask(1, everything(sum()))), None);
    assert_eq!(hub_hears(&ask(1, everything(Said::Tell))), contradiction);
    assert_eq!(hub_hears(&ask(1, vec![])), contradiction);
    let twice = [everything(sum()), everything(sum())].concat();
    assert_eq!(hub_hears(&ask(1, twice)), contradiction);
    let answer = |pieces| Reconcile { number: 1, step: ReconcileStep::Answer(pieces) }.into();
    assert_eq!(hub_hears(&answer(everything(Said::Nothing))), turn);
    let offer = |len| -> Message {
        Resupply { number: 1, step: ResupplyStep::Offer(vec![[1; 16]; len]) }.into()
    };
    assert_eq!(hub_hears(&offer(OFFER_IDS_MAX)), None);
    assert_eq!(hub_hears(&offer(OFFER_IDS_MAX + 1)), limit);
    let (entry, key) = samples::entry();
    let entries = |len| -> Message {
        let long = vec![full(&entry, &key, 0); len];
        Resupply { number: 1, step: ResupplyStep::Entries(long) }.into()
    };
    assert_eq!(hub_hears(&entries(FRAME_ENTRIES_MAX)), None);
    assert_eq!(hub_hears(&entries(FRAME_ENTRIES_MAX + 1)), limit);
    let stored = Resupplied { number: 1, step: ResuppliedStep::Stored { put_off: 0 } };
    assert_eq!(hub_hears(&stored.into()), turn);

    assert_eq!(edge_hears(&answer(everything(Said::Nothing))), None);
    assert_eq!(edge_hears(&answer(everything(Said::Tell))), contradiction);
    assert_eq!(edge_hears(&answer(everything(Said::Differ(vec![0])))), contradiction);
    assert_eq!(edge_hears(&ask(1, everything(sum()))), turn);
    assert_eq!(edge_hears(&offer(1)), turn);
}

#[test]
fn a_hub_that_wants_what_was_not_offered_is_refused() {
    for (places, expected) in [
        (vec![2], None),
        (vec![3], Some(Violation::Contradiction)),
        (vec![1, 1], Some(Violation::Contradiction)),
    ] {
        let mut pair = filled(1);
        lose(&mut pair, &[stream(Class::Records, 0)]);
        pair.reconnect();
        let mut offered = None;
        pair.run_over(|_, sent| match said(&sent.1) {
            Message::Resupply(Resupply { number, step: ResupplyStep::Offer(ids) }) => {
                offered = Some((number, ids.len()));
                vec![]
            }
            _ => vec![sent],
        });
        let (number, len) = offered.unwrap();
        assert_eq!(len, 3);
        let step = ResuppliedStep::Wanted(places.clone());
        pair.tell_edge(Class::Control, &Resupplied { number, step }.into());
        let closed = pair.edge.closed().copied();
        assert_eq!(closed, expected.map(Closed::Violation), "{places:?}");
    }
}

#[test]
fn an_entry_that_nobody_signed_is_not_taken() {
    let mut pair = filled(1);
    let (entry, key) = samples::entry();
    let mut forged = entry.clone();
    forged.signature[5] ^= 1;
    let step = ResupplyStep::Entries(vec![full(&forged, &key, 0), full(&entry, &key, 0)]);
    pair.tell_hub(Class::Control, &Resupply { number: 1, step }.into());
    let op = pair.hub.poll_store().unwrap();
    let HubOp::TakeIn(taken) = op else { panic!("{op:?}") };
    assert_eq!(taken.iter().map(|(_, id, _)| *id).collect::<Vec<_>>(), [entry.id()]);
    assert_eq!(pair.hub.tally().refused, 1);
}

/// An edge that asks without end and takes no answer makes the hub keep no more than its bound.
#[test]
fn questions_without_end_wait_within_a_bound() {
    let mut pair = filled(200);
    let states: Vec<StreamState> = (0..200)
        .map(|subject| StreamState {
            stream: stream(Class::Records, subject),
            count: 9,
            sum: [9; 16],
        })
        .collect();
    let (_, pieces) = Asker::new(Holdings::new(&states)).ask().unwrap();
    let mut waiting = 0;
    for number in 0..2_000_u32 {
        if pair.hub.takes_frames() {
            let question = Frame::encode(0, number, &ask(number, pieces.clone()));
            pair.hub.receive(pair.now, Class::Backfill, &question);
        }
        let mut asked = 0;
        while let Some(op) = pair.hub.poll_store() {
            asked += 1;
            let (reply, _) = pair.hub_store.perform(pair.edge_store.node(), op);
            pair.hub.stored(pair.now, reply.unwrap());
        }
        assert!(asked <= OPS_OPEN_MAX, "{asked}");
    }
    while let Some((_, frame)) = pair.hub.poll_transmit(|_| true) {
        waiting += frame.len();
    }
    assert!(waiting > 100_000 && waiting < RECONCILE_ANSWERS_MAX + 32 * 1024, "{waiting}");
}
