//! Keeping a conversation with the hub: dial, drive, wait, again.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use directory::store::hub_link::HubLink;
use host::Shutdown;
use host::database::{ReadError, WriteError};
use pages::board::Source;
use replication::LedgerError;
use replication::edge::EdgeDesk;
use replication::erasure::Signed;
use replication::ledger::signing_keys;
use replication::streams::{Topic, topic};
use sync_protocol::NodeId;
use sync_protocol::exchange::{EdgeExchange, EdgeOp, EdgeReply};
use sync_protocol::message::Live;
use sync_protocol::signature::Signer;
use tokio::sync::mpsc;
use transport::drive::{Desk, Ended, Progress, Signal, drive};
use transport::{Dialer, Road, TlsIdentity};
use vocab::PatientId;
use workflows::WorkflowError;
use workflows::answer_orders::answer_orders;
use workflows::apply_fact::Rooms;

use crate::node::Node;
use crate::rotation;

/// Signals that wait for the conversation; one that says "changed" stands for any number.
const SIGNALS_MAX: usize = 64;

/// How often latest values are sent for screens: four times a second is live to the eye and, at
/// some 100 bytes a reading, nothing on any link.
const LIVE_EVERY: Duration = Duration::from_millis(250);

/// Keeps a conversation going until `shutdown`. Without a hub it waits for one to be joined.
pub(crate) async fn run(node: Arc<Node>, shutdown: Shutdown) {
    let mut backoff = transport::backoff::Backoff::default();
    loop {
        let talked = tokio::select! {
            talked = talk_once(&node) => talked,
            () = shutdown.requested() => return,
        };
        if talked {
            backoff.reset();
        }
        let wait = backoff.next_wait(node.random.number());
        node.sync.waiting(wait);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = node.sync.asked_for() => backoff.reset(),
            () = shutdown.requested() => return,
        }
    }
}

/// One conversation; answers whether the hub was reached.
async fn talk_once(node: &Arc<Node>) -> bool {
    let Some(hub) = node.hub_link().await else {
        node.sync.joined().await;
        return true;
    };
    let Some(address) = resolve(hub.hub_address.as_str()).await else {
        node.sync.failed("the hub's name cannot be resolved");
        return false;
    };
    rotation::go_over(node, &hub, address).await;
    let identity = match TlsIdentity::from_seed(&node.keys().tls_seed) {
        Ok(identity) => identity,
        Err(error) => {
            tracing::error!(%error, "the connection key cannot be used");
            return false;
        }
    };
    let dialer = match Dialer::new(&identity, node.config.sync.link) {
        Ok(dialer) => dialer,
        Err(error) => {
            tracing::warn!(%error, "no socket for the hub");
            return false;
        }
    };
    let mut link = match node.roads.connect(&dialer, address, &hub.hub_tls_key).await {
        Ok(link) => link,
        Err(error) => {
            tracing::info!(%error, "the hub is not reached");
            node.sync.failed(&error.to_string());
            return false;
        }
    };
    let ended = loop {
        let road = link.road();
        tracing::info!(%road, "connected to the hub");
        let current = Arc::new(link);
        node.sync.connected(Arc::clone(&current));
        let better = async {
            match road {
                Road::Tcp => node.roads.udp_is_back(&dialer, address, &hub.hub_tls_key).await,
                Road::Udp => std::future::pending().await,
            }
        };
        tokio::select! {
            ended = converse(node, &hub, &current) => break ended,
            over_udp = better => link = over_udp,
            () = node.rotation.wanted.notified() => break Ended::Finished,
        }
        node.sync.disconnected(&Ended::Finished);
    };
    node.sync.disconnected(&ended);
    tracing::info!(reason = %ended, "the conversation with the hub ended");
    dialer.close().await;
    if node.sync.facts(node.clock.now()).shut_out {
        rotation::say_again(node, &hub, address).await;
    }
    // A hub that does not let us in was reached, and asking again at once does not help.
    node.sync.facts(node.clock.now()).steady
}

async fn resolve(address: &str) -> Option<SocketAddr> {
    tokio::net::lookup_host(address).await.ok()?.next()
}

async fn converse(node: &Arc<Node>, hub: &HubLink, link: &transport::Link) -> Ended {
    let hub_key = NodeId(hub.hub_node_key);
    let wall_ms = u64::try_from(node.clock.now().millis()).unwrap_or(0);
    let own = node.keys();
    let key = own.key;
    let all = match node.readers.read(move |conn| signing_keys::of_node(conn, key)).await {
        Ok(all) => all,
        Err(error) => {
            tracing::warn!(%error, "the node's keys cannot be read");
            return Ended::Finished;
        }
    };
    let exchange = EdgeExchange::new(all, hub_key, wall_ms);
    let me = Arc::new(Signer::from_seed(&own.node_seed));
    let heard = AtomicBool::new(false);
    let side = EdgeSide { node: Arc::clone(node), hub: hub_key, me, heard };
    let (signals, signalled) = mpsc::channel(SIGNALS_MAX);
    let clock = node.clock.clone();
    let now_ms = move || clock.monotonic_nanos() / 1_000_000;
    tokio::select! {
        ended = drive(link, exchange, &side, signalled, now_ms) => ended,
        () = pass_on(node, signals) => Ended::Finished,
    }
}

