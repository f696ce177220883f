//! The edge's own entries on their way up: what to read next, what is in flight, what to repeat.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::lanes::due;
use super::ops::{EdgeOp, OutboxCursor, OutboxEntry, OutboxPage};
use super::{Now, PUSH_CLASSES};
use crate::ranges::Ranges;
use crate::{Class, Epoch, limits};

/// The name of an own entry between the two sides: its epoch and its position there.
type Key = (Epoch, u64);

/// An entry that was sent and not yet acknowledged.
#[derive(Debug)]
struct InFlight {
    key: Key,
    bytes: usize,
    due: Now,
}

#[derive(Debug, Default)]
struct Pump {
    after: Option<OutboxCursor>,
    reading: bool,
    /// The read under way started from a place that is no longer the right one.
    discard: bool,
    /// Something was written while the read was under way.
    woken: bool,
    /// Nothing was left at the last read, and nothing was written since.
    drained: bool,
    in_flight: BTreeMap<OutboxCursor, InFlight>,
    in_flight_bytes: usize,
    /// How often something was overdue since the last acknowledgement.
    overdue: u32,
    /// Acknowledged, and not yet given to storage.
    acked: BTreeSet<OutboxCursor>,
    /// Acknowledged, and storage is recording it.
    marking: BTreeSet<OutboxCursor>,
    /// Times that the hub missed the predecessor.
    gaps: BTreeMap<OutboxCursor, u32>,
    /// Left for the next conversation.
    stuck: BTreeSet<OutboxCursor>,
    /// Read, and not yet on the lane.
    ready: VecDeque<OutboxEntry>,
}

impl Pump {
    /// Own entries that a read after `after` would find though they need not be sent.
    fn skip(&self) -> Vec<OutboxCursor> {
        let beyond = |cursor: &&OutboxCursor| self.after.is_none_or(|after| **cursor > after);
        let mut skip: Vec<OutboxCursor> = self.in_flight.keys().filter(beyond).copied().collect();
        for set in [&self.acked, &self.marking, &self.stuck] {
            skip.extend(set.iter().filter(beyond));
        }
        skip
    }

    fn remove(&mut self, cursor: &OutboxCursor) -> Option<InFlight> {
        let sent = self.in_flight.remove(cursor)?;
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(sent.bytes);
        Some(sent)
    }

    /// Reads from the start again; what is in flight is left out by name.
    fn read_over(&mut self) {
        self.after = None;
        self.drained = false;
        self.discard = self.reading;
        self.ready.clear();
    }
}

/// One pump per class over a shared window.
#[derive(Debug, Default)]
pub(super) struct PushPumps {
    pumps: BTreeMap<Class, Pump>,
    places: BTreeMap<Key, (Class, OutboxCursor)>,
    /// No entry in flight is overdue before.
    next_due: Option<Now>,
    pub(super) resent: u64,
}

impl PushPumps {
    pub(super) fn new() -> Self {
        let pumps = PUSH_CLASSES.into_iter().map(|class| (class, Pump::default())).collect();
        Self { pumps, ..Self::default() }
    }

    /// Something was written: every class may have more.
    pub(super) fn wake(&mut self) {
        for pump in self.pumps.values_mut() {
            pump.drained = false;
            pump.woken = pump.reading;
        }
    }

    /// Whether everything that was read is acknowledged and nothing is left to read.
    pub(super) fn is_idle(&self) -> bool {
        self.places.is_empty()
            && self.pumps.values().all(|p| p.drained && !p.reading && p.ready.is_empty())
    }

    /// Whether this entry waits for its acknowledgement.
    pub(super) fn is_in_flight(&self, epoch: Epoch, oseq: u64) -> bool {
        self.places.contains_key(&(epoch, oseq))
    }

    /// The reads to ask for now.
    pub(super) fn reads(&mut self) -> Vec<EdgeOp> {
        let mut ops = Vec::new();
        let low_classes_full = self.bytes_in_flight(Class::Fresh) >= limits::PUSH_WINDOW_BYTES;
        for (&class, pump) in &mut self.pumps {
            let urgent_full = pump.in_flight_bytes >= limits::URGENT_WINDOW_BYTES;
            let (full, bytes_max) = if class == Class::Urgent {
                (urgent_full, limits::URGENT_WINDOW_BYTES)
            } else {
                (low_classes_full, limits::PAGE_BYTES)
            };
            if pump.reading || pump.drained || full || !pump.ready.is_empty() {
                continue;
            }
            pump.reading = true;
            pump.woken = false;
            let (after, skip) = (pump.after, pump.skip());
            ops.push(EdgeOp::ReadOutbox { class, after, skip, bytes_max });
        }
        ops
    }

    /// Bytes in flight in all windows.
    pub(super) fn bytes(&self) -> usize {
        self.pumps.values().map(|pump| pump.in_flight_bytes).sum()
    }

    /// Bytes in flight in the window that `class` shares.
    fn bytes_in_flight(&self, class: Class) -> usize {
        let shares = |other: Class| (other == Class::Urgent) == (class == Class::Urgent);
        let pumps = self.pumps.iter().filter(|(other, _)| shares(**other));
        pumps.map(|(_, pump)| pump.in_flight_bytes).sum()
    }

