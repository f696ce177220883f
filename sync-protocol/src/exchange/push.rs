//! The edge's own entries on their way up: what to read next, what is in flight, what to repeat.

use std::collections::{BTreeMap, VecDeque};

use super::ops::{EdgeOp, OutboxCursor, OutboxEntry, OutboxPage};
use super::{Now, PUSH_CLASSES};
use crate::ranges::Ranges;
use crate::{Class, Epoch, limits};

/// An entry that was sent and not yet acknowledged.
#[derive(Debug)]
struct InFlight {
    cursor: OutboxCursor,
    class: Class,
    bytes: usize,
    sent_at: Now,
}

#[derive(Debug, Default)]
struct Pump {
    after: Option<OutboxCursor>,
    reading: bool,
    /// Nothing was left at the last read, and nothing was written since.
    drained: bool,
    in_flight_bytes: usize,
    /// Read, but the window was full by then.
    ready: VecDeque<OutboxEntry>,
}

/// One pump per class over a shared window.
#[derive(Debug, Default)]
pub(super) struct PushPumps {
    pumps: BTreeMap<Class, Pump>,
    in_flight: BTreeMap<(Epoch, u64), InFlight>,
    pub(super) resent: u64,
}

impl PushPumps {
    pub(super) fn new() -> Self {
        let pumps = PUSH_CLASSES.into_iter().map(|class| (class, Pump::default())).collect();
        Self { pumps, ..Self::default() }
    }

    /// Something was written: every class may have more.
    pub(super) fn wake(&mut self) {
        self.pumps.values_mut().for_each(|pump| pump.drained = false);
    }

    /// Whether everything that was read is acknowledged and nothing is left to read.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
            && self.pumps.values().all(|p| p.drained && !p.reading && p.ready.is_empty())
    }

    /// The reads to ask for now.
    pub(super) fn reads(&mut self) -> Vec<EdgeOp> {
        let mut ops = Vec::new();
        let low_classes_full = self.low_bytes() >= limits::PUSH_WINDOW_BYTES;
        for (&class, pump) in &mut self.pumps {
            let full = match class {
                Class::Urgent => pump.in_flight_bytes >= limits::URGENT_WINDOW_BYTES,
                _ => low_classes_full,
            };
            if pump.reading || pump.drained || full || !pump.ready.is_empty() {
                continue;
            }
            pump.reading = true;
            // Urgent entries are read from the start each time, because one may have been put in
            // front of others; the few in flight are left out by name.
            let skip = match class {
                Class::Urgent => self
                    .in_flight
                    .values()
                    .filter(|sent| sent.class == Class::Urgent)
                    .map(|sent| sent.cursor)
                    .collect(),
                _ => Vec::new(),
            };
            let bytes_max = match class {
                Class::Urgent => limits::URGENT_WINDOW_BYTES,
                _ => limits::PAGE_BYTES,
            };
            ops.push(EdgeOp::ReadOutbox { class, after: pump.after, skip, bytes_max });
        }
        ops
    }

    fn low_bytes(&self) -> usize {
        let low = self.pumps.iter().filter(|(class, _)| **class != Class::Urgent);
        low.map(|(_, pump)| pump.in_flight_bytes).sum()
    }

    /// Takes a page; its entries wait until [`next`](Self::next) lets them go.
    pub(super) fn page(&mut self, page: OutboxPage) {
        let Some(pump) = self.pumps.get_mut(&page.class) else { return };
        pump.reading = false;
        pump.drained = page.end;
        if page.class != Class::Urgent
            && let Some(last) = page.entries.last()
        {
            pump.after = Some(last.cursor);
        }
        pump.ready.extend(page.entries);
    }

    /// Entries of `class` to put on their way, as many as fit one frame.
    pub(super) fn next(&mut self, now: Now, class: Class) -> Vec<OutboxEntry> {
        let mut out: Vec<OutboxEntry> = Vec::new();
        let mut bytes = 0;
        let Some(pump) = self.pumps.get_mut(&class) else { return out };
        while bytes < limits::FRAME_BYTES_TARGET && out.len() < limits::FRAME_ENTRIES_MAX {
            let same_epoch = |next: &OutboxEntry| out.first().is_none_or(|f| f.epoch == next.epoch);
            if !pump.ready.front().is_some_and(same_epoch) {
                break;
            }
            let Some(entry) = pump.ready.pop_front() else { break };
            let entry_bytes = weight(&entry);
            bytes += entry_bytes;
            pump.in_flight_bytes += entry_bytes;
            let sent = InFlight { cursor: entry.cursor, class, bytes: entry_bytes, sent_at: now };
            if let Some(before) = self.in_flight.insert((entry.epoch, entry.oseq), sent) {
                pump.in_flight_bytes = pump.in_flight_bytes.saturating_sub(before.bytes);
                self.resent += 1;
            }
            out.push(entry);
        }
        out
    }

    /// The hub holds these.
    pub(super) fn acknowledged(&mut self, epoch: Epoch, ranges: &Ranges) {
        for (low, high) in ranges.runs() {
            let done: Vec<(Epoch, u64)> =
                self.in_flight.range((epoch, low)..=(epoch, high)).map(|(key, _)| *key).collect();
            done.iter().for_each(|key| self.land(key));
        }
    }

    /// The hub said what is wrong with this one; it is not waited for.
    pub(super) fn refused(&mut self, epoch: Epoch, oseq: u64) {
        self.land(&(epoch, oseq));
    }

    fn land(&mut self, key: &(Epoch, u64)) {
        if let Some(sent) = self.in_flight.remove(key)
            && let Some(pump) = self.pumps.get_mut(&sent.class)
        {
            pump.in_flight_bytes = pump.in_flight_bytes.saturating_sub(sent.bytes);
        }
    }

    /// Starts reading `class` over: what is in flight there may not have arrived.
    pub(super) fn rewind(&mut self, class: Class) {
        let lost: Vec<(Epoch, u64)> = self
            .in_flight
            .iter()
            .filter(|(_, sent)| sent.class == class)
            .map(|(k, _)| *k)
            .collect();
        self.resent += lost.len() as u64;
        lost.iter().for_each(|key| self.land(key));
        if let Some(pump) = self.pumps.get_mut(&class) {
            pump.after = None;
            pump.drained = false;
            pump.ready.clear();
        }
    }

    /// Classes with an entry that nobody acknowledged in time.
    pub(super) fn overdue(&self, now: Now) -> Vec<Class> {
        let late = self
            .in_flight
            .values()
            .filter(|sent| now.saturating_sub(sent.sent_at) >= limits::RESEND_AFTER_MS);
        let mut classes: Vec<Class> = late.map(|sent| sent.class).collect();
        classes.sort_unstable();
        classes.dedup();
        classes
    }

    /// When the first entry in flight becomes overdue.
    pub(super) fn next_timeout(&self) -> Option<Now> {
        self.in_flight.values().map(|sent| sent.sent_at + limits::RESEND_AFTER_MS).min()
    }
}

fn weight(entry: &OutboxEntry) -> usize {
    // Signature, shortened header and framing beside the payload.
    entry.entry.payload.bytes().map_or(0, <[u8]>::len) + 128
}
