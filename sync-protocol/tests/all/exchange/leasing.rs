//! Terms under which streams may be opened reach the edge, in order, whatever is lost on the way.

use sync_protocol::exchange::{Closed, Violation};
use sync_protocol::lease::{Grant, Grants, LeaseTerms};
use sync_protocol::message::Message;
use sync_protocol::{Class, limits};

use super::pair::{Pair, said};
use super::world::stream;

const HOUR_MS: u64 = 60 * 60 * 1_000;

fn grant(subject: u8, hours: u32) -> Grant {
    let lease = LeaseTerms { offline_s: Some(hours * 3_600), until_ms: None };
    Grant { stream: stream(Class::Records, subject), version: 1, lease }
}

/// A pair whose hub has these terms to tell.
fn pair(grants: &[Grant]) -> Pair {
    let mut pair = Pair::new();
    pair.run();
    let node = pair.edge_store.node();
    pair.hub_store.untold.extend(grants.iter().map(|grant| (node, *grant)));
    pair.hub.wake();
    pair
}

#[test]
fn terms_arrive_in_order_and_once() {
    let all = [grant(1, 24), grant(2, 24), grant(1, 48)];
    let mut pair = pair(&all);
    pair.run();
    assert_eq!(pair.edge_store.granted, all);
    assert!(pair.hub_store.untold.is_empty() && pair.is_idle());
    let bytes = pair.hub.tally();
    pair.reconnect();
    pair.run();
    assert_eq!(pair.edge_store.granted, all, "they are not told again");
    assert_eq!(pair.hub.tally().resent, bytes.resent);
}

#[test]
fn terms_are_said_again_until_they_are_stored() {
    let all = [grant(1, 24), grant(2, 24)];
    let mut pair = pair(&all);
    let mut lost = 0;
    pair.wait_over(HOUR_MS, |_, sent| {
        let is_about = matches!(said(&sent.1), Message::Grants(_) | Message::Granted(_));
        let lose = is_about && lost < 5;
        lost += usize::from(lose);
        if lose { vec![] } else { vec![sent] }
    });
    assert_eq!(lost, 5);
    assert!(pair.hub_store.untold.is_empty() && pair.is_idle());
    assert_eq!(pair.edge_store.granted.last(), Some(&all[1]));
}

#[test]
fn more_terms_than_a_message_may_have_end_the_conversation() {
    let mut pair = pair(&[]);
    let grants = vec![grant(1, 1); limits::GRANTS_MAX + 1];
    pair.tell_edge(Class::Backfill, &Grants { number: 1, grants }.into());
    assert_eq!(pair.edge.closed(), Some(&Closed::Violation(Violation::Limit)));
    assert!(pair.edge_store.granted.is_empty());
}
