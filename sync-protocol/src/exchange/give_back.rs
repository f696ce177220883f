//! Sending an edge what it lost of its own entries, a frame at a time.

use std::collections::VecDeque;

use super::Now;
use super::ops::{HubOp, RunEntry};
use crate::lane::full;
use crate::standing::OwnEntries;
use crate::{StreamId, limits};

/// What is on its way, or to be read.
#[derive(Debug, Default)]
enum Step {
    #[default]
    Read,
    Reading,
    Sent {
        message: OwnEntries,
        due: Now,
    },
}

/// The streams of which the edge lost something, and where sending them stands. A frame is sent until
/// it is known to be stored: after a restore nobody is in a hurry, and memory stays within a frame.
#[derive(Debug, Default)]
pub(super) struct GiveBack {
    streams: VecDeque<StreamId>,
    after: u64,
    number: u64,
    step: Step,
    /// The edge is yet to hear that there is nothing more.
    open: bool,
}

impl GiveBack {
    /// These streams are to be sent.
    pub(super) fn start(&mut self, streams: Vec<StreamId>) {
        if self.streams.is_empty() {
            self.streams = streams.into();
            self.after = 0;
            self.open = true;
        }
    }

    /// Somebody else brought entries of the edge to these streams: it may have lost them.
    pub(super) fn add(&mut self, streams: &[StreamId]) {
        for stream in streams {
            // What is being read of the first may be of the time before.
            if !self.streams.iter().skip(1).any(|known| known == stream) {
                self.streams.push_back(*stream);
            }
        }
        self.open |= !streams.is_empty();
    }

    /// When everything is stored, a message without entries: what the edge counts as lost it has.
    pub(super) fn last(&mut self, now: Now) -> Option<OwnEntries> {
        if !self.streams.is_empty() || !matches!(self.step, Step::Read) || !self.open {
            return None;
        }
        self.open = false;
        self.number += 1;
        let message = OwnEntries { number: self.number, entries: Vec::new() };
        self.step = Step::Sent { message: message.clone(), due: now + limits::RESEND_AFTER_MS };
        Some(message)
    }

    /// The next thing to read.
    pub(super) fn read(&mut self) -> Option<HubOp> {
        let stream = *self.streams.front()?;
        if !matches!(self.step, Step::Read) {
            return None;
        }
        self.step = Step::Reading;
        let bytes_max = limits::FRAME_BYTES_TARGET;
        Some(HubOp::ReadOwn { stream, after: self.after, bytes_max })
    }

    /// What was read goes out.
    pub(super) fn found(
        &mut self,
        now: Now,
        entries: &[RunEntry],
        next: Option<u64>,
    ) -> Option<OwnEntries> {
        match next {
            Some(after) => self.after = after,
            None => {
                self.streams.pop_front();
                self.after = 0;
            }
        }
        if entries.is_empty() {
            self.step = Step::Read;
            return None;
        }
        self.number += 1;
        let long = entries.iter().map(|held| full(&held.entry, &held.key, 0)).collect();
        let message = OwnEntries { number: self.number, entries: long };
        self.step = Step::Sent { message: message.clone(), due: now + limits::RESEND_AFTER_MS };
        Some(message)
    }

    /// The edge stored what this message brought.
    pub(super) fn stored(&mut self, number: u64) {
        if matches!(&self.step, Step::Sent { message, .. } if message.number == number) {
            self.step = Step::Read;
        }
    }

    /// The lane is started anew: what is on its way is sent again.
    pub(super) const fn rewind(&mut self, now: Now) {
        if let Step::Sent { due, .. } = &mut self.step {
            *due = now;
        }
    }

    /// What was not acknowledged in time.
    pub(super) fn overdue(&mut self, now: Now) -> Option<OwnEntries> {
        match &mut self.step {
            Step::Sent { message, due } if *due <= now => {
                *due = now + limits::RESEND_AFTER_MS;
                Some(message.clone())
            }
            Step::Sent { .. } | Step::Read | Step::Reading => None,
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Now> {
        match self.step {
            Step::Sent { due, .. } => Some(due),
            Step::Read | Step::Reading => None,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.streams.is_empty() && matches!(self.step, Step::Read)
    }
}
