//! Settling a greeting: which copy of the node calls, and what is held of what it claims.

pub(super) mod store;

use std::collections::BTreeSet;

use ::store::{Connection, StoreError};
use sync_protocol::Epoch;
use sync_protocol::exchange::{Greeting, HelloState};
use sync_protocol::standing::{Fit, Joins, KnownStart, joins};
use vocab::Timestamp;

use super::{Node, lease, restored, store as hub_store};

/// Places the caller among the starts of its node and answers what is held of its claims.
pub(super) fn greet(
    conn: &Connection,
    now: Timestamp,
    node: &Node,
    hello: &HelloState,
) -> Result<Greeting, StoreError> {
    let incarnation = hub_store::incarnation(conn)?;
    let Placed { joins, older, others } = place(conn, node.no, hello)?;
    let second = matches!(joins, Joins::LeftBehind) || !others.is_empty();
    if second {
        tracing::warn!(origin = %node.key.short(), "a second copy of a node called");
        store::note_second_copy(conn, now, node.no, hello)?;
    } else {
        let restored = older || matches!(joins, Joins::Earlier(_) | Joins::Unknown);
        if let Joins::Earlier(at) = joins {
            store::abandon_after(conn, node.no, at)?;
        }
        store::make_current(conn, now, node.no, hello)?;
        // After a restore of the hub it is the hub that knows less.
        if restored && hello.incarnation.is_none_or(|seen| seen == incarnation) {
            tracing::warn!(origin = %node.key.short(), "a node was put back from an older copy");
            store::note_restored(conn, now, node.no)?;
            lease::untell(conn, node.no)?;
        }
    }
    let mut received = Vec::new();
    for claim in &hello.claims {
        let ranges = hub_store::received(conn, node.no, claim.epoch)?;
        // Of a start with two histories each entry is judged by itself.
        if !ranges.is_empty() && !others.contains(&claim.epoch) {
            received.push((claim.epoch, ranges));
        }
    }
    Ok(Greeting {
        incarnation,
        received,
        // Nothing is on a second medium until backups are configured.
        durable: Vec::new(),
        feed: hub_store::node_feed(conn, node.no)?,
        second_copy: second,
        own_entries: store::own_count(conn, node.no)?,
        wants_report: restored::is_in_safe_mode(conn)?,
    })
}

/// Where a caller stands among the starts of its node.
struct Placed {
    joins: Joins,
    /// Whether the hub holds later entries of an earlier start than the caller has.
    older: bool,
    /// Starts under which somebody else wrote other entries.
    others: BTreeSet<Epoch>,
}

fn place(conn: &Connection, node: i64, hello: &HelloState) -> Result<Placed, StoreError> {
    let current = store::current(conn, node)?;
    let me = store::known(conn, node, hello.epoch)?;
    let mut before: Option<KnownStart> = None;
    let past = hello.history.iter().map(|start| start.epoch).chain(hello.parent);
    for epoch in past.filter(|epoch| *epoch != hello.epoch) {
        before = store::known(conn, node, epoch)?;
        if before.is_some() {
            break;
        }
    }
    let joins = joins(current, me, before);
    let mut placed = Placed { joins, older: false, others: BTreeSet::new() };
    for start in &hello.history {
        match start.fit(&store::received_of(conn, node, start.epoch)?) {
            Fit::Fits => {}
            // A process does not forget what it wrote itself: this is another one.
            Fit::Older if start.epoch == hello.epoch => {
                placed.others.insert(start.epoch);
            }
            Fit::Older => placed.older = true,
            Fit::Other => {
                placed.others.insert(start.epoch);
            }
        }
    }
    Ok(placed)
}
