//! How much of a lane may be sent before it is read: two windows each way.
//!
//! Without them, bulk that nobody takes would fill the connection and an alert would stand behind it.
//! A window counts pieces from their arrival until their frames lie where they are taken from, so a
//! frame longer than its window passes through.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::record::Group;
use crate::link::Misbehaviour;
use crate::outbox::FIRST_BULK_CLASS;

/// What a peer may send of the urgent classes before it is read; QUIC's urgent share of a link.
const URGENT_WINDOW_BYTES: u32 = 64 * 1024;

/// The same for the other classes together: what one of QUIC's lanes has. At a round trip of 100 ms
/// it is 2.6 MB/s.
const BULK_WINDOW_BYTES: u32 = 256 * 1024;

impl Group {
    pub(crate) const ALL: [Self; 2] = [Self::Urgent, Self::Bulk];

    pub(crate) const fn of(class: u8) -> Self {
        if class < FIRST_BULK_CLASS { Self::Urgent } else { Self::Bulk }
    }

    const fn window(self) -> u32 {
        match self {
            Self::Urgent => URGENT_WINDOW_BYTES,
            Self::Bulk => BULK_WINDOW_BYTES,
        }
    }
}

/// Both windows of both directions.
#[derive(Debug)]
pub(crate) struct Flow(Mutex<[Window; 2]>);

#[derive(Debug)]
struct Window {
    /// What the peer still takes.
    may_send: u32,
    /// What arrived and was not read.
    unread: u32,
    /// What was read and not granted anew.
    owed: u32,
}

impl Default for Flow {
    fn default() -> Self {
        let full = |group: Group| Window { may_send: group.window(), unread: 0, owed: 0 };
        Self(Mutex::new(Group::ALL.map(full)))
    }
}

impl Flow {
    /// Takes up to `wanted` bytes of what may be sent.
    pub(crate) fn take(&self, group: Group, wanted: usize) -> usize {
        self.with(group, |window| {
            let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
            let taken = wanted.min(window.may_send);
            window.may_send -= taken;
            taken as usize
        })
    }

    /// The peer takes more.
    pub(crate) fn granted(&self, group: Group, bytes: u32) -> Result<(), Misbehaviour> {
        self.with(group, |window| match window.may_send.checked_add(bytes) {
            Some(sum) if sum <= group.window() => {
                window.may_send = sum;
                Ok(())
            }
            _ => Err(Misbehaviour::Window),
        })
    }

    /// A piece arrived.
    pub(crate) fn arrived(&self, group: Group, bytes: usize) -> Result<(), Misbehaviour> {
        self.with(group, |window| {
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            window.unread = window.unread.saturating_add(bytes);
            // What is owed was not granted, so it may not have been sent.
            if window.unread.saturating_add(window.owed) <= group.window() {
                Ok(())
            } else {
                Err(Misbehaviour::Window)
            }
        })
    }

    /// A piece was read; answers whether it is time to grant more.
    pub(crate) fn read(&self, group: Group, bytes: usize) -> bool {
        self.with(group, |window| {
            let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
            window.unread = window.unread.saturating_sub(bytes);
            window.owed = window.owed.saturating_add(bytes);
            window.owed >= group.window() / 2
        })
    }

    /// What is to be granted now: half a window at least, so that short conversations say nothing
    /// of it.
    pub(crate) fn grant(&self, group: Group) -> Option<u32> {
        self.with(group, |window| {
            (window.owed >= group.window() / 2).then(|| std::mem::take(&mut window.owed))
        })
    }

    fn with<T>(&self, group: Group, change: impl FnOnce(&mut Window) -> T) -> T {
        let [urgent, bulk] = &mut *self.lock();
        change(match group {
            Group::Urgent => urgent,
            Group::Bulk => bulk,
        })
    }

    fn lock(&self) -> MutexGuard<'_, [Window; 2]> {
        // Nothing panics while holding it; if something did, the counts are still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BULK: Group = Group::Bulk;

    #[test]
    fn no_more_is_sent_than_was_granted() {
        let flow = Flow::default();
        assert_eq!(flow.take(BULK, 200_000), 200_000);
        assert_eq!(flow.take(BULK, 200_000), 62_144);
        assert_eq!(flow.take(BULK, 1), 0);
        assert_eq!(flow.take(Group::Urgent, 1), 1, "the other window is open");
        flow.granted(BULK, 10).unwrap();
        assert_eq!(flow.take(BULK, 200_000), 10);
        flow.granted(BULK, BULK_WINDOW_BYTES).unwrap();
        assert_eq!(flow.granted(BULK, 1), Err(Misbehaviour::Window));
    }

    #[test]
    fn what_is_sent_beyond_the_window_is_noticed() {
        let flow = Flow::default();
        flow.arrived(BULK, 200_000).unwrap();
        assert_eq!(flow.grant(BULK), None);
        assert!(flow.read(BULK, 200_000));
        // Read, but not granted: the peer cannot know.
        assert_eq!(flow.arrived(BULK, 62_145), Err(Misbehaviour::Window));

        let flow = Flow::default();
        flow.arrived(BULK, 262_144).unwrap();
        assert!(!flow.read(BULK, 131_071));
        assert!(flow.read(BULK, 1));
        assert_eq!(flow.grant(BULK), Some(131_072));
        assert_eq!(flow.grant(BULK), None);
        flow.arrived(BULK, 131_072).unwrap();
        assert_eq!(flow.arrived(BULK, 1), Err(Misbehaviour::Window));
    }
}
