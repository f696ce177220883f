//! Writes that wait for storage, in the order in which they get it.

/// Writes given to storage in one go: 256 KiB of frames, some 20 ms of work at a hub. What is urgent
/// waits for the one that is under way, and for no other.
const WRITES_MAX: usize = 16;

/// Urgent writes go before the others; among themselves both keep their order.
#[derive(Debug)]
pub(crate) struct WriteQueue<Op> {
    urgent: Vec<Op>,
    others: Vec<Op>,
}

impl<Op> WriteQueue<Op> {
    pub(crate) const fn new() -> Self {
        Self { urgent: Vec::new(), others: Vec::new() }
    }

    pub(crate) fn push(&mut self, op: Op, urgent: bool) {
        if urgent { self.urgent.push(op) } else { self.others.push(op) }
    }

    /// What storage gets next: as many as have gathered, within a bound.
    pub(crate) fn take(&mut self) -> Option<Vec<Op>> {
        let next = if self.urgent.is_empty() { &mut self.others } else { &mut self.urgent };
        let rest = next.split_off(next.len().min(WRITES_MAX));
        let taken = std::mem::replace(next, rest);
        (!taken.is_empty()).then_some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_urgent_waits_for_one_write_only() {
        let mut queue = WriteQueue::new();
        (0..40).for_each(|number| queue.push(number, false));
        assert_eq!(queue.take().unwrap(), (0..16).collect::<Vec<_>>());
        queue.push(100, true);
        queue.push(101, true);
        assert_eq!(queue.take().unwrap(), [100, 101]);
        assert_eq!(queue.take().unwrap(), (16..32).collect::<Vec<_>>());
        assert_eq!(queue.take().unwrap(), (32..40).collect::<Vec<_>>());
        assert_eq!(queue.take(), None);
    }
}
