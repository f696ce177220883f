//! The edge's storage side of a conversation.

pub(crate) mod store;

mod apply;
pub mod bundle;
pub mod lease;
mod offer;
mod purge;
pub mod quarantine;
pub mod trusted_time;
mod verify;

use ::store::Connection;
use sync_protocol::exchange::{EdgeOp, EdgeReply};
use sync_protocol::message::StreamState;
use sync_protocol::signature::Signer;
use sync_protocol::{Class, NodeId, SetDigest, StreamId};
use vocab::Timestamp;

use crate::{LedgerError, Materialize, streams};

pub(crate) use apply::{arrived, materialize};
pub use store::{EdgeStatus, KnownNodes, NotTaken, last_success, not_taken, note_success, status};
pub use verify::verify;

/// Answers what an [`EdgeExchange`](sync_protocol::exchange::EdgeExchange) asks of storage.
#[derive(Debug)]
pub struct EdgeDesk;

impl EdgeDesk {
    /// Whether `op` only reads, so that it can be answered from a snapshot beside the writer.
    #[must_use]
    pub const fn is_read(op: &EdgeOp) -> bool {
        match op {
            EdgeOp::LoadHello
            | EdgeOp::ReadOwnHoldings
            | EdgeOp::ReadOutbox { .. }
            | EdgeOp::ReadOne { .. }
            | EdgeOp::ReadReturned
            | EdgeOp::ReadIds { .. }
            | EdgeOp::ReadHeld { .. }
            | EdgeOp::ReadFeed { .. } => true,
            EdgeOp::MarkReceived { .. }
            | EdgeOp::TakeBack { .. }
            | EdgeOp::Apply(_)
            | EdgeOp::Purge(_)
            | EdgeOp::StoreGrants { .. }
            | EdgeOp::NoteReturnedOffered
            | EdgeOp::ForgetAcks(_) => false,
        }
    }

    /// Whether `op` stores what somebody must see now. It goes before other writes: it is in a stream
    /// of its own, so no chain is broken.
    #[must_use]
    pub fn is_urgent(op: &EdgeOp) -> bool {
        matches!(op, EdgeOp::Apply(run) if streams::class(&run.stream) == Class::Urgent)
    }

    /// Performs `op`; `me` signs for what is let go. A writing one runs inside the caller's transaction; its reply must not reach
    /// the conversation before that is committed.
    ///
    /// # Errors
    ///
    /// The database's; the caller rolls back and answers [`EdgeReply::Failed`].
    pub fn perform(
        conn: &Connection,
        now: Timestamp,
        op: EdgeOp,
        rooms: &mut dyn Materialize,
        known: &dyn KnownNodes,
        me: &Signer,
    ) -> Result<EdgeReply, LedgerError> {
        match op {
            EdgeOp::LoadHello => Ok(EdgeReply::Hello(store::hello(conn)?)),
            EdgeOp::MarkReceived { received, durable, incarnation, verdicts, streams } => {
                let mut reoffered = false;
                if let Some(incarnation) = incarnation {
                    store::confirm_start(conn)?;
                    reoffered = store::set_incarnation(conn, incarnation)?;
                }
                store::mark_received(conn, &received)?;
                store::mark_durable(conn, &durable)?;
                store::mark_verdicts(conn, &verdicts)?;
                let diverged = store::compare_streams(conn, &streams)?;
                let own_at_hub = store::own_at_hub(conn)?;
                Ok(EdgeReply::Received { diverged, own_at_hub, reoffered })
            }
            EdgeOp::ReadOutbox { class, after, skip, bytes_max } => {
                Ok(EdgeReply::Outbox(store::outbox(conn, class, after, &skip, bytes_max)?))
            }
            EdgeOp::ReadOne { epoch, oseq } => {
                Ok(EdgeReply::One(store::outbox_one(conn, epoch, oseq)?.map(Box::new)))
            }
            EdgeOp::Apply(run) => apply::apply(conn, now, run, rooms, known),
            EdgeOp::ReadOwnHoldings => Ok(EdgeReply::OwnHoldings(own_holdings(conn, &me.node())?)),
            EdgeOp::TakeBack { number, entries } => {
                let is_known = known.is_known(conn, &me.node())?;
                let fresh = if is_known {
                    Some(apply::take_back(conn, now, entries, rooms)?)
                } else {
                    None
                };
                Ok(EdgeReply::TakenBack { number, fresh })
            }
            EdgeOp::Purge(order) => Ok(EdgeReply::Purged(purge::purge(conn, &order, rooms, me)?)),
            EdgeOp::StoreGrants { number, grants } => {
                lease::store_grants(conn, &grants)?;
                Ok(EdgeReply::StoredGrants { number })
            }
            EdgeOp::ForgetAcks(positions) => {
                store::forget_acks(conn, &positions)?;
                Ok(EdgeReply::Forgot)
            }
            EdgeOp::ReadReturned => Ok(EdgeReply::Returned(offer::returned(conn, &me.node())?)),
            EdgeOp::NoteReturnedOffered => {
                offer::note_returned_offered(conn)?;
                Ok(EdgeReply::Noted)
            }
            EdgeOp::ReadIds { streams, after, ids_max } => {
                Ok(offer::ids(conn, &me.node(), &streams, after, ids_max)?)
            }
            EdgeOp::ReadHeld { ids, bytes_max } => Ok(offer::held(conn, &ids, bytes_max)?),
            EdgeOp::ReadFeed { by_stream } => {
                let (total, streams) = store::feed(conn, by_stream)?;
                Ok(EdgeReply::Feed { total, streams })
            }
        }
    }
}

/// Count and sum of own entries, stream by stream.
fn own_holdings(conn: &Connection, me: &NodeId) -> Result<Vec<StreamState>, LedgerError> {
    let sums = crate::ledger::store::sums_of(conn, me)?.into_iter();
    let state = |(stream, held): (StreamId, SetDigest)| StreamState {
        stream,
        count: held.count,
        sum: held.short(),
    };
    Ok(sums.map(state).collect())
}
