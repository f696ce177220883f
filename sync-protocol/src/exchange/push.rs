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
    gaps: BTreeMap<OutboxCursor, (u32, Now)>,
    /// Left alone for a while.
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
    /// When what was left alone is tried again.
    rest_until: Option<Now>,
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

    /// Whether something of a class is left alone for a while.
    pub(super) fn has_stuck(&self, class: Class) -> bool {
        self.pumps.get(&class).is_some_and(|pump| !pump.stuck.is_empty())
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
        let (times, until) = pump.gaps.entry(cursor).or_default();
        if now < *until {
            return; // A repeat of what was said already.
        }
        *times += 1;
        let pause = limits::GAP_RETRY_MS << (*times - 1).min(16);
        *until = now.saturating_add(pause);
        if *times >= limits::GAP_TRIES_MAX {
            pump.remove(&cursor);
            pump.stuck.insert(cursor);
            self.places.remove(&key);
            let rest = now.saturating_add(limits::GAP_REST_MS);
            self.rest_until = Some(self.rest_until.map_or(rest, |at| at.min(rest)));
        } else if let Some(sent) = pump.in_flight.get_mut(&cursor) {
            sent.due = *until;
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
        self.wake_rested(now);
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

    /// Tries again what was left alone.
    fn wake_rested(&mut self, now: Now) {
        if self.rest_until.is_none_or(|at| at > now) {
            return;
        }
        self.rest_until = None;
        for pump in self.pumps.values_mut().filter(|pump| !pump.stuck.is_empty()) {
            for cursor in std::mem::take(&mut pump.stuck) {
                pump.gaps.remove(&cursor);
            }
            pump.read_over();
        }
    }

    /// When [`expire`](Self::expire) may have something to do.
    pub(super) fn next_timeout(&self) -> Option<Now> {
        [self.next_due, self.rest_until].into_iter().flatten().min()
    }
}

fn weight(entry: &OutboxEntry) -> usize {
    // Signature, shortened header and framing beside the payload.
    entry.entry.payload.bytes().map_or(0, <[u8]>::len) + 128
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Entry, EntryId, Payload};
    use crate::hlc::Hlc;
    use crate::{ChainKey, Flags, Header, NodeId, SeqNo, StreamId};

    const EPOCH: Epoch = Epoch(9);

    fn entry(oseq: u64) -> OutboxEntry {
        let header = Header {
            origin: NodeId([1; 32]),
            epoch: EPOCH,
            stream: StreamId { scope: 1, subject: [2; 16], compartment: 1, generation: 0 },
            sseq: SeqNo(1),
            sprev: EntryId::NONE,
            hlc: Hlc(0),
            kind: 1,
            schema: 1,
            actor: [0; 16],
            flags: Flags::default(),
            payload_len: 0,
            commitment: [0; 32],
        };
        let payload = Payload::Present(vec![0; 100]);
        OutboxEntry {
            cursor: OutboxCursor { start: 1, oseq },
            epoch: EPOCH,
            oseq,
            id: EntryId([0; 32]),
            entry: Entry { header, signature: [0; 64], payload },
            key: ChainKey([0; 32]),
        }
    }

    /// Pumps that have read and sent these entries of the records class, and reached the end.
    fn sent(oseqs: std::ops::RangeInclusive<u64>) -> PushPumps {
        let mut pumps = PushPumps::new();
        pumps.reads();
        for class in PUSH_CLASSES {
            let mut entries: Vec<OutboxEntry> = oseqs.clone().map(entry).collect();
            entries.retain(|_| class == Class::Records);
            pumps.page(OutboxPage { class, entries, end: true });
        }
        let expected = usize::try_from(oseqs.end() - oseqs.start() + 1).unwrap();
        assert_eq!(pumps.next(0, Class::Records).len(), expected);
        pumps
    }

    /// The one read that is asked for, of the records class: where it starts and what it leaves out.
    #[track_caller]
    fn read(pumps: &mut PushPumps) -> (Option<u64>, Vec<u64>) {
        let mut reads = pumps.reads();
        reads.retain(|op| matches!(op, EdgeOp::ReadOutbox { class: Class::Records, .. }));
        let Some(EdgeOp::ReadOutbox { after, skip, .. }) = reads.pop() else { panic!("a read") };
        (after.map(|at| at.oseq), skip.into_iter().map(|at| at.oseq).collect())
    }

    fn page(pumps: &mut PushPumps, entries: Vec<OutboxEntry>) {
        pumps.page(OutboxPage { class: Class::Records, entries, end: true });
    }

    fn ranges(oseqs: &[u64]) -> Ranges {
        oseqs.iter().copied().collect()
    }

    #[test]
    fn what_is_written_while_a_read_is_under_way_is_read_next() {
        let mut pumps = sent(1..=1);
        pumps.wake();
        assert_eq!(read(&mut pumps), (Some(1), vec![]));
        pumps.wake();
        page(&mut pumps, Vec::new());
        assert!(!pumps.is_idle());
        assert_eq!(read(&mut pumps), (Some(1), vec![]));
        page(&mut pumps, Vec::new());
        assert!(
            pumps
                .reads()
                .iter()
                .all(|op| !matches!(op, EdgeOp::ReadOutbox { class: Class::Records, .. }))
        );
    }

    #[test]
    fn a_read_that_a_new_start_overtook_is_read_over() {
        let mut pumps = sent(1..=2);
        pumps.wake();
        assert_eq!(read(&mut pumps), (Some(2), vec![]));
        pumps.rewind(Class::Records);
        // This page starts after what was lost.
        page(&mut pumps, vec![entry(3)]);
        assert!(pumps.next(0, Class::Records).is_empty());
        assert_eq!(read(&mut pumps), (None, vec![]));
    }

    #[test]
    fn what_is_acknowledged_is_not_read_again_before_storage_has_marked_it() {
        let mut pumps = sent(1..=4);
        pumps.acknowledged(EPOCH, &ranges(&[1]));
        pumps.marking();
        pumps.acknowledged(EPOCH, &ranges(&[2]));
        pumps.rewind(Class::Records);
        let (after, mut skip) = read(&mut pumps);
        skip.sort_unstable();
        assert_eq!((after, skip), (None, vec![1, 2]));
        page(&mut pumps, vec![entry(3), entry(4)]);
        pumps.next(0, Class::Records);
        pumps.marked();
        pumps.rewind(Class::Records);
        assert_eq!(read(&mut pumps), (None, vec![2]));
    }

    #[test]
    fn only_what_is_overdue_is_read_again() {
        let mut pumps = sent(1..=1);
        pumps.wake();
        read(&mut pumps);
        page(&mut pumps, vec![entry(2)]);
        pumps.next(5_000, Class::Records);
        let due = pumps.next_timeout().unwrap();
        pumps.expire(due - 1);
        assert_eq!(pumps.resent, 0, "not yet");
        pumps.expire(due);
        assert_eq!(pumps.resent, 1);
        assert_eq!(read(&mut pumps), (None, vec![2]), "the second is still on its way");
        page(&mut pumps, vec![entry(1)]);
        pumps.next(due, Class::Records);
        pumps.acknowledged(EPOCH, &ranges(&[2]));
        pumps.expire(2 * due);
        assert!(pumps.is_in_flight(EPOCH, 1), "the pause was reset by the acknowledgement");
    }

    #[test]
    fn a_repeat_that_is_not_acknowledged_either_waits_longer() {
        let mut pumps = sent(1..=1);
        let mut now = 0;
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let due = pumps.next_timeout().unwrap();
            pauses.push((due - now) / limits::RESEND_AFTER_MS);
            now = due;
            pumps.expire(now);
            read(&mut pumps);
            page(&mut pumps, vec![entry(1)]);
            pumps.next(now, Class::Records);
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 64]);
    }

    #[test]
    fn an_entry_whose_predecessor_is_missing_is_sent_a_few_times() {
        let mut pumps = sent(1..=1);
        let mut now = 0;
        for time in 1..limits::GAP_TRIES_MAX {
            pumps.gap(now, EPOCH, 1);
            let due = now + (limits::GAP_RETRY_MS << (time - 1));
            pumps.expire(due - 1);
            assert!(pumps.is_in_flight(EPOCH, 1), "time {time}");
            pumps.expire(due);
            assert!(!pumps.is_in_flight(EPOCH, 1), "time {time}");
            now = due;
            assert_eq!(read(&mut pumps), (None, vec![]));
            page(&mut pumps, vec![entry(1)]);
            pumps.next(now, Class::Records);
        }
        pumps.gap(now, EPOCH, 1);
        assert!(pumps.is_idle(), "left for the next conversation");
        pumps.wake();
        assert_eq!(read(&mut pumps), (Some(1), vec![]));
        page(&mut pumps, vec![entry(2)]);
        pumps.next(now, Class::Records);
        pumps.rewind(Class::Records);
        assert_eq!(read(&mut pumps), (None, vec![1]));
    }
}
