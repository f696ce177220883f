//! One edge and the hub at one table: what a test does to a frame is all that can go wrong.

use sync_protocol::exchange::{EdgeExchange, HubExchange, Now};
use sync_protocol::message::{Frame, Message};
use sync_protocol::signature::node_id;
use sync_protocol::{Class, EntryId, Epoch, NodeId, StreamId};

use super::edge_store::EdgeStore;
use super::hub_store::HubStore;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Up,
    Down,
}

pub(crate) type Sent = (Class, Vec<u8>);

#[derive(Debug)]
pub(crate) struct Pair {
    pub(crate) now: Now,
    pub(crate) edge: EdgeExchange,
    pub(crate) hub: HubExchange,
    pub(crate) edge_store: EdgeStore,
    pub(crate) hub_store: HubStore,
    hub_id: NodeId,
    /// Another edge, which wrote what this one is offered.
    other: Option<EdgeStore>,
}

impl Pair {
    pub(crate) fn new() -> Self {
        let edge_store = EdgeStore::new([1; 32], Epoch(0x0102_0304_0506_0708));
        let hub_id = node_id(&[2; 32]);
        let (edge, hub) = talk(edge_store.node(), hub_id);
        Self {
            now: 1_000,
            edge,
            hub,
            edge_store,
            hub_store: HubStore::default(),
            hub_id,
            other: None,
        }
    }

    /// A new conversation over the same stores.
    pub(crate) fn reconnect(&mut self) {
        (self.edge, self.hub) = talk(self.edge_store.node(), self.hub_id);
    }

    pub(crate) fn author(&mut self, stream: StreamId, payload: &[u8]) -> EntryId {
        let id = self.edge_store.author(stream, payload.to_vec());
        self.edge.local_change(self.now);
        id
    }

    /// Entries of somebody else that are at the hub and that this edge may have.
    pub(crate) fn offer(&mut self, stream: StreamId, payloads: &[Vec<u8>]) {
        let mut other = Self::new();
        let store = self.other.take();
        other.edge_store = store.unwrap_or_else(|| EdgeStore::new([3; 32], Epoch(3)));
        other.reconnect();
        std::mem::swap(&mut other.hub_store, &mut self.hub_store);
        for payload in payloads {
            other.author(stream, payload);
        }
        other.run();
        assert!(other.edge.is_idle());
        std::mem::swap(&mut other.hub_store, &mut self.hub_store);
        self.other = Some(other.edge_store);
        self.hub_store.subscriptions.entry((self.edge_store.node(), stream)).or_default();
        self.hub.wake();
    }

    /// Moves everything that can move at this instant.
    pub(crate) fn run(&mut self) {
        self.run_over(|_, sent| vec![sent]);
    }

    /// Lets storage answer what it was asked, and nothing else.
    pub(crate) fn answer(&mut self) {
        let peer = self.edge_store.node();
        while let Some(op) = self.edge.poll_store() {
            let reply = self.edge_store.perform(op);
            self.edge.stored(self.now, reply);
        }
        while let Some(op) = self.hub.poll_store() {
            if let (Some(reply), _) = self.hub_store.perform(peer, op) {
                self.hub.stored(self.now, reply);
            }
        }
    }

    /// [`run`](Self::run), while `link` decides what becomes of each frame.
    pub(crate) fn run_over(&mut self, mut link: impl FnMut(Way, Sent) -> Vec<Sent>) {
        let peer = self.edge_store.node();
        loop {
            let mut moved = false;
            while let Some(op) = self.edge.poll_store() {
                let reply = self.edge_store.perform(op);
                self.edge.stored(self.now, reply);
                moved = true;
            }
            while let Some(op) = self.hub.poll_store() {
                if let (Some(reply), _) = self.hub_store.perform(peer, op) {
                    self.hub.stored(self.now, reply);
                }
                moved = true;
            }
            while let Some(sent) = self.edge.poll_transmit(|_| true) {
                for (class, bytes) in link(Way::Up, sent) {
                    self.hub.receive(self.now, class, &bytes);
                }
                moved = true;
            }
            while let Some(sent) = self.hub.poll_transmit(|_| true) {
                for (class, bytes) in link(Way::Down, sent) {
                    self.edge.receive(self.now, class, &bytes);
                }
                moved = true;
            }
            if !moved {
                return;
            }
        }
    }

    /// Lets `ms` pass, waking each side when it asked for it.
    pub(crate) fn wait(&mut self, ms: Now) {
        self.wait_over(ms, |_, sent| vec![sent]);
    }

    pub(crate) fn wait_over(&mut self, ms: Now, mut link: impl FnMut(Way, Sent) -> Vec<Sent>) {
        let end = self.now + ms;
        loop {
            self.run_over(&mut link);
            let due = [self.edge.poll_timeout(), self.hub.poll_timeout()].into_iter().flatten();
            match due.min() {
                Some(due) if due <= end => self.now = due.max(self.now),
                _ => break,
            }
            if self.edge.poll_timeout().is_some_and(|due| due <= self.now) {
                self.edge.timeout(self.now);
                let again = self.edge.poll_timeout();
                assert!(again.is_none_or(|due| due > self.now), "a timeout that never passes");
            }
            if self.hub.poll_timeout().is_some_and(|due| due <= self.now) {
                self.hub.timeout(self.now);
                let again = self.hub.poll_timeout();
                assert!(again.is_none_or(|due| due > self.now), "a timeout that never passes");
            }
        }
        self.now = end;
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.edge.is_idle() && self.hub.is_idle()
    }

    /// How many entries of `stream` the hub holds.
    pub(crate) fn at_hub(&self, stream: &StreamId) -> usize {
        self.hub_store.streams.get(stream).map_or(0, |stream| stream.rows.len())
    }

    /// How many entries of `stream` the edge holds of others.
    pub(crate) fn at_edge(&self, stream: &StreamId) -> usize {
        self.edge_store.foreign.get(stream).map_or(0, |copy| copy.ids.len())
    }

    /// Hands the hub a message as if the edge had said it.
    pub(crate) fn tell_hub(&mut self, class: Class, message: &Message) {
        self.hub.receive(self.now, class, &Frame::encode(0, 0, message));
    }

    /// Hands the edge a message as if the hub had said it.
    pub(crate) fn tell_edge(&mut self, class: Class, message: &Message) {
        self.edge.receive(self.now, class, &Frame::encode(0, 0, message));
    }
}

fn talk(edge: NodeId, hub: NodeId) -> (EdgeExchange, HubExchange) {
    (
        EdgeExchange::new(edge, hub, 1_750_000_000_000),
        HubExchange::new(hub, edge, 1_750_000_000_123),
    )
}

/// What a frame says.
pub(crate) fn said(bytes: &[u8]) -> Message {
    Frame::decode(bytes).unwrap().message.unwrap()
}
