//! When an edge may call itself up to date.

use std::collections::BTreeMap;

use sync_protocol::exchange::EdgeOp;
use sync_protocol::message::Message;
use sync_protocol::{Class, StreamId};

use super::edge_store::State;
use super::pair::{Pair, said};
use super::world::stream;

/// What can happen next; everything that waits elsewhere goes on waiting.
#[derive(Clone, Copy, Debug)]
enum Move {
    AskEdgeStore,
    AnswerEdge,
    AnswerHub,
    Up,
    Down,
}

const MOVES: [Move; 5] =
    [Move::AskEdgeStore, Move::AnswerEdge, Move::AnswerHub, Move::Up, Move::Down];

/// A conversation that is moved step by step.
struct Slow {
    pair: Pair,
    /// The edge's storage works at these.
    asked: Vec<EdgeOp>,
    /// Up to where the edge was given a stream.
    given: BTreeMap<StreamId, u64>,
}

impl Slow {
    /// Answers whether there was something to move.
    fn step(&mut self, what: Move) -> bool {
        let pair = &mut self.pair;
        match what {
            Move::AskEdgeStore => {
                let Some(op) = pair.edge.poll_store() else { return false };
                self.asked.push(op);
            }
            Move::AnswerEdge => {
                if self.asked.is_empty() {
                    return false;
                }
                let reply = pair.edge_store.perform(self.asked.remove(0));
                pair.edge.stored(pair.now, reply);
            }
            Move::AnswerHub => {
                let Some(op) = pair.hub.poll_store() else { return false };
                if let (Some(reply), _) = pair.hub_store.perform(pair.edge_store.node(), op) {
                    pair.hub.stored(pair.now, reply);
                }
            }
            Move::Up => {
                let Some((class, frame)) = pair.edge.poll_transmit(|_| true) else { return false };
                pair.hub.receive(pair.now, class, &frame);
            }
            Move::Down => {
                let Some((class, frame)) = pair.hub.poll_transmit(|_| true) else { return false };
                if let Message::StreamData(data) = said(&frame) {
                    self.given.insert(data.stream, data.to_idx);
                }
                pair.edge.receive(pair.now, class, &frame);
            }
        }
        true
    }

    /// What is missing in storage, here or there, of what the edge wrote or was given.
    fn missing(&self) -> Option<&'static str> {
        let pair = &self.pair;
        let me = pair.edge_store.node();
        let held = |stream: &StreamId| pair.at_edge(stream) as u64;
        if pair.edge_store.log.values().any(|own| own.state != State::Received) {
            Some("an own entry is not known to be at the hub")
        } else if self.given.iter().any(|(stream, to_idx)| held(stream) < *to_idx) {
            Some("what the hub sent is not stored")
        } else if self.given.iter().any(|(stream, _)| {
            pair.hub_store.subscriptions.get(&(me, *stream)) != Some(&held(stream))
        }) {
            Some("the hub does not know what is held")
        } else if !pair.edge_store.unconfirmed.is_empty() {
            Some("it is not on record that the hub knows what is held")
        } else {
            None
        }
    }

    fn run(&mut self, order: &[Move]) {
        while let Some(moved) = order.iter().copied().find(|what| self.step(*what)) {
            if self.pair.edge.is_idle() {
                assert_eq!(self.missing(), None, "after {moved:?} of {order:?}");
            }
        }
        assert!(self.pair.is_idle(), "{order:?}");
        assert_eq!(self.missing(), None, "{order:?}");
    }
}

fn orders(left: &[Move]) -> Vec<Vec<Move>> {
    if left.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for at in 0..left.len() {
        let mut rest = left.to_vec();
        let first = rest.remove(at);
        all.extend(orders(&rest).into_iter().map(|order| [vec![first], order].concat()));
    }
    all
}

/// Whichever of links and storages is fast and whichever is slow.
#[test]
fn an_edge_is_not_up_to_date_before_both_storages_say_so() {
    let (ours, theirs) = (stream(Class::Records, 1), stream(Class::Fresh, 2));
    for order in orders(&MOVES) {
        let mut slow = Slow { pair: Pair::new(), asked: Vec::new(), given: BTreeMap::new() };
        slow.pair.author(ours, b"before the greeting");
        slow.pair.offer(theirs, &[b"before the greeting".to_vec()]);
        slow.run(&order);
        slow.pair.author(ours, b"after it");
        slow.pair.offer(theirs, &[b"after it".to_vec()]);
        slow.run(&order);
        assert_eq!((slow.pair.at_hub(&ours), slow.pair.at_edge(&theirs)), (2, 2));
    }
}
