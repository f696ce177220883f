//! Frames waiting to be written, in four tiers.
//!
//! The classes 0, 1 and 2 are a tier each and go strictly before everything after them. The classes
//! from 3 on share the last tier in the order in which they were handed over: how they share the
//! link is decided by who hands them over, and a second opinion here would undo it. Each tier has
//! its own room, so no backlog keeps an urgent frame from being handed over.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use crate::framing::{FramingError, check_length, put_frame};

/// The first class of the tier that is served in order of arrival.
pub(crate) const FIRST_BULK_CLASS: u8 = 3;

/// Three urgent tiers and the last one.
pub(crate) const TIERS: usize = FIRST_BULK_CLASS as usize + 1;

/// Bytes that may wait in an urgent tier. An alert is about 100 bytes, an acknowledgement 20.
const URGENT_ROOM_BYTES: usize = 64 * 1024;

/// Small frames are gathered up to about this, so that a burst of them shares packets and locks:
/// fifty packets.
const BURST_BYTES: usize = 64 * 1024;

/// Why a frame was not taken.
#[derive(Debug)]
pub(crate) enum Rejected {
    /// No room in its tier; the frame is given back.
    Full(Bytes),
    /// Its length is outside the bounds.
    Framing(FramingError),
    /// Nothing is sent any more.
    Closed,
}

/// Frames of one class, written together.
#[derive(Debug)]
pub(crate) struct Burst {
    pub(crate) class: u8,
    pub(crate) bytes: Bytes,
    /// Room to give back when all of it is written.
    charge: usize,
}

#[derive(Debug)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    /// Wakes the one writer.
    pub(crate) filled: Notify,
    /// Wakes everyone who waits for room.
    emptied: Notify,
}

#[derive(Debug)]
struct State {
    tiers: [Tier; TIERS],
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// Takes nothing more; what waits is still written, then the link is closed with this code.
    Finishing(u32),
    Closed,
}

#[derive(Debug)]
struct Tier {
    frames: VecDeque<(u8, Bytes)>,
    /// Bytes waiting here and in the burst the writer has in hand.
    held_bytes: usize,
    room_bytes: usize,
}

impl Tier {
    const fn has_room(&self) -> bool {
        self.held_bytes < self.room_bytes
    }
}

impl Outbox {
    /// `bulk_room_bytes`: how much of the classes from 3 on may wait.
    pub(crate) fn new(bulk_room_bytes: usize) -> Self {
        let tier = |room_bytes| Tier { frames: VecDeque::new(), held_bytes: 0, room_bytes };
        let [a, b, c] = [URGENT_ROOM_BYTES; 3];
        let tiers = [a, b, c, bulk_room_bytes].map(tier);
        let state = Mutex::new(State { tiers, phase: Phase::Open });
        Self { state, filled: Notify::new(), emptied: Notify::new() }
    }

    /// Takes a frame if its tier has any room; the last one may exceed it.
    pub(crate) fn try_push(&self, class: u8, frame: Bytes) -> Result<(), Rejected> {
        check_length(frame.len()).map_err(Rejected::Framing)?;
        let mut state = self.state();
        if state.phase != Phase::Open {
            return Err(Rejected::Closed);
        }
        let Some(tier) = state.tiers.get_mut(tier_of(class)) else {
            return Err(Rejected::Closed);
        };
        if !tier.has_room() {
            return Err(Rejected::Full(frame));
        }
        tier.held_bytes += frame.len();
        tier.frames.push_back((class, frame));
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Waits for room. A call that is dropped before it ends has not taken the frame.
    pub(crate) async fn push(&self, class: u8, mut frame: Bytes) -> Result<(), Rejected> {
        loop {
            let changed = self.room_changed();
            match self.try_push(class, frame) {
                Err(Rejected::Full(back)) => frame = back,
                other => return other,
            }
            changed.await;
        }
    }

    /// Ends with the next change after this call, even if it is awaited later.
    pub(crate) fn room_changed(&self) -> Notified<'_> {
        self.emptied.notified()
    }

    pub(crate) fn has_room(&self, class: u8) -> bool {
        let state = self.state();
        state.phase == Phase::Open
            && state.tiers.get(tier_of(class)).is_some_and(|tier| tier.has_room())
    }

    /// The next frames of a tier, encoded. Their room is given back by [`written`](Self::written).
    pub(crate) fn take(&self, tier: usize) -> Option<Burst> {
        let mut state = self.state();
        let frames = &mut state.tiers.get_mut(tier)?.frames;
        let class = frames.front()?.0;
        let (mut bytes, mut charge) = (BytesMut::new(), 0);
        while let Some((next_class, frame)) = frames.front() {
            let fits = bytes.is_empty() || bytes.len() + frame.len() <= BURST_BYTES;
            // The length was checked when the frame was taken.
            if *next_class != class || !fits || put_frame(&mut bytes, frame).is_err() {
                break;
            }
            charge += frame.len();
            frames.pop_front();
        }
        Some(Burst { class, bytes: bytes.freeze(), charge })
    }

