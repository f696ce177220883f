//! Subscriptions that end: the order comes through, the receipt comes back, and what is on its way
//! when access ends does nothing.

use sync_protocol::exchange::Violation;
use sync_protocol::message::{Message, PurgeDone};
use sync_protocol::purge::{PurgeReceipt, Purged};
use sync_protocol::signature::Signer;
use sync_protocol::{Class, SetDigest, StreamId};

use super::pair::{Pair, Way, said};
use super::world::stream;

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// A pair whose edge holds two entries of another author, and one of its own in the same stream.
fn pair(id: StreamId) -> Pair {
    let mut pair = Pair::new();
    pair.author(id, b"own");
    pair.run();
    pair.offer(id, &[b"one".to_vec(), b"two".to_vec()]);
    pair.run();
    assert_eq!(pair.at_edge(&id), 2);
    pair
}

fn end(pair: &mut Pair, id: StreamId) {
    pair.hub_store.end(pair.edge_store.node(), id);
    pair.hub.wake();
}

#[test]
fn a_stream_whose_subscription_ends_is_let_go_with_a_receipt() {
    let id = stream(Class::Records, 1);
    let mut pair = pair(id);
    pair.author(id, b"own, later");
    end(&mut pair, id);
    pair.run();
    assert_eq!(pair.at_edge(&id), 0);
    assert_eq!(pair.at_hub(&id), 4, "what the edge wrote itself still comes");
    let receipt = pair.hub_store.receipts[0];
    assert!(receipt.is_signed_by(&pair.edge_store.node()));
    assert_eq!((receipt.purged.version, receipt.purged.count), (2, 2));
    assert!(pair.is_idle());
    pair.reconnect();
    pair.run();
    assert_eq!(pair.edge.tally().divergences + pair.hub.tally().divergences, 0);
    assert_eq!(pair.hub_store.receipts.len(), 1);
}

#[test]
fn an_order_waits_for_its_receipt_however_long_the_link_is_bad() {
    let id = stream(Class::Fresh, 1);
    let mut pair = pair(id);
    end(&mut pair, id);
    let is_about = |bytes: &[u8]| matches!(said(bytes), Message::Purge(_) | Message::PurgeDone(_));
    let mut lost = 0;
    pair.wait_over(DAY_MS, |_, sent| {
        let lose = is_about(&sent.1);
        lost += usize::from(lose);
        if lose { vec![] } else { vec![sent] }
    });
    assert!((10..1_000).contains(&lost), "{lost} times");
    assert_eq!(pair.at_edge(&id), 2);
    // The order comes through, its receipt is lost once; the edge says the same again.
    pair.reconnect();
    let mut receipts = 0;
    pair.wait_over(DAY_MS, |way, sent| {
        let is_receipt = way == Way::Up && is_about(&sent.1);
        receipts += usize::from(is_receipt);
        if is_receipt && receipts == 1 { vec![] } else { vec![sent] }
    });
    assert_eq!(pair.at_edge(&id), 0);
    assert_eq!(pair.hub_store.receipts.len(), 1);
    assert_eq!(pair.hub_store.receipts[0].purged.count, 2);
}

#[test]
fn what_was_on_its_way_when_access_ended_is_not_stored() {
    let id = stream(Class::Fresh, 1);
    let mut pair = pair(id);
    pair.offer(id, &[b"three".to_vec()]);
    let mut late = Vec::new();
    pair.run_over(|way, sent| {
        let is_data = way == Way::Down && matches!(said(&sent.1), Message::StreamData(_));
        if is_data {
            late.push(sent);
            return vec![];
        }
        vec![sent]
    });
    assert_eq!(late.len(), 1);
    end(&mut pair, id);
    pair.run();
    for (class, bytes) in late {
        pair.edge.receive(pair.now, class, &bytes);
    }
    pair.run();
    assert_eq!(pair.at_edge(&id), 0);
}

#[test]
fn a_stream_that_is_allowed_again_comes_whole() {
    let id = stream(Class::Records, 1);
    for order_is_lost in [false, true] {
        let mut pair = pair(id);
        end(&mut pair, id);
        pair.run_over(|_, sent| {
            let lose = order_is_lost && matches!(said(&sent.1), Message::Purge(_));
            if lose { vec![] } else { vec![sent] }
        });
        pair.hub_store.begin(pair.edge_store.node(), id);
        pair.hub.wake();
        pair.run();
        pair.wait(DAY_MS);
        assert_eq!(pair.at_edge(&id), 2);
        assert!(pair.is_idle(), "order lost: {order_is_lost}");
    }
}

#[test]
fn a_receipt_that_the_edge_did_not_sign_ends_the_conversation() {
    let mut pair = Pair::new();
    pair.run();
    let purged = Purged::new(stream(Class::Records, 1), 2, &SetDigest::EMPTY);
    let receipt = PurgeReceipt::sign(purged, &Signer::from_seed(&[9; 32]));
    pair.tell_hub(Class::Control, &PurgeDone { receipt }.into());
    let closed = pair.hub.closed().copied();
    let expected = sync_protocol::exchange::Closed::Violation(Violation::Contradiction);
    assert_eq!(closed, Some(expected));
}
