//! Runs of streams on their way to an edge: what was sent, and what to send again.

use std::collections::{BTreeMap, VecDeque};

use super::Now;
use super::lanes::due;
use super::ops::Run;
use crate::message::StreamPosition;
use crate::{Class, StreamId, limits};

/// A run that was sent and not yet acknowledged.
#[derive(Debug)]
struct Sent {
    to_idx: u64,
    class: Class,
    bytes: usize,
    due: Now,
}

/// The window of unacknowledged runs.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// By stream, each run beginning where the one before it ends.
    sent: BTreeMap<StreamId, VecDeque<Sent>>,
    bytes: usize,
    reading: bool,
    /// The read under way started from places that are no longer the right ones.
    discard: bool,
    /// Something changed while the read was under way.
    woken: bool,
    /// Nothing more was found at the last read, and nothing changed since.
    drained: bool,
    /// How often a stream was overdue since something of it was acknowledged.
    overdue: BTreeMap<StreamId, u32>,
    /// No run in flight is overdue before.
    next_due: Option<Now>,
    pub(super) resent: u64,
}

impl Feed {
    /// Something was committed that the edge may have to be told.
    pub(super) const fn wake(&mut self) {
        self.drained = false;
        self.woken = self.reading;
    }

    /// Bytes on their way.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_idle(&self) -> bool {
        self.drained && !self.reading && self.sent.is_empty()
    }

    /// Whether to read on, and if so from where: the streams on their way with the position up to
    /// which each was sent.
    pub(super) fn read(&mut self) -> Option<Vec<(StreamId, u64)>> {
        if self.reading || self.drained || self.bytes >= limits::FEED_WINDOW_BYTES {
            return None;
        }
        self.reading = true;
        self.woken = false;
        let last = |(stream, runs): (&StreamId, &VecDeque<Sent>)| {
            runs.back().map(|run| (*stream, run.to_idx))
        };
        Some(self.sent.iter().filter_map(last).collect())
    }

    /// Takes what a read found: the runs to send now.
    pub(super) fn found(&mut self, runs: Vec<Run>) -> Vec<Run> {
        self.reading = false;
        if std::mem::take(&mut self.discard) {
            return Vec::new();
        }
        self.drained = runs.is_empty() && !self.woken;
        runs
    }

    pub(super) fn sending(&mut self, now: Now, run: &Run, bytes: usize) {
        self.bytes += bytes;
        let times = self.overdue.get(&run.stream).copied().unwrap_or(0);
        let due = due(now, self.bytes, times);
        self.next_due = Some(self.next_due.map_or(due, |at| at.min(due)));
        let sent = Sent { to_idx: run.to_idx, class: run.class, bytes, due };
        self.sent.entry(run.stream).or_default().push_back(sent);
    }

    /// Storage has on record that the edge holds this.
    pub(super) fn acknowledged(&mut self, position: &StreamPosition) {
        self.overdue.remove(&position.stream);
        if let Some(runs) = self.sent.get_mut(&position.stream) {
            while runs.front().is_some_and(|run| run.to_idx <= position.to_idx) {
                self.bytes -= runs.pop_front().map_or(0, |run| run.bytes);
            }
            if runs.is_empty() {
                self.sent.remove(&position.stream);
            }
        }
        self.wake();
    }

    /// Forgets streams that nobody acknowledged in time, so that they are read and sent again.
    pub(super) fn expire(&mut self, now: Now) {
        if self.next_due.is_some_and(|at| at <= now) {
            for (stream, runs) in &self.sent {
                if runs.iter().any(|run| run.due <= now) {
                    *self.overdue.entry(*stream).or_default() += 1;
                }
            }
            self.forget(|run| run.due <= now);
            self.next_due = self.sent.values().flatten().map(|run| run.due).min();
        }
    }

    /// Whether something of a stream is on its way.
    pub(super) fn is_sending(&self, stream: &StreamId) -> bool {
        self.sent.contains_key(stream)
    }

    /// Everything in flight must be sent again.
    pub(super) fn rewind(&mut self) {
        self.forget(|_| true);
        self.discard = self.reading;
        self.wake();
    }

    /// Whatever is in flight of `stream` is of no use to the edge.
    pub(super) fn rewind_stream(&mut self, stream: StreamId) {
        if let Some(runs) = self.sent.remove(&stream) {
            self.bytes -= runs.iter().map(|run| run.bytes).sum::<usize>();
            self.resent += 1;
        }
        self.discard = self.reading;
        self.wake();
    }

    /// Everything in flight on the lane of `class` must be sent again.
    pub(super) fn rewind_class(&mut self, class: Class) {
        self.forget(|run| run.class == class);
        self.discard = self.reading;
        self.wake();
    }

    /// Forgets every stream of which some run is lost: what follows that run is of no use.
    fn forget(&mut self, lost: impl Fn(&Sent) -> bool) {
        let before = self.sent.len();
        let mut freed = 0;
        self.sent.retain(|_, runs| {
            let keep = !runs.iter().any(&lost);
            freed += if keep { 0 } else { runs.iter().map(|run| run.bytes).sum() };
            keep
        });
        self.bytes -= freed;
        let forgotten = before - self.sent.len();
        if forgotten > 0 {
            self.resent += forgotten as u64;
            self.discard = self.reading;
            self.wake();
        }
    }

    /// When [`expire`](Self::expire) may have something to do.
    pub(super) const fn next_timeout(&self) -> Option<Now> {
        self.next_due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(subject: u8) -> StreamId {
        StreamId { scope: 1, subject: [subject; 16], compartment: 1, generation: 0 }
    }

    fn run(subject: u8, from_idx: u64, to_idx: u64) -> Run {
        let (stream, class) = (stream(subject), Class::Records);
        Run { stream, class, version: 1, from_idx, to_idx, head_sum: None, entries: Vec::new() }
    }

    fn position(subject: u8, to_idx: u64) -> StreamPosition {
        StreamPosition { stream: stream(subject), version: 1, to_idx }
    }

    /// A feed with two runs of one stream and one of another on their way.
    fn on_way() -> Feed {
        let mut feed = Feed::default();
        assert_eq!(feed.read(), Some(vec![]));
        for run in feed.found(vec![run(1, 0, 5), run(1, 5, 9), run(2, 0, 3)]) {
            feed.sending(0, &run, 1_000);
        }
        feed
    }

    #[test]
    fn what_is_on_its_way_is_read_on_from() {
        let mut feed = on_way();
        assert_eq!(feed.read(), Some(vec![(stream(1), 9), (stream(2), 3)]));
        assert_eq!(feed.read(), None, "one read at a time");
        assert!(feed.found(Vec::new()).is_empty());
        assert_eq!(feed.read(), None, "nothing more, and nothing changed");
        feed.wake();
        assert!(feed.read().is_some());
    }

    #[test]
    fn acknowledgements_free_the_window_piece_by_piece() {
        let mut feed = on_way();
        assert_eq!(feed.bytes, 3_000);
        feed.acknowledged(&position(1, 5));
        assert_eq!(feed.bytes, 2_000);
        feed.acknowledged(&position(1, 5));
        assert_eq!(feed.bytes, 2_000, "twice is once");
        feed.acknowledged(&position(1, 9));
        feed.acknowledged(&position(2, 3));
        assert_eq!(feed.bytes, 0);
        assert!(!feed.is_idle(), "there may be more");
        feed.read();
        feed.found(Vec::new());
        assert!(feed.is_idle());
    }

    #[test]
    fn a_change_while_a_read_is_under_way_is_not_forgotten() {
        let mut feed = on_way();
        feed.read();
        feed.wake();
        feed.found(Vec::new());
        assert!(feed.read().is_some());
    }

    #[test]
    fn a_read_that_a_new_start_overtook_is_read_over() {
        for again in [
            Feed::rewind as fn(&mut Feed),
            |feed: &mut Feed| feed.rewind_class(Class::Records),
            |feed: &mut Feed| feed.rewind_stream(stream(1)),
            |feed: &mut Feed| feed.expire(u64::MAX),
        ] {
            let mut feed = on_way();
            feed.read();
            again(&mut feed);
            // This run begins after what was lost.
            assert!(feed.found(vec![run(1, 9, 12)]).is_empty());
            let sent = feed.read().unwrap();
            assert!(sent.iter().all(|(id, _)| *id != stream(1)), "{sent:?}");
        }
    }

    #[test]
    fn a_stream_that_is_overdue_is_sent_again_and_waits_longer_each_time() {
        let mut feed = on_way();
        feed.acknowledged(&position(2, 3));
        let mut now = 0;
        for doublings in [0, 1, 2, 3] {
            let due = feed.next_timeout().unwrap();
            assert_eq!((due - now) / limits::RESEND_AFTER_MS, 1 << doublings);
            feed.expire(due - 1);
            assert_eq!(feed.resent, doublings);
            feed.expire(due);
            assert_eq!(feed.resent, doublings + 1);
            now = due;
            assert_eq!(feed.read(), Some(vec![]));
            for run in feed.found(vec![run(1, 0, 5)]) {
                feed.sending(now, &run, 1_000);
            }
        }
    }

    #[test]
    fn the_window_is_full_at_its_limit() {
        let mut feed = Feed::default();
        feed.read();
        feed.found(vec![run(1, 0, 1)]);
        feed.sending(0, &run(1, 0, 1), limits::FEED_WINDOW_BYTES - 1);
        assert!(feed.read().is_some(), "one byte is free");
        feed.found(vec![run(1, 1, 2)]);
        feed.sending(0, &run(1, 1, 2), 1);
        assert_eq!(feed.read(), None, "none is");
    }
}
