//! What both sides do alike: a lane each way per class, and the scheduler in front of them.

use super::Now;
use crate::lane::{LaneDecoder, LaneEncoder, LaneError};
use crate::message::{Frame, Message, Resync};
use crate::scheduler::Scheduler;
use crate::{Class, limits};

/// How long between two requests to start a lane anew (milliseconds).
const RESYNC_REPEAT_MS: Now = 1_000;

/// One of a kind for every class.
#[derive(Debug, Default)]
struct PerClass<T>([T; Class::COUNT]);

impl<T> PerClass<T> {
    const fn of(&mut self, class: Class) -> &mut T {
        let [control, urgent, policy, records, fresh, backfill, blobs] = &mut self.0;
        match class {
            Class::Control => control,
            Class::Urgent => urgent,
            Class::Policy => policy,
            Class::Records => records,
            Class::Fresh => fresh,
            Class::Backfill => backfill,
            Class::Blobs => blobs,
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Lanes {
    out: PerClass<LaneEncoder>,
    inward: PerClass<LaneDecoder>,
    resync_asked: PerClass<Option<Now>>,
    scheduler: Scheduler,
    /// Frames that were seen before.
    pub(super) repeats: u64,
    /// Own lanes that were started anew because the peer lost its thread.
    pub(super) resyncs: u64,
}

impl Lanes {
    /// The end that shortens entries of `class`, with room for one more frame.
    pub(super) fn encoder(&mut self, class: Class) -> &mut LaneEncoder {
        let lane = self.out.of(class);
        lane.make_room();
        lane
    }

    /// The end that puts entries of `class` together again.
    pub(super) const fn decoder(&mut self, class: Class) -> &mut LaneDecoder {
        self.inward.of(class)
    }

    /// Queues `message` on the lane of `class`.
    pub(super) fn send(&mut self, class: Class, message: &Message) {
        let frame = self.out.of(class).frame(message);
        self.scheduler.push(class, frame);
    }

    /// The next frame for a lane that is `ready`.
    pub(super) fn pop(&mut self, ready: impl Fn(Class) -> bool) -> Option<(Class, Vec<u8>)> {
        self.scheduler.pop(ready)
    }

    /// Bytes of answers that the peer has not taken.
    pub(super) const fn answers_bytes(&self) -> usize {
        self.scheduler.control_bytes()
    }

    /// Whether the peer takes what it asked for in the background.
    pub(super) fn has_room_behind(&self) -> bool {
        self.scheduler.bytes_of(Class::Backfill) < limits::RECONCILE_ANSWERS_MAX
    }

    /// Whether nothing waits to be sent.
    pub(super) const fn is_empty(&self) -> bool {
        self.scheduler.bytes() == 0
    }

    /// Whether so little waits that something droppable may go too.
    pub(super) const fn has_room_for_live(&self) -> bool {
        self.scheduler.bytes() < limits::FRAME_BYTES_TARGET
    }

    /// Gives a frame its place on its lane; `false` when it must not be used.
    ///
    /// Control frames are used wherever they stand: each means the same alone, and whoever misses
    /// one repeats what it answers.
    pub(super) fn place(&mut self, now: Now, class: Class, frame: &Frame) -> bool {
        if class == Class::Control {
            return true;
        }
        match self.inward.of(class).place(frame) {
            Ok(()) => true,
            Err(LaneError::Gap { generation }) => {
                self.ask_resync(now, class, generation);
                false
            }
            Err(_) => {
                self.repeats += 1;
                false
            }
        }
    }

    /// Asks the peer to start the lane of `class` anew, not more often than once a second.
    pub(super) fn ask_resync(&mut self, now: Now, class: Class, generation: u32) {
        let asked = self.resync_asked.of(class);
        if asked.is_none_or(|at| now.saturating_sub(at) >= RESYNC_REPEAT_MS) {
            *asked = Some(now);
            self.send(Class::Control, &Resync { class: class.number(), generation }.into());
        }
    }

    /// Does what the peer asks; answers whether the lane was started anew, so that whatever was on
    /// it must be sent again.
    pub(super) fn resync(&mut self, class: Class, generation: u32) -> bool {
        let restarted = self.out.of(class).resync(generation);
        if restarted {
            self.resyncs += 1;
            self.scheduler.clear(class);
        }
        restarted
    }

    /// Whether `message` may come over the lane of `class`: entries need a lane that keeps order.
    pub(super) const fn carries(class: Class, message: &Message) -> bool {
        !(matches!(class, Class::Control)
            && matches!(message, Message::Push(_) | Message::StreamData(_)))
    }
}

/// When something queued now is overdue if nobody acknowledges it, with `ahead` bytes on their way
/// in front of it and with it, for the `times`-th time after the first.
///
/// The pause doubles each time: the answer may wait behind a long frame of the peer's, of which
/// nothing is known here.
pub(super) fn due(now: Now, ahead: usize, times: u32) -> Now {
    let carrying = u64::try_from(ahead).unwrap_or(u64::MAX) / limits::SLOWEST_BYTES_PER_MS;
    let pause = limits::RESEND_AFTER_MS << times.min(limits::RESEND_DOUBLINGS_MAX);
    now.saturating_add(pause).saturating_add(carrying)
}
