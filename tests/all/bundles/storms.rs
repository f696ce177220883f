//! Many histories: clinics that write, carry, lose, mix up and sometimes have a link.

use tests::network::Dice;

use super::*;

const SEEDS: u64 = 16;
const ACTS: u64 = 120;

#[test]
fn whatever_is_lost_doubled_or_late_everybody_holds_the_same_in_the_end() {
    for seed in 0..SEEDS {
        storm(seed);
    }
}

fn storm(seed: u64) {
    let mut dice = Dice::new(seed);
    let (mut hub, mut clinics) = network(3, 1_000 + seed);
    // Bundles on their way, each to a clinic or to the hub.
    let mut pocket: Vec<(Option<usize>, Vec<u8>)> = Vec::new();
    for number in 0..ACTS {
        let now = number * 1_000;
        let at = usize::try_from(dice.below(3)).unwrap();
        let clinic = &mut clinics[at];
        match dice.below(12) {
            0 | 1 => {
                let patient = clinic.register(now, number);
                measure(clinic, now, number, number);
                let other = clinics[(at + 1) % 3].site;
                if dice.below(2) == 0 {
                    clinics[at].grant(now, patient, other);
                }
            }
            2 => {
                if let Some(patient) = clinic.own.first().copied() {
                    let other = clinics[(at + 1) % 3].site;
                    if dice.below(2) == 0 {
                        clinics[at].grant(now, patient, other);
                    } else {
                        clinics[at].revoke(now, patient, other);
                    }
                }
            }
            3 => {
                if let Some(patient) = clinic.own.last().copied() {
                    clinic.edit(now, patient, number);
                }
            }
            4 => clinic.restart(),
            5 => talk(&mut hub, clinic, now),
            6 | 7 => {
                let file = clinic.export_bundle(now, &[]);
                pocket.push((None, file));
            }
            8 | 9 => pocket.push((Some(at), hub.export_bundle(now, clinic.key))),
            _ => {
                if pocket.is_empty() {
                    continue;
                }
                let which = usize::try_from(dice.below(pocket.len() as u64)).unwrap();
                let frames = if dice.below(4) == 0 { 2 } else { ALL };
                match &pocket[which] {
                    (None, file) => hub.import_bundle(now, file, frames).map(|_| ()).unwrap(),
                    (Some(to), file) => {
                        clinics[*to].import_bundle(now, file, frames).map(|_| ()).unwrap();
                    }
                }
                // Half of them come again.
                if dice.below(2) == 0 {
                    pocket.remove(which);
                }
            }
        }
    }
    let now = ACTS * 1_000;
    // Everybody's news reaches the hub, then everybody; then their acknowledgements.
    if seed.is_multiple_of(2) {
        for _ in 0..4 {
            clinics.iter_mut().for_each(|clinic| round(&mut hub, clinic, now));
        }
    } else {
        for _ in 0..3 {
            for clinic in &mut clinics {
                clinic.flush(now);
                talk(&mut hub, clinic, now);
            }
        }
    }
    // What is still in a pocket comes after all.
    for (to, file) in &pocket {
        match to {
            None => hub.import_bundle(now, file, ALL).map(|_| ()).unwrap(),
            Some(to) => clinics[*to].import_bundle(now, file, ALL).map(|_| ()).unwrap(),
        }
    }
    for _ in 0..2 {
        clinics.iter_mut().for_each(|clinic| round(&mut hub, clinic, now));
    }
    agree(seed, &hub, &clinics);
    let before: Vec<_> = clinics.iter().map(|clinic| held(&clinic.conn)).collect();
    for (clinic, before) in clinics.iter_mut().zip(before) {
        talk(&mut hub, clinic, now + 1_000);
        assert!(held(&clinic.conn) == before, "seed {seed}: the link brought more");
    }
    agree(seed, &hub, &clinics);
}

/// Each clinic holds, of every stream that it keeps or holds of others, what the hub holds of it; what
/// it wrote is there; and everything is sound.
fn agree(seed: u64, hub: &BoxHub, clinics: &[Clinic]) {
    let at_hub: std::collections::BTreeMap<_, _> = held(&hub.conn).into_iter().collect();
    let (_, _, forks) = replication::ledger::counts(&hub.conn).unwrap();
    assert_eq!(forks, 0, "seed {seed}");
    replication::hub::verify(&hub.conn, &mut |_| {}).unwrap();
    for clinic in clinics {
        assert_eq!(pending(clinic), 0, "seed {seed}");
        assert_eq!(behind(hub, clinic.key), 0, "seed {seed}");
        replication::edge::verify(&clinic.conn, &clinic.key, &mut |_| {}).unwrap();
        for (stream, names) in held(&clinic.conn) {
            let there = at_hub.get(&stream).cloned().unwrap_or_default();
            let own = walk(&clinic.conn).unwrap().into_iter().find(|walk| walk.stream == stream);
            let only_own =
                own.is_some_and(|walk| walk.entries.iter().all(|(_, by)| *by == clinic.key));
            let same = if only_own {
                names.iter().all(|name| there.contains(name))
            } else {
                names == there
            };
            assert!(same, "seed {seed}: {stream:?} differs");
        }
        let (total, at) = {
            let status = replication::hub::node_statuses(&hub.conn).unwrap();
            let mine = status.into_iter().find(|status| status.key == clinic.key).unwrap();
            assert_eq!((mine.second_copy_at, mine.restored_at), (None, None), "seed {seed}");
            (mine.delivered, replication::edge::status(&clinic.conn).unwrap().foreign)
        };
        assert_eq!(total, at, "seed {seed}: the two count different feeds");
    }
    assert_eq!(replication::hub::outstanding(&hub.conn).unwrap().len(), 0, "seed {seed}");
}
