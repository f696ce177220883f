//! Answering the clinics: let in who is enrolled, hear who asks to be, drive a conversation each.

use std::sync::Arc;

use host::Shutdown;
use host::database::{ReadError, WriteError};
use pages::board::Source;
use replication::hub::{HubDesk, Node as Enrolled, Performed};
use replication::streams::{Topic, topic};
use replication::{LedgerError, erasure};
use sync_protocol::exchange::{HubExchange, HubOp, HubReply, IngestEntry};
use sync_protocol::message::Live;
use transport::drive::{Desk, Progress, drive};
use transport::{Admission, Incoming, Link, Listener};
use workflows::WorkflowError;
use workflows::apply_fact::{NO_SITE, Rooms};
use workflows::tend_orders::tend_orders;

use crate::door;
use crate::node::Hub;

/// Lets in the keys of enrolled nodes. The handshake cannot wait for the database, so the keys are
/// held in memory and replaced when one joins or is revoked.
#[derive(Debug)]
pub(crate) struct EnrolledKeys(pub(crate) Arc<Hub>);

impl Admission for EnrolledKeys {
    fn is_enrolled(&self, key: &[u8; 32]) -> bool {
        self.0.keys.contains(key)
    }
}

/// Answers until `shutdown`.
pub(crate) async fn run(hub: Arc<Hub>, listener: Arc<Listener>, shutdown: Shutdown) {
    tokio::spawn(follow_keys(Arc::clone(&hub), Arc::clone(&listener), shutdown.clone()));
    loop {
        let incoming = tokio::select! {
            incoming = listener.accept() => incoming,
            () = shutdown.requested() => break,
        };
        match incoming {
            Some(Incoming::Sync(link)) => {
                tokio::spawn(converse(Arc::clone(&hub), link));
            }
            Some(Incoming::Join(request)) => {
                tokio::spawn(door::answer(Arc::clone(&hub), Arc::clone(&listener), request));
            }
            None => break,
        }
    }
    listener.close().await;
}

/// Cuts the links of those whom a command let in no more.
async fn follow_keys(hub: Arc<Hub>, listener: Arc<Listener>, shutdown: Shutdown) {
    loop {
        tokio::select! {
            () = hub.keys_changed.notified() => hub.keys.reload(&hub, &listener).await,
            () = shutdown.requested() => return,
        }
    }
}

async fn converse(hub: Arc<Hub>, link: Link) {
    let tls_key = *link.peer_key();
    let found = hub.readers.read(move |conn| door::node_of(conn, &tls_key)).await;
    let (node, keys) = match found {
        Ok(Some(found)) => found,
        Ok(None) => return,
        Err(error) => return tracing::warn!(%error, "a node could not be looked up"),
    };
    let wall_ms = u64::try_from(hub.clock.now().millis()).unwrap_or(0);
    let exchange = HubExchange::new(hub.key, keys, wall_ms).sharing(hub.reconciliations.clone());
    let (number, heard) = hub.sessions.open(node.key, link.road());
    let side = HubSide { hub: Arc::clone(&hub), node: node.clone() };
    let clock = hub.clock.clone();
    let now_ms = move || clock.monotonic_nanos() / 1_000_000;
    let ended = drive(&link, exchange, &side, heard, now_ms).await;
    hub.sessions.close(node.key, number);
    let (key, at) = (node.key, hub.clock.now());
    let noted =
        hub.writer.write(move |conn, _| replication::hub::note_contact(conn, &key, at)).await;
    if let Err(error) = noted {
        tracing::warn!(%error, "the time of a contact could not be noted");
    }
    let stats = link.stats();
    hub.traffic.add(stats.sent_bytes, stats.received_bytes);
    tracing::info!(peer = %node.key.short(), reason = %ended, "a conversation ended");
}

/// Whether a receipt for an erasure may be in it.
fn may_be_receipt(op: &HubOp) -> bool {
    let HubOp::Ingest(entries) = op else { return false };
    let topic_of = |entry: &IngestEntry| topic(&entry.entry.get().header.stream);
    entries.iter().any(|entry| matches!(topic_of(entry), Topic::Site(_)))
}

/// This hub's storage, as the conversation with one node sees it.
struct HubSide {
    hub: Arc<Hub>,
    node: Enrolled,
}

impl HubSide {
    fn done(&self, performed: Vec<Performed>) -> Vec<HubReply> {
        let mut replies = Vec::with_capacity(performed.len());
        for one in performed {
            self.hub.sessions.wake(&one.wake);
            self.hub.sessions.brought(one.brought);
            replies.extend(one.reply);
        }
        replies
    }

    /// Latest values go to our own screen and, through the gate, to other clinics' screens.
    fn show(&self, live: &Live, performed: &Performed) {
        self.hub.board.arrived_live(Source::Site(self.node.site), live);
        self.hub.sessions.show(&performed.wake, live);
    }
}

impl Desk<HubExchange> for HubSide {
    fn is_read(&self, op: &HubOp) -> bool {
        HubDesk::is_read(op)
    }

    fn is_urgent(&self, op: &HubOp) -> bool {
        HubDesk::is_urgent(op)
    }

    async fn read(&self, ops: Vec<HubOp>) -> Vec<HubReply> {
        let (node, now, key) = (self.node.clone(), self.hub.clock.now(), self.hub.key);
        let read: Result<_, ReadError<LedgerError>> = self
            .hub
            .readers
            .read(move |conn| {
                let mut rooms = Rooms { hub: key, site: NO_SITE, now };
                ops.into_iter()
                    .map(|op| {
                        let live = if let HubOp::Live { stream, values } = &op {
                            Some(Live { stream: *stream, values: values.clone() })
                        } else {
                            None
                        };
                        Ok((live, HubDesk::perform(conn, now, &node, op, &mut rooms)?))
                    })
                    .collect::<Result<Vec<_>, _>>()
            })
            .await;
        match read {
            Ok(all) => {
                let mut performed = Vec::with_capacity(all.len());
                for (live, one) in all {
                    match live {
                        Some(live) => self.show(&live, &one),
                        None => performed.push(one),
                    }
                }
                self.done(performed)
            }
            Err(error) => {
                tracing::warn!(%error, "reading for a clinic failed");
                vec![HubReply::Failed]
            }
        }
    }

    async fn write(&self, ops: Vec<HubOp>) -> Vec<HubReply> {
        let (node, now, key) = (self.node.clone(), self.hub.clock.now(), self.hub.key);
        let written: Result<_, WriteError<WorkflowError>> = self
            .hub
            .writer
            .write(move |conn, state| {
                let mut rooms = Rooms { hub: key, site: NO_SITE, now };
                let receipts = ops.iter().any(may_be_receipt);
                let before = if receipts { erasure::orders(conn)? } else { 0 };
                let mut performed = Vec::with_capacity(ops.len());
                for op in ops {
                    performed.push(HubDesk::perform(conn, now, &node, op, &mut rooms)?);
                }
                let wake = match receipts {
                    true => tend_orders(conn, &mut state.author, now, before)?,
                    false => Vec::new(),
                };
                Ok((performed, wake))
            })
            .await;
        match written {
            Ok((performed, wake)) => {
                if !wake.is_empty() {
                    self.hub.sessions.wake(&wake);
                }
                self.done(performed)
            }
            Err(error) => {
                tracing::warn!(%error, "storing what a clinic sent failed");
                vec![HubReply::Failed]
            }
        }
    }

    fn live(&self, _live: Live) {}

    fn progress(&self, progress: Progress) {
        self.hub.sites.progress(self.node.key, progress);
    }
}
