//! The conversations that are open, by node, so that one can wake another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use replication::hub::durable::Mark;
use sync_protocol::message::Live;
use sync_protocol::{Epoch, NodeId, StreamId};
use tokio::sync::mpsc;
use transport::Road;
use transport::drive::Signal;

/// Signals that wait for a conversation; one that says "changed" stands for any number.
const SIGNALS_MAX: usize = 64;

/// Open conversations. A node has one; a newer one takes the place of an older, which a node that
/// lost its network leaves behind.
#[derive(Debug, Default)]
pub(crate) struct Sessions(Mutex<BTreeMap<NodeId, Open>>);

#[derive(Debug)]
struct Open {
    number: u64,
    sender: mpsc::Sender<Signal>,
    road: Road,
}

impl Sessions {
    /// Opens a conversation on a link; answers its number and where it hears.
    pub(crate) fn open(&self, node: NodeId, road: Road) -> (u64, mpsc::Receiver<Signal>) {
        let (sender, receiver) = mpsc::channel(SIGNALS_MAX);
        let mut sessions = self.lock();
        let number = sessions.get(&node).map_or(0, |open| open.number + 1);
        if let Some(older) = sessions.insert(node, Open { number, sender, road }) {
            let _ = older.sender.try_send(Signal::Finish);
        }
        (number, receiver)
    }

    /// The conversation with this number is over.
    pub(crate) fn close(&self, node: NodeId, number: u64) {
        let mut sessions = self.lock();
        if sessions.get(&node).is_some_and(|open| open.number == number) {
            sessions.remove(&node);
        }
    }

    /// These nodes have something to fetch.
    pub(crate) fn wake(&self, nodes: &[NodeId]) {
        let sessions = self.lock();
        for node in nodes {
            if let Some(Open { sender, .. }) = sessions.get(node) {
                // A full channel holds one of these already.
                let _ = sender.try_send(Signal::Changed);
            }
        }
    }

    /// These nodes may show latest values.
    pub(crate) fn show(&self, nodes: &[NodeId], live: &Live) {
        let sessions = self.lock();
        for node in nodes {
            if let Some(Open { sender, .. }) = sessions.get(node) {
                let _ = sender.try_send(Signal::Live(live.clone()));
            }
        }
    }

    /// Wakes every open conversation.
    pub(crate) fn wake_all(&self) {
        let nodes: Vec<NodeId> = self.lock().keys().copied().collect();
        self.wake(&nodes);
    }

    /// Entries of these nodes are on a second medium. Who cannot be told now hears it at the next
    /// greeting.
    pub(crate) fn durable(&self, marks: &[Mark]) {
        let mut by_node: BTreeMap<NodeId, Vec<(Epoch, u64)>> = BTreeMap::new();
        for mark in marks {
            by_node.entry(mark.node).or_default().push((mark.epoch, mark.upto));
        }
        let sessions = self.lock();
        for (node, marks) in by_node {
            if let Some(open) = sessions.get(&node) {
                let _ = open.sender.try_send(Signal::Durable(marks));
            }
        }
    }

    /// Others brought what these nodes wrote. Who cannot be told now hears it at the next greeting.
    pub(crate) fn brought(&self, streams: BTreeMap<NodeId, BTreeSet<StreamId>>) {
        let sessions = self.lock();
        for (node, streams) in streams {
            if let Some(open) = sessions.get(&node) {
                let _ = open.sender.try_send(Signal::Brought(streams.into_iter().collect()));
            }
        }
    }

    /// Nodes that are connected now, and by which road.
    pub(crate) fn connected(&self) -> BTreeMap<NodeId, Road> {
        self.lock().iter().map(|(node, open)| (*node, open.road)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<NodeId, Open>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