    /// All of `burst` is the transport's now.
    pub(crate) fn written(&self, burst: &Burst) {
        if let Some(tier) = self.state().tiers.get_mut(tier_of(burst.class)) {
            tier.held_bytes = tier.held_bytes.saturating_sub(burst.charge);
        }
        self.emptied.notify_waiters();
    }

    /// Takes no more frames; when everything is written the link is to be closed with `code`.
    pub(crate) fn finish(&self, code: u32) {
        let mut state = self.state();
        if state.phase == Phase::Open {
            state.phase = Phase::Finishing(code);
        }
        drop(state);
        self.filled.notify_one();
        self.emptied.notify_waiters();
    }

    /// The code to close with, once nothing is to come.
    pub(crate) fn finishing(&self) -> Option<u32> {
        match self.state().phase {
            Phase::Finishing(code) => Some(code),
            Phase::Open | Phase::Closed => None,
        }
    }

    /// The link is gone: drops what waits.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        state.phase = Phase::Closed;
        for tier in &mut state.tiers {
            tier.frames.clear();
        }
        drop(state);
        self.emptied.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while holding it; if something did, the queues are still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn tier_of(class: u8) -> usize {
    usize::from(class.min(FIRST_BULK_CLASS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(len: usize) -> Bytes {
        vec![1; len].into()
    }

    #[test]
    fn frames_of_one_class_leave_together_and_in_order() {
        let outbox = Outbox::new(1_000);
        for (class, len) in [(5, 10), (5, 20), (4, 5), (5, 1)] {
            outbox.try_push(class, frame(len)).unwrap();
        }
        let taken: Vec<(u8, usize)> = std::iter::from_fn(|| outbox.take(TIERS - 1))
            .map(|burst| (burst.class, burst.bytes.len()))
            .collect();
        assert_eq!(taken, [(5, 32), (4, 6), (5, 2)]);
    }

    #[test]
    fn a_burst_ends_before_it_gets_long() {
        let outbox = Outbox::new(usize::MAX);
        for _ in 0..4 {
            outbox.try_push(3, frame(30_000)).unwrap();
        }
        assert_eq!(outbox.take(3).unwrap().bytes.len(), 60_006);
        outbox.try_push(3, frame(100_000)).unwrap();
        assert_eq!(outbox.take(3).unwrap().bytes.len(), 60_006);
        assert_eq!(outbox.take(3).unwrap().bytes.len(), 100_003);
        assert!(outbox.take(3).is_none());
    }

    #[test]
    fn a_full_tier_leaves_the_others_open() {
        let outbox = Outbox::new(100);
        outbox.try_push(6, frame(99)).unwrap();
        assert!(outbox.has_room(3));
        outbox.try_push(6, frame(99)).unwrap();
        for class in 3..=6 {
            assert!(!outbox.has_room(class));
            assert!(matches!(outbox.try_push(class, frame(1)), Err(Rejected::Full(_))));
        }
        for class in 0..=2 {
            assert!(outbox.has_room(class));
        }
        let burst = outbox.take(3).unwrap();
        assert!(!outbox.has_room(3), "what the writer has in hand still counts");
        outbox.written(&burst);
        assert!(outbox.has_room(3));
    }

    #[test]
    fn nothing_is_taken_once_finishing_or_closed() {
        let outbox = Outbox::new(100);
        outbox.try_push(1, frame(1)).unwrap();
        outbox.finish(9);
        assert!(matches!(outbox.try_push(1, frame(1)), Err(Rejected::Closed)));
        assert_eq!(outbox.finishing(), Some(9));
        assert!(outbox.take(1).is_some(), "what was taken before is still written");
        outbox.close();
        assert!(matches!(outbox.try_push(1, frame(1)), Err(Rejected::Closed)));
        assert_eq!(outbox.finishing(), None);
    }

    #[tokio::test]
    async fn a_sender_waits_for_room_and_for_the_end() {
        let outbox = Outbox::new(10);
        outbox.push(3, frame(10)).await.unwrap();
        let burst = outbox.take(3).unwrap();
        let (pushed, ()) = tokio::join!(outbox.push(3, frame(10)), async {
            tokio::task::yield_now().await;
            outbox.written(&burst);
        });
        pushed.unwrap();
        let (pushed, ()) = tokio::join!(outbox.push(3, frame(10)), async {
            tokio::task::yield_now().await;
            outbox.close();
        });
        assert!(matches!(pushed, Err(Rejected::Closed)));
    }
}
