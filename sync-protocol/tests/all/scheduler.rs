//! Nothing is lost in the scheduler, nothing overtakes its own class, and it always comes to an end.

use std::collections::VecDeque;

use sync_protocol::Class;
use sync_protocol::limits::FRAME_BYTES_MAX;
use sync_protocol::scheduler::Scheduler;

use crate::dice::Dice;

/// A frame that knows its number and its length.
fn frame(number: u32, len: usize) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    bytes.resize(len.max(4), 0);
    bytes
}

#[test]
fn every_frame_leaves_once_and_in_the_order_of_its_class() {
    for seed in 0..200 {
        let mut dice = Dice::new(seed);
        let mut scheduler = Scheduler::default();
        let mut waiting: [VecDeque<Vec<u8>>; Class::COUNT] = Default::default();
        for number in 0..400 {
            let class = Class::ALL[dice.index(Class::COUNT)];
            match dice.below(10) {
                0..4 => {
                    let len = match dice.below(20) {
                        0 => FRAME_BYTES_MAX,
                        1..5 => dice.index(20_000),
                        _ => dice.index(100),
                    };
                    let bytes = frame(number, len);
                    waiting[class.index()].push_back(bytes.clone());
                    scheduler.push(class, bytes);
                }
                4 if dice.percent(10) => {
                    scheduler.clear(class);
                    waiting[class.index()].clear();
                }
                _ => {
                    let closed = dice.next();
                    let ready = |class: Class| closed >> class.number() & 1 == 0;
                    take(&mut scheduler, &mut waiting, ready, seed);
                }
            }
            let bytes: usize = waiting.iter().flatten().map(Vec::len).sum();
            assert_eq!(scheduler.bytes(), bytes, "seed {seed}");
        }
        while take(&mut scheduler, &mut waiting, |_| true, seed) {}
        assert!(waiting.iter().all(VecDeque::is_empty), "seed {seed}: all left");
    }
}

/// Pops one frame and compares it with what may go; answers whether one went.
fn take(
    scheduler: &mut Scheduler,
    waiting: &mut [VecDeque<Vec<u8>>; Class::COUNT],
    ready: impl Fn(Class) -> bool,
    seed: u64,
) -> bool {
    let may_go = |class: &Class| ready(*class) && !waiting[class.index()].is_empty();
    let first = Class::ALL.into_iter().find(may_go);
    let Some((class, bytes)) = scheduler.pop(&ready) else {
        assert_eq!(first, None, "seed {seed}: something may go and does not");
        return false;
    };
    assert!(may_go(&class), "seed {seed}: {class:?} may not go");
    if let Some(strict @ (Class::Control | Class::Urgent | Class::Policy)) = first {
        assert_eq!(class, strict, "seed {seed}: the most urgent goes first");
    }
    assert_eq!(waiting[class.index()].pop_front(), Some(bytes), "seed {seed}: in order");
    true
}

#[test]
fn urgent_frames_in_between_leave_the_shares_as_they_are() {
    let mut scheduler = Scheduler::default();
    for number in 0..2_000 {
        for class in [Class::Records, Class::Fresh, Class::Backfill] {
            scheduler.push(class, frame(number, 9_000));
        }
    }
    let mut sent = [0_usize; Class::COUNT];
    for number in 0..1_000 {
        scheduler.push(Class::Urgent, frame(number, 100));
        for _ in 0..2 {
            let (class, bytes) = scheduler.pop(|_| true).unwrap();
            sent[class.index()] += bytes.len();
        }
    }
    let below = sent[3] + sent[4] + sent[5];
    assert!(sent[Class::Backfill.index()] * 100 >= below * 10, "{sent:?}");
    assert!(sent[Class::Records.index()] * 100 >= below * 40, "{sent:?}");
    assert!(sent[Class::Fresh.index()] * 100 >= below * 40, "{sent:?}");
}
