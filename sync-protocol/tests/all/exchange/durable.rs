//! What the hub says when entries of an edge are on a second medium.

use sync_protocol::{Class, Epoch};

use super::pair::Pair;
use super::world::stream;

fn marks(upto: u64) -> Vec<(Epoch, u64)> {
    vec![(Epoch(0x0102_0304_0506_0708), upto)]
}

#[test]
fn an_edge_that_is_connected_hears_of_a_backup_at_once() {
    let mut pair = Pair::new();
    pair.author(stream(Class::Records, 1), b"one");
    pair.run();
    assert!(pair.is_idle() && pair.edge_store.durable.is_empty());
    pair.hub.durable(marks(1));
    pair.run();
    assert_eq!(pair.edge_store.durable, marks(1));
    assert!(pair.is_idle());
    pair.author(stream(Class::Records, 1), b"two");
    pair.run();
    assert_eq!(pair.edge_store.durable, marks(1), "no answer says it again");
}

#[test]
fn a_backup_in_the_middle_of_a_greeting_is_told_after_it() {
    let mut pair = Pair::new();
    pair.author(stream(Class::Records, 1), b"one");
    pair.hub.durable(marks(1));
    assert_eq!(pair.hub.poll_transmit(|_| true), None, "nothing goes before the greeting's answer");
    pair.run();
    assert_eq!(pair.edge_store.durable, marks(1));
    assert!(pair.is_idle());
}

#[test]
fn a_backup_while_the_edge_settles_the_greeting_does_not_end_the_conversation() {
    let mut pair = Pair::new();
    pair.run();
    pair.reconnect();
    // The edge has its answer, and its storage is at it.
    let peer = pair.edge_store.node();
    let op = pair.edge.poll_store().unwrap();
    let reply = pair.edge_store.perform(op);
    pair.edge.stored(pair.now, reply);
    while let Some((class, bytes)) = pair.edge.poll_transmit(|_| true) {
        pair.hub.receive(pair.now, class, &bytes);
    }
    let op = pair.hub.poll_store().unwrap();
    let (reply, _) = pair.hub_store.perform(peer, op);
    pair.hub.stored(pair.now, reply.unwrap());
    pair.hub.durable(marks(7));
    while let Some((class, bytes)) = pair.hub.poll_transmit(|_| true) {
        pair.edge.receive(pair.now, class, &bytes);
    }
    assert!(!pair.edge.is_steady());
    assert_eq!(pair.edge.closed(), None);
    pair.run();
    assert_eq!(pair.edge_store.durable, marks(7));
    assert!(pair.is_idle());
}
