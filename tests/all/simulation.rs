//! Storms by seed: whatever the network, the clocks and the power do, the invariants hold.

use tests::invariants;
use tests::world::World;

/// Seeds of every run, split so that two processors share them.
const SEEDS: u64 = 1_000;

#[test]
fn no_storm_of_an_even_seed_breaks_an_invariant() {
    check((0..SEEDS).step_by(2));
}

#[test]
fn no_storm_of_an_odd_seed_breaks_an_invariant() {
    check((1..SEEDS).step_by(2));
}

fn check(seeds: impl Iterator<Item = u64>) {
    for seed in seeds {
        let mut world = World::new(seed);
        world.run();
        let broken = invariants::check(&world);
        assert!(broken.is_empty(), "seed {seed}: {broken:#?}");
    }
}

#[test]
fn the_same_seed_is_the_same_storm() {
    for seed in [3, 77] {
        let (first, second) = (World::new(seed).run(), World::new(seed).run());
        assert_eq!(first, second, "seed {seed}");
    }
    assert_ne!(World::new(3).run(), World::new(4).run());
}
