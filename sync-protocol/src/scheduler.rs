//! Which frame goes next.
//!
//! Control, urgent and policy frames go strictly in that order, before anything else. Below them
//! classes share by deficit round robin; backfill keeps a tenth, so that a backlog never starves it.

use std::collections::VecDeque;

use crate::Class;

/// Bytes each of the lower classes may send per round: records before fresh data before backfill
/// and attachments, in proportions that leave backfill 10 % of a full link.
const QUANTA: [(Class, usize); 4] = [
    (Class::Records, 40 * 1024),
    (Class::Fresh, 40 * 1024),
    (Class::Backfill, 10 * 1024),
    (Class::Blobs, 10 * 1024),
];

const STRICT: [Class; 3] = [Class::Control, Class::Urgent, Class::Policy];

/// Frames waiting to be sent, by class.
#[derive(Debug, Default)]
pub struct Scheduler {
    queues: [VecDeque<Vec<u8>>; Class::COUNT],
    deficits: [usize; Class::COUNT],
    turn: usize,
    bytes: usize,
    control_bytes: usize,
}

impl Scheduler {
    /// Queues a frame.
    pub fn push(&mut self, class: Class, frame: Vec<u8>) {
        self.bytes += frame.len();
        self.control_bytes += if class == Class::Control { frame.len() } else { 0 };
        if let Some(queue) = self.queues.get_mut(class.index()) {
            queue.push_back(frame);
        }
    }

    /// Bytes waiting.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes waiting in the control class: mostly answers to what the peer said.
    #[must_use]
    pub const fn control_bytes(&self) -> usize {
        self.control_bytes
    }

    /// Bytes waiting in `class`.
    #[must_use]
    pub fn bytes_of(&self, class: Class) -> usize {
        self.queues.get(class.index()).map_or(0, |queue| queue.iter().map(Vec::len).sum())
    }

    /// Drops what waits in `class`: its lane starts anew.
    pub fn clear(&mut self, class: Class) {
        if let Some(queue) = self.queues.get_mut(class.index()) {
            self.bytes -= queue.iter().map(Vec::len).sum::<usize>();
            queue.clear();
            self.control_bytes = if class == Class::Control { 0 } else { self.control_bytes };
        }
    }

    /// The next frame among the classes whose lane is `ready`.
    pub fn pop(&mut self, ready: impl Fn(Class) -> bool) -> Option<(Class, Vec<u8>)> {
        let may_go = |class: Class| ready(class) && self.waiting(class).is_some();
        if let Some(class) = STRICT.into_iter().find(|&class| may_go(class)) {
            return self.take(class);
        }
        if !QUANTA.iter().any(|&(class, _)| may_go(class)) {
            return None;
        }
        // Each visit to a class with work adds its quantum, so this ends: a frame is at most
        // FRAME_BYTES_MAX and some quantum is added in every round.
        loop {
            let (class, quantum) = *QUANTA.get(self.turn % QUANTA.len())?;
            let next_len = self.waiting(class).filter(|_| ready(class));
            let deficit = self.deficits.get_mut(class.index())?;
            match next_len {
                Some(len) if *deficit >= len => {
                    *deficit -= len;
                    let left = *deficit;
                    let taken = self.take(class);
                    // The turn passes on once the class has used what it was given.
                    if self.waiting(class).is_some_and(|next| left < next) {
                        self.turn += 1;
                    }
                    return taken;
                }
                Some(len) => {
                    *deficit += quantum;
                    if *deficit < len {
                        self.turn += 1;
                    }
                }
                None => {
                    *deficit = 0;
                    self.turn += 1;
                }
            }
        }
    }

    /// Length of the first frame waiting in `class`.
    fn waiting(&self, class: Class) -> Option<usize> {
        self.queues.get(class.index()).and_then(VecDeque::front).map(Vec::len)
    }

    fn take(&mut self, class: Class) -> Option<(Class, Vec<u8>)> {
        let frame = self.queues.get_mut(class.index())?.pop_front()?;
        self.bytes -= frame.len();
        self.control_bytes -= if class == Class::Control { frame.len() } else { 0 };
        Some((class, frame))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(classes: &[Class], frames: usize, len: usize) -> Scheduler {
        let mut scheduler = Scheduler::default();
        for &class in classes {
            for _ in 0..frames {
                scheduler.push(class, vec![class.number(); len]);
            }
        }
        scheduler
    }

    #[test]
    fn what_is_urgent_overtakes_everything_below() {
        let mut scheduler = filled(&[Class::Backfill, Class::Fresh], 10, 1_000);
        scheduler.push(Class::Urgent, vec![1]);
        scheduler.push(Class::Control, vec![0]);
        assert_eq!(scheduler.pop(|_| true).map(|(class, _)| class), Some(Class::Control));
        assert_eq!(scheduler.pop(|_| true).map(|(class, _)| class), Some(Class::Urgent));
    }

    #[test]
    fn backfill_keeps_its_tenth_under_load() {
        let mut scheduler =
            filled(&[Class::Records, Class::Fresh, Class::Backfill, Class::Blobs], 2_000, 1_000);
        let mut sent = [0_usize; Class::COUNT];
        for _ in 0..1_000 {
            let (class, frame) = scheduler.pop(|_| true).unwrap();
            sent[class.index()] += frame.len();
        }
        let total: usize = sent.iter().sum();
        assert!(sent[Class::Backfill.index()] * 100 >= total * 9, "{sent:?}");
        assert!(sent[Class::Records.index()] * 100 >= total * 35, "{sent:?}");
    }

    #[test]
    fn a_lane_that_is_not_ready_holds_nobody_up_and_all_frames_leave_in_order() {
        let mut scheduler = filled(&[Class::Records, Class::Fresh], 3, 100_000);
        let (class, _) = scheduler.pop(|class| class != Class::Records).unwrap();
        assert_eq!(class, Class::Fresh);
        let rest = std::iter::from_fn(|| scheduler.pop(|_| true)).count();
        assert_eq!(rest, 5);
        assert_eq!(scheduler.bytes(), 0);
        assert_eq!(scheduler.pop(|_| true), None);
    }
}
