//! How far an edge believes to hold a stream that others write into as well.

use sync_protocol::exchange::Applied;

use crate::edge::Edge;

fn stored(fresh: u32) -> Applied {
    Applied::Stored { fresh, diverged: false, admits: false }
}

#[test]
fn own_entries_count_as_held_once_nothing_of_others_is_between_them() {
    let (mut north, mut south) = (Edge::new(1), Edge::new(2));
    north.write();
    north.write();
    south.write();
    let held = [north.outbox(), south.outbox()].concat();
    north.acknowledge(&held[..2], &held[..2]);
    assert_eq!(north.apply(&held, 2), stored(1), "what follows them can be taken at once");
}

/// North's first entry is acknowledged late: South wrote behind it, and North has that already.
/// Two acknowledgements at once and two positions more are then no proof that the two are its own.
#[test]
fn what_others_wrote_between_own_entries_is_not_skipped() {
    let (mut north, mut south) = (Edge::new(1), Edge::new(2));
    north.write();
    south.write();
    south.write();
    south.write();
    let [first] = north.outbox().try_into().unwrap();
    let [s1, s2, s3] = south.outbox().try_into().unwrap();
    let held = vec![first.clone(), s1];
    assert_eq!(north.apply(&held, 0), stored(1));
    north.write();
    let second = north.outbox().pop().unwrap();
    let held = [held, vec![s2, second.clone()]].concat();
    north.acknowledge(&[first, second], &held);
    let held = [held, vec![s3]].concat();
    assert_eq!(north.apply(&held, 4), Applied::Behind { have: 2 });
    assert_eq!(north.apply(&held, 2), stored(2));
}
