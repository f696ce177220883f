//! Whatever the link did, once it stops doing it everybody has what they may have, once.

use sync_protocol::Class;
use sync_protocol::Epoch;

use super::link::Weather;
use super::world::{World, stream};

const CLASSES: [Class; 5] =
    [Class::Urgent, Class::Policy, Class::Records, Class::Fresh, Class::Backfill];

/// Long enough for every repeat there is, in virtual time.
const QUIET_MS: u64 = 60 * 60 * 1_000;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Lanes keep their order and lose nothing, connections break: a transport that does its work.
    CutsOnly,
    /// Frames are lost, repeated and reordered too.
    Everything,
    /// On top of it, edges lose what they stored of others.
    Rollbacks,
}

fn play(seed: u64, kind: Kind) -> World {
    let mut world = World::new(seed, 3);
    world.weather = match kind {
        Kind::CutsOnly => Weather::FAIR,
        Kind::Everything | Kind::Rollbacks => Weather {
            loss_percent: world.dice.below(31),
            twice_percent: world.dice.below(21),
            reorders: world.dice.percent(50),
            delay_ms_max: 1 + world.dice.below(800),
        },
    };
    for edge in 0..world.edges.len() {
        for subject in 0..4 {
            for class in CLASSES {
                if world.dice.percent(50) {
                    world.allow(edge, stream(class, subject));
                }
            }
        }
    }
    let backups: Vec<_> = world.edges.iter().map(|edge| edge.foreign.clone()).collect();
    let mut backups: Vec<_> =
        world.edges.iter().zip(backups).map(|(e, f)| (f, e.unconfirmed.clone())).collect();
    for _ in 0..30 {
        let edge = world.dice.index(world.edges.len());
        for _ in 0..world.dice.below(4) {
            let class = CLASSES[world.dice.index(CLASSES.len())];
            let subject = u8::try_from(world.dice.below(4)).unwrap();
            let len = if world.dice.percent(10) { 20_000 } else { world.dice.index(300) };
            let payload = world.dice.vec(len);
            world.author(edge, stream(class, subject), payload);
            // Now and then while storage is at work on what came before.
            let ms = world.dice.below(6);
            world.pass(ms);
        }
        let ms = world.dice.below(2_000);
        world.pass(ms);
        if world.dice.percent(20) {
            let edge = world.dice.index(world.edges.len());
            if world.dice.percent(50) {
                let epoch = Epoch(world.dice.next());
                world.edges[edge].restart(epoch);
            }
            if kind == Kind::Rollbacks && world.dice.percent(50) {
                let (foreign, unconfirmed) = backups[edge].clone();
                world.edges[edge].foreign = foreign;
                world.edges[edge].unconfirmed = unconfirmed;
            }
            world.cut(edge);
        }
        if world.dice.percent(20) {
            let store = &world.edges[edge];
            backups[edge] = (store.foreign.clone(), store.unconfirmed.clone());
        }
    }
    world.weather = Weather::FAIR;
    if kind == Kind::Rollbacks {
        // A comparison that was lost with its frame is made at the next greeting.
        (0..world.edges.len()).for_each(|edge| world.cut(edge));
    }
    assert!(world.run(QUIET_MS), "seed {seed}: not idle after an hour: {}", world.who_waits());
    world.check(seed);
    world
}

/// A new conversation has nothing to say but hello.
fn greets_and_is_idle(world: &mut World, seed: u64) {
    for edge in 0..world.edges.len() {
        world.cut(edge);
    }
    assert!(world.run(QUIET_MS), "seed {seed}: an idle conversation stays idle");
    for talk in &world.talks {
        let frames = (talk.up.captured.len(), talk.down.captured.len());
        assert_eq!(frames, (1, 1), "seed {seed}: a greeting and its answer, nothing else");
        assert_eq!(talk.edge.tally(), Default::default());
    }
    world.check(seed);
}

#[test]
fn after_cuts_everybody_has_everything_once() {
    for seed in 0..150 {
        let mut world = play(seed, Kind::CutsOnly);
        greets_and_is_idle(&mut world, seed);
        assert_eq!(world.divergences, 0, "seed {seed}: nothing looked lost that was not");
        assert_eq!(world.pushed_again, 0, "seed {seed}: nothing was lost, nothing is repeated");
    }
}

#[test]
fn after_loss_repeats_and_reordering_everybody_has_everything_once() {
    for seed in 1_000..1_150 {
        let mut world = play(seed, Kind::Everything);
        greets_and_is_idle(&mut world, seed);
    }
}

#[test]
fn an_edge_that_lost_what_it_stored_gets_it_again() {
    for seed in 2_000..2_100 {
        let mut world = play(seed, Kind::Rollbacks);
        greets_and_is_idle(&mut world, seed);
    }
}
