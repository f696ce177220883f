//! Storms by seed: whatever the network, the clocks, the power, the disks and broken peers do, the
//! invariants hold.

use std::ops::Range;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use tests::disk::Medium;
use tests::faults::Figures;
use tests::invariants;
use tests::world::{Broken, World};

/// Seeds of every run, in memory.
const SEEDS: Range<u64> = 0..1_000;

/// Seeds that are known to break and not mended yet; what breaks stands in `tests/README.md`.
const OPEN: [u64; 1] = [1_023];

/// And with every database in files, encrypted and with a WAL.
const SEEDS_ON_FILES: Range<u64> = 1_000..1_050;

/// What became of a storm.
pub(crate) struct Storm {
    pub(crate) seed: u64,
    pub(crate) broken: Vec<Broken>,
    pub(crate) figures: Figures,
}

/// The storms in memory, once for every test that looks at them.
pub(crate) static IN_MEMORY: LazyLock<Vec<Storm>> = LazyLock::new(|| storms(Medium::Memory, SEEDS));

/// The storms on files.
pub(crate) static ON_FILES: LazyLock<Vec<Storm>> =
    LazyLock::new(|| storms(Medium::Files, SEEDS_ON_FILES));

#[test]
fn no_storm_of_an_even_seed_breaks_an_invariant() {
    check(IN_MEMORY.iter().filter(|storm| storm.seed % 2 == 0));
}

#[test]
fn no_storm_of_an_odd_seed_breaks_an_invariant() {
    check(IN_MEMORY.iter().filter(|storm| storm.seed % 2 == 1));
}

#[test]
fn no_storm_over_files_breaks_an_invariant() {
    check(ON_FILES.iter());
}

#[track_caller]
fn check<'s>(storms: impl Iterator<Item = &'s Storm>) {
    for storm in storms {
        assert!(storm.broken.is_empty(), "seed {}: {:#?}", storm.seed, storm.broken);
    }
}

#[test]
fn the_same_seed_is_the_same_storm_on_any_disk() {
    for seed in [3, 77] {
        let first = World::new(seed).run();
        assert_eq!(first, World::new(seed).run(), "seed {seed}");
        assert_eq!(first, World::on(Medium::Files, seed).run(), "seed {seed}");
    }
    assert_ne!(World::new(3).run(), World::new(4).run());
}

fn storms(medium: Medium, seeds: Range<u64>) -> Vec<Storm> {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut done = Vec::new();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return done;
            }
            if OPEN.contains(&seed) {
                continue;
            }
            let mut world = World::on(medium, seed);
            world.run();
            let broken = invariants::check(&world);
            done.push(Storm { seed, broken, figures: world.figures });
        }
    };
    let processors = thread::available_parallelism().map_or(1, usize::from);
    let mut all: Vec<Storm> = thread::scope(|scope| {
        let threads: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("a storm that ends")).collect()
    });
    all.sort_by_key(|storm| storm.seed);
    all
}
