//! Runs of streams on their way to an edge: what was sent, and what to send again.

use std::collections::BTreeMap;

use super::Now;
use super::ops::Run;
use crate::message::StreamPosition;
use crate::{StreamId, limits};

#[derive(Debug)]
struct Sent {
    to_idx: u64,
    bytes: usize,
    at: Now,
}

/// The window of unacknowledged runs.
#[derive(Debug, Default)]
pub(super) struct Feed {
    sent: BTreeMap<StreamId, Sent>,
    bytes: usize,
    pub(super) reading: bool,
    /// Nothing more was found at the last read, and nothing changed since.
    pub(super) drained: bool,
    pub(super) resent: u64,
}

impl Feed {
    /// Whether another read may be asked for.
    pub(super) fn wants_read(&self) -> bool {
        !self.reading && !self.drained && self.bytes < limits::FEED_WINDOW_BYTES
    }

    pub(super) fn is_idle(&self) -> bool {
        self.drained && !self.reading && self.sent.is_empty()
    }

    /// Streams on their way, for the read to start after.
    pub(super) fn positions(&self) -> Vec<(StreamId, u64)> {
        self.sent.iter().map(|(stream, sent)| (*stream, sent.to_idx)).collect()
    }

    pub(super) fn sending(&mut self, now: Now, run: &Run, bytes: usize) {
        self.bytes += bytes;
        self.sent
            .entry(run.stream)
            .and_modify(|sent| {
                sent.to_idx = run.to_idx;
                sent.bytes += bytes;
                sent.at = now;
            })
            .or_insert(Sent { to_idx: run.to_idx, bytes, at: now });
    }

    pub(super) fn acknowledged(&mut self, position: &StreamPosition) {
        let done = self.sent.get(&position.stream).is_some_and(|s| s.to_idx <= position.to_idx);
        if done && let Some(sent) = self.sent.remove(&position.stream) {
            self.bytes -= sent.bytes;
        }
        self.drained = false;
    }

    /// Forgets runs that nobody acknowledged in time, so that they are read and sent again.
    pub(super) fn expire(&mut self, now: Now) {
        let late = |sent: &Sent| now.saturating_sub(sent.at) >= limits::RESEND_AFTER_MS;
        let overdue: Vec<StreamId> =
            self.sent.iter().filter(|(_, sent)| late(sent)).map(|(stream, _)| *stream).collect();
        for stream in overdue {
            self.forget(&stream);
            self.resent += 1;
        }
    }

    /// Everything in flight must be sent again.
    pub(super) fn rewind(&mut self) {
        self.resent += self.sent.len() as u64;
        self.sent.clear();
        self.bytes = 0;
        self.drained = false;
    }

    fn forget(&mut self, stream: &StreamId) {
        if let Some(sent) = self.sent.remove(stream) {
            self.bytes -= sent.bytes;
        }
        self.drained = false;
    }

    pub(super) fn next_timeout(&self) -> Option<Now> {
        self.sent.values().map(|sent| sent.at + limits::RESEND_AFTER_MS).min()
    }
}
