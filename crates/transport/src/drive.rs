//! The loop that drives one conversation over one link.
//!
//! The conversation says what it wants stored and sent; the loop gives writes to storage in order,
//! as many as have gathered while the last ones were committed, urgent ones before the others, and
//! hands over frames only while their class has room, so that what is urgent can still overtake
//! inside the conversation.

use std::time::Duration;

use sync_protocol::exchange::{
    Closed, EdgeExchange, EdgeOp, EdgeReply, HubExchange, HubOp, HubReply, Tally,
};
use sync_protocol::message::Live;
use sync_protocol::{Class, Epoch, StreamId};
use tokio::sync::mpsc;

use crate::Link;
use crate::close_code;
use crate::link::{LinkError, TrySendError};
use crate::write_queue::WriteQueue;

/// Something from elsewhere in the program that a conversation must hear of.
#[derive(Clone, Debug)]
pub enum Signal {
    /// Something was committed that the peer may have to be told.
    Changed,
    /// Latest values for screens.
    Live(Live),
    /// At a hub: entries of the peer are on a second medium, in each epoch up to a position.
    Durable(Vec<(Epoch, u64)>),
    /// At a hub: somebody else brought what the peer wrote in these streams.
    Brought(Vec<StreamId>),
    /// End in good order.
    Finish,
}

/// One side of a conversation, as the loop sees it.
pub trait Conversation: Send {
    /// What it asks of storage.
    type Op: Send;
    /// What storage answers.
    type Reply: Send;

    /// A frame arrived.
    fn receive(&mut self, now_ms: u64, class: Class, frame: &[u8]);
    /// Storage answered.
    fn stored(&mut self, now_ms: u64, reply: Self::Reply);
    /// Something happened elsewhere.
    fn signal(&mut self, now_ms: u64, signal: Signal);
    /// Time passed.
    fn timeout(&mut self, now_ms: u64);
    /// The next thing to ask of storage.
    fn poll_store(&mut self) -> Option<Self::Op>;
    /// Whether storage keeps up; while it does not, the link is left to slow the peer down.
    fn takes_frames(&self) -> bool;
    /// The next frame for a lane that is ready.
    fn poll_transmit(&mut self, ready: &dyn Fn(Class) -> bool) -> Option<(Class, Vec<u8>)>;
    /// When to be called again at the latest.
    fn poll_timeout(&self) -> Option<u64>;
    /// Latest values that the peer sent, for screens here.
    fn poll_live(&mut self) -> Option<Live>;
    /// How it goes.
    fn progress(&self) -> Progress;
}

/// How a conversation goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// The greeting was settled.
    pub steady: bool,
    /// Everything was sent and acknowledged, both ways as far as this side knows.
    pub idle: bool,
    /// Counters.
    pub tally: Tally,
    /// Why it is over, if it is.
    pub closed: Option<Closed>,
    /// The peer's wall clock at the greeting, milliseconds since 1970; known at an edge.
    pub peer_wall_ms: Option<u64>,
}

/// Storage and screens, as the loop sees them.
pub trait Desk<C: Conversation>: Sync {
    /// Whether an operation only reads.
    fn is_read(&self, op: &C::Op) -> bool;
    /// Whether a writing operation goes before those that wait. It must not depend on them.
    fn is_urgent(&self, op: &C::Op) -> bool;
    /// Performs reading operations on one snapshot. Operations without an answer give none.
    fn read(&self, ops: Vec<C::Op>) -> impl Future<Output = Vec<C::Reply>> + Send;
    /// Performs writing operations in order and answers after they are committed.
    fn write(&self, ops: Vec<C::Op>) -> impl Future<Output = Vec<C::Reply>> + Send;
    /// Takes latest values from the peer.
    fn live(&self, live: Live);
    /// Hears how it goes, after every step.
    fn progress(&self, progress: Progress);
}

/// Why the loop ended.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The conversation is over.
    #[error(transparent)]
    Conversation(Closed),
    /// The link is gone.
    #[error(transparent)]
    Link(LinkError),
    /// The program asked for the end.
    #[error("the conversation was ended here")]
    Finished,
}