/// Tells the conversation of new entries at once, and of latest values a few times a second.
async fn pass_on(node: &Arc<Node>, signals: mpsc::Sender<Signal>) {
    let mut ticks = tokio::time::interval(LIVE_EVERY);
    loop {
        tokio::select! {
            () = node.outbox_grew.notified() => {
                // A full channel holds one of these already.
                let _ = signals.try_send(Signal::Changed);
            }
            _ = ticks.tick() => {
                for live in node.board.take_unsent() {
                    let _ = signals.try_send(Signal::Live(live));
                }
            }
        }
    }
}

/// The patient of whom something is to be let go.
fn ended(op: &EdgeOp) -> Option<PatientId> {
    let EdgeOp::Purge(order) = op else { return None };
    match topic(&order.stream) {
        Topic::Patient(patient, _) => Some(patient),
        Topic::Policy | Topic::Site(_) | Topic::Emergencies(_) | Topic::Unknown => None,
    }
}

/// Whether an order to erase may be in it.
fn may_order(op: &EdgeOp) -> bool {
    matches!(op, EdgeOp::Apply(run) if topic(&run.stream) == Topic::Policy)
}

/// This node's storage and screens, as the conversation sees them.
struct EdgeSide {
    node: Arc<Node>,
    hub: NodeId,
    /// Signs for what is let go.
    me: Arc<Signer>,
    /// Whether this conversation's answer was taken for the time.
    heard: AtomicBool,
}

impl EdgeSide {
    /// Something was erased by order: screens forget it, the log is emptied, receipts are sent.
    fn note_erased(&self, signed: &Signed) {
        if signed.receipts == 0 {
            return;
        }
        let count = signed.erased;
        tracing::info!(count, "payloads were erased by order of the hub");
        signed.patients.iter().for_each(|patient| self.node.board.erase(*patient));
        self.node.wal_holds_deleted.store(true, Ordering::Relaxed);
        self.node.outbox_grew.notify_one();
    }

    fn rooms(&self) -> Rooms {
        Rooms { hub: self.hub, site: self.node.site_or_none(), now: self.node.clock.now() }
    }
}

impl Desk<EdgeExchange> for EdgeSide {
    fn is_read(&self, op: &EdgeOp) -> bool {
        EdgeDesk::is_read(op)
    }

    fn is_urgent(&self, op: &EdgeOp) -> bool {
        EdgeDesk::is_urgent(op)
    }

    async fn read(&self, ops: Vec<EdgeOp>) -> Vec<EdgeReply> {
        let (mut rooms, me) = (self.rooms(), Arc::clone(&self.me));
        let read: Result<_, ReadError<LedgerError>> = self
            .node
            .readers
            .read(move |conn| {
                let known = rooms;
                ops.into_iter()
                    .map(|op| EdgeDesk::perform(conn, rooms.now, op, &mut rooms, &known, &me))
                    .collect::<Result<Vec<_>, _>>()
            })
            .await;
        read.unwrap_or_else(|error| {
            tracing::warn!(%error, "reading for the hub failed");
            vec![EdgeReply::Failed]
        })
    }

    async fn write(&self, ops: Vec<EdgeOp>) -> Vec<EdgeReply> {
        let (mut rooms, me) = (self.rooms(), Arc::clone(&self.me));
        let ended: Vec<_> = ops.iter().filter_map(ended).collect();
        let written: Result<_, WriteError<WorkflowError>> = self
            .node
            .writer
            .write(move |conn, state| {
                let known = rooms;
                if ops.iter().any(|op| matches!(op, EdgeOp::TakeBack { .. })) {
                    // What is open changes beside it.
                    state.0.forget();
                }
                let orders = ops.iter().any(may_order);
                let mut replies = Vec::with_capacity(ops.len());
                for op in ops {
                    replies.push(EdgeDesk::perform(conn, rooms.now, op, &mut rooms, &known, &me)?);
                }
                let signed = match orders {
                    true => answer_orders(conn, &mut state.0, rooms.now)?,
                    false => Signed::default(),
                };
                Ok((replies, signed))
            })
            .await
            .map(|(replies, signed)| {
                self.note_erased(&signed);
                replies
            });
        if !ended.is_empty() {
            self.node.wal_holds_deleted.store(true, Ordering::Relaxed);
        }
        ended.into_iter().for_each(|patient| self.node.board.forget(patient));
        written.unwrap_or_else(|error| {
            tracing::warn!(%error, "storing what the hub sent failed");
            vec![EdgeReply::Failed]
        })
    }

    fn live(&self, live: Live) {
        self.node.board.arrived_live(Source::Elsewhere, &live);
    }

    fn progress(&self, progress: Progress) {
        if let Some(hub_ms) = progress.peer_wall_ms
            && !self.heard.swap(true, Ordering::Relaxed)
        {
            self.node.time.heard(hub_ms);
        }
        self.node.sync.progress(progress, self.node.clock.now());
    }
}