    /// Takes a page; its entries wait until [`next`](Self::next) lets them go.
    pub(super) fn page(&mut self, page: OutboxPage) {
        let Some(pump) = self.pumps.get_mut(&page.class) else { return };
        pump.reading = false;
        if std::mem::take(&mut pump.discard) {
            return;
        }
        // A page without entries is an end whatever it says, or it would be asked for without end.
        pump.drained = (page.end || page.entries.is_empty()) && !pump.woken;
        // Urgent entries are read from the start each time: one may be put in front of others.
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
        let mut ahead = self.bytes_in_flight(class);
        let Some(pump) = self.pumps.get_mut(&class) else { return out };
        while let Some(front) = pump.ready.front() {
            let entry_bytes = weight(front);
            let fits = bytes + entry_bytes <= limits::FRAME_BYTES_TARGET
                && out.len() < limits::FRAME_ENTRIES_MAX
                && out.first().is_none_or(|first| first.epoch == front.epoch);
            if !fits && !out.is_empty() {
                break;
            }
            let Some(entry) = pump.ready.pop_front() else { break };
            bytes += entry_bytes;
            ahead += entry_bytes;
            let key = (entry.epoch, entry.oseq);
            let due = due(now, ahead, pump.overdue);
            self.next_due = Some(self.next_due.map_or(due, |at| at.min(due)));
            // A place that was read twice is on its way twice, and waited for once.
            self.resent += u64::from(pump.remove(&entry.cursor).is_some());
            pump.in_flight_bytes += entry_bytes;
            pump.in_flight.insert(entry.cursor, InFlight { key, bytes: entry_bytes, due });
            self.places.insert(key, (class, entry.cursor));
            out.push(entry);
        }
        out
    }

    /// The hub holds these.
    pub(super) fn acknowledged(&mut self, epoch: Epoch, ranges: &Ranges) {
        for (low, high) in ranges.runs() {
            let done: Vec<Key> =
                self.places.range((epoch, low)..=(epoch, high)).map(|(key, _)| *key).collect();
            done.into_iter().for_each(|key| self.land(key));
        }
    }

    /// The hub said what is wrong with this one; it is not waited for.
    pub(super) fn refused(&mut self, epoch: Epoch, oseq: u64) {
        self.land((epoch, oseq));
    }

    fn land(&mut self, key: Key) {
        let Some((class, cursor)) = self.places.remove(&key) else { return };
        if let Some(pump) = self.pumps.get_mut(&class) {
            pump.overdue = 0;
            pump.remove(&cursor);
            pump.gaps.remove(&cursor);
            pump.acked.insert(cursor);
        }
    }

    /// The hub misses this one's predecessor: it is sent again in a while, a few times.
    pub(super) fn gap(&mut self, now: Now, epoch: Epoch, oseq: u64) {
        let key = (epoch, oseq);
        let Some(&(class, cursor)) = self.places.get(&key) else { return };
        let Some(pump) = self.pumps.get_mut(&class) else { return };
        let times = pump.gaps.entry(cursor).or_default();
        *times += 1;
        if *times >= limits::GAP_TRIES_MAX {
            pump.remove(&cursor);
            pump.stuck.insert(cursor);
            self.places.remove(&key);
        } else if let Some(sent) = pump.in_flight.get_mut(&cursor) {
            sent.due = now.saturating_add(limits::GAP_RETRY_MS << (*times - 1).min(16));
            self.next_due = Some(self.next_due.map_or(sent.due, |at| at.min(sent.due)));
        }
    }

    /// Storage is given what was acknowledged so far.
    pub(super) fn marking(&mut self) {
        for pump in self.pumps.values_mut() {
            pump.marking.append(&mut pump.acked);
        }
    }

    /// Storage has recorded it.
    pub(super) fn marked(&mut self) {
        self.pumps.values_mut().for_each(|pump| pump.marking.clear());
    }

    /// Starts `class` over: nothing in flight there may have arrived.
    pub(super) fn rewind(&mut self, class: Class) {
        self.repeat(class, |_| true);
    }

    /// Starts over whatever nobody acknowledged in time.
    pub(super) fn expire(&mut self, now: Now) {
        if self.next_due.is_none_or(|at| at > now) {
            return;
        }
        for class in PUSH_CLASSES {
            if let Some(pump) = self.pumps.get_mut(&class) {
                let mut late = pump.in_flight.iter().filter(|(_, sent)| sent.due <= now);
                pump.overdue += u32::from(late.any(|(at, _)| !pump.gaps.contains_key(at)));
            }
            self.repeat(class, |sent| sent.due <= now);
        }
        let in_flight = self.pumps.values().flat_map(|pump| pump.in_flight.values());
        self.next_due = in_flight.map(|sent| sent.due).min();
    }

    fn repeat(&mut self, class: Class, lost: impl Fn(&InFlight) -> bool) {
        let Some(pump) = self.pumps.get_mut(&class) else { return };
        let gone: Vec<OutboxCursor> =
            pump.in_flight.iter().filter(|(_, sent)| lost(sent)).map(|(at, _)| *at).collect();
        if gone.is_empty() && pump.ready.is_empty() {
            return;
        }
        self.resent += gone.len() as u64;
        for cursor in gone {
            if let Some(sent) = pump.remove(&cursor) {
                self.places.remove(&sent.key);
            }
        }
        pump.read_over();
    }

    /// When [`expire`](Self::expire) may have something to do.
    pub(super) const fn next_timeout(&self) -> Option<Now> {
        self.next_due
    }
}

fn weight(entry: &OutboxEntry) -> usize {
    // Signature, shortened header and framing beside the payload.
    entry.entry.payload.bytes().map_or(0, <[u8]>::len) + 128
}