/// Drives `conversation` over `link` until one of them ends. `now_ms` reads a monotonic clock.
pub async fn drive<C: Conversation, D: Desk<C>>(
    link: &Link,
    mut conversation: C,
    desk: &D,
    mut signals: mpsc::Receiver<Signal>,
    now_ms: impl Fn() -> u64 + Send,
) -> Ended {
    let mut reads: Vec<C::Op> = Vec::new();
    let mut writes = WriteQueue::new();
    let mut reading = std::pin::pin!(None);
    let mut writing = std::pin::pin!(None);
    let mut finishing = false;
    loop {
        while let Some(op) = conversation.poll_store() {
            if desk.is_read(&op) {
                reads.push(op);
            } else {
                let urgent = desk.is_urgent(&op);
                writes.push(op, urgent);
            }
        }
        if reading.is_none() && !reads.is_empty() {
            reading.set(Some(desk.read(std::mem::take(&mut reads))));
        }
        if writing.is_none()
            && let Some(ops) = writes.take()
        {
            writing.set(Some(desk.write(ops)));
        }
        let room = link.room_changed();
        let ready = |class: Class| link.has_room(class.number());
        let mut waits_for_room = false;
        while let Some((class, frame)) = conversation.poll_transmit(&ready) {
            match link.try_send(class.number(), frame) {
                Ok(()) => waits_for_room = true,
                // Only one task sends, and it asked for room: the frame was too long or the link
                // is gone. Either way the conversation cannot go on here.
                Err(TrySendError::Full(_)) => return Ended::Link(link.closed().await),
                Err(TrySendError::Link(error)) => return Ended::Link(error),
            }
        }
        waits_for_room |= Class::ALL.into_iter().any(|class| !ready(class));
        let progress = conversation.progress();
        let closed = progress.closed;
        desk.progress(progress);
        if let Some(closed) = closed {
            link.finish(close_code::DONE).await;
            return Ended::Conversation(closed);
        }
        if finishing {
            link.finish(close_code::DONE).await;
            return Ended::Finished;
        }
        let wait = conversation.poll_timeout().map(|at| at.saturating_sub(now_ms()));
        tokio::select! {
            received = link.recv(), if conversation.takes_frames() => {
                let Some((class, frame)) = received else { return Ended::Link(link.closed().await) };
                if let Some(class) = Class::from_number(class) {
                    conversation.receive(now_ms(), class, &frame);
                }
                while let Some(live) = conversation.poll_live() {
                    desk.live(live);
                }
            }
            replies = running(reading.as_mut()), if reading.is_some() => {
                reading.set(None);
                replies.into_iter().for_each(|reply| conversation.stored(now_ms(), reply));
            }
            replies = running(writing.as_mut()), if writing.is_some() => {
                writing.set(None);
                replies.into_iter().for_each(|reply| conversation.stored(now_ms(), reply));
            }
            signal = signals.recv() => {
                let signal = signal.unwrap_or(Signal::Finish);
                finishing = matches!(signal, Signal::Finish);
                conversation.signal(now_ms(), signal);
            }
            () = room, if waits_for_room => {}
            () = tokio::time::sleep(Duration::from_millis(wait.unwrap_or(0))), if wait.is_some() => {
                conversation.timeout(now_ms());
            }
        }
    }
}

/// Waits for an operation that is under way; for ever when none is.
async fn running<F: Future>(operation: std::pin::Pin<&mut Option<F>>) -> F::Output {
    match operation.as_pin_mut() {
        Some(operation) => operation.await,
        None => std::future::pending().await,
    }
}

impl Conversation for EdgeExchange {
    type Op = EdgeOp;
    type Reply = EdgeReply;

    fn receive(&mut self, now_ms: u64, class: Class, frame: &[u8]) {
        Self::receive(self, now_ms, class, frame);
    }

    fn stored(&mut self, now_ms: u64, reply: EdgeReply) {
        Self::stored(self, now_ms, reply);
    }

    fn signal(&mut self, now_ms: u64, signal: Signal) {
        match signal {
            Signal::Changed => self.local_change(now_ms),
            Signal::Live(live) => self.live(live),
            // A clinic keeps nothing for its hub.
            Signal::Durable(_) | Signal::Brought(_) => {}
            Signal::Finish => self.finish(),
        }
    }

    fn timeout(&mut self, now_ms: u64) {
        Self::timeout(self, now_ms);
    }

    fn poll_store(&mut self) -> Option<EdgeOp> {
        Self::poll_store(self)
    }

    fn takes_frames(&self) -> bool {
        Self::takes_frames(self)
    }

    fn poll_transmit(&mut self, ready: &dyn Fn(Class) -> bool) -> Option<(Class, Vec<u8>)> {
        Self::poll_transmit(self, ready)
    }

    fn poll_timeout(&self) -> Option<u64> {
        Self::poll_timeout(self)
    }

    fn poll_live(&mut self) -> Option<Live> {
        Self::poll_live(self)
    }

    fn progress(&self) -> Progress {
        Progress {
            steady: self.is_steady(),
            idle: self.is_idle(),
            tally: self.tally(),
            closed: self.closed().cloned(),
            peer_wall_ms: self.hub_wall_ms(),
        }
    }
}

impl Conversation for HubExchange {
    type Op = HubOp;
    type Reply = HubReply;

    fn receive(&mut self, now_ms: u64, class: Class, frame: &[u8]) {
        Self::receive(self, now_ms, class, frame);
    }

    fn stored(&mut self, now_ms: u64, reply: HubReply) {
        Self::stored(self, now_ms, reply);
    }

    fn signal(&mut self, _now_ms: u64, signal: Signal) {
        match signal {
            Signal::Changed => self.wake(),
            Signal::Live(live) => self.live(live),
            Signal::Durable(marks) => self.durable(marks),
            Signal::Brought(streams) => self.brought(&streams),
            Signal::Finish => self.finish(sync_protocol::message::ByeReason::Done, None),
        }
    }

    fn timeout(&mut self, now_ms: u64) {
        Self::timeout(self, now_ms);
    }

    fn poll_store(&mut self) -> Option<HubOp> {
        Self::poll_store(self)
    }

    fn takes_frames(&self) -> bool {
        Self::takes_frames(self)
    }

    fn poll_transmit(&mut self, ready: &dyn Fn(Class) -> bool) -> Option<(Class, Vec<u8>)> {
        Self::poll_transmit(self, ready)
    }

    fn poll_timeout(&self) -> Option<u64> {
        Self::poll_timeout(self)
    }

    fn poll_live(&mut self) -> Option<Live> {
        None
    }

    fn progress(&self) -> Progress {
        Progress {
            steady: self.is_steady(),
            idle: self.is_idle(),
            tally: self.tally(),
            closed: self.closed().cloned(),
            peer_wall_ms: None,
        }
    }
}
