//! One flipped bit in a file of a data folder: it is named, or it is without effect.

use std::fs;
use std::path::{Path, PathBuf};

use tests::network::Dice;
use tests::programs::binaries::Binary;
use tests::programs::network::{device, door, invitation, number};
use tests::programs::{Home, Relay, body, until};

use crate::disk::Image;
use crate::record::{batch_name, device_name, readings};
use crate::reopen::{self, Bench, Program, said};
use crate::store as questions;

/// The files of a data folder that survive its program.
pub const FILES: [&str; 7] =
    ["data.db", "data.db-wal", "data.db-shm", "database.key", "node.key", "tls.key", "config.toml"];

const BATCHES: usize = 12;

/// A clinic and a hub as a power cut left them, with work in their logs.
#[derive(Debug)]
pub struct Fallen {
    root: PathBuf,
    bench: Bench,
}

/// What came of flips in one file.
#[derive(Clone, Debug, Default)]
pub struct Flips {
    /// How many.
    pub tried: u64,
    /// Named by the program when it started, by `verify`, or by reading.
    pub named: u64,
    /// In the last write of the log: left out with a message, as after a power cut.
    pub left_out: u64,
    /// Neither named nor without effect.
    pub silent: Vec<String>,
}

impl Fallen {
    /// Makes them below `folder`.
    ///
    /// # Panics
    ///
    /// When a program does not do what it is asked.
    #[must_use]
    pub fn make(folder: &Path) -> Self {
        let hub_home = Home::new(Binary::Hub, folder, "hub");
        hub_home.tell(&["init"]);
        let mut hub = hub_home.serve();
        let wire = Relay::to(door(&hub));
        let home = Home::new(Binary::EdgeNode, folder, "clinic");
        home.tell(&["init"]);
        home.tell(&["join", &invitation(&hub_home, "clinic", wire.address())]);
        let mut clinic = home.serve();
        for at in 0..3 {
            home.tell(&["patient", "add", &format!("p-{at}"), "--name", "Somebody"]);
        }
        let monitor = device(&home, &device_name(0));
        for batch in 0..BATCHES {
            monitor.deliver(clinic.http, &body(&batch_name(batch), &readings(0, batch)));
            if batch % 4 == 3 {
                home.tell(&["flush"]);
            }
        }
        until("everything is at the hub", || number(&home.status(), &["entries", "pending"]) == 0);
        clinic.kill();
        hub.kill();
        Self { root: folder.to_owned(), bench: Bench::new() }
    }

    /// Flips `count` bits of `file`, each in a folder of its own.
    ///
    /// # Panics
    ///
    /// When folders cannot be laid out.
    #[must_use]
    pub fn flip(&self, program: Program, file: &str, count: u64, seed: u64) -> Flips {
        let name = match program {
            Program::Edge => "clinic",
            Program::Hub => "hub",
        };
        let folder = self.root.join(name);
        let whole: Image = FILES
            .into_iter()
            .map(|file| folder.join(file))
            .filter_map(|path| Some((path.display().to_string(), fs::read(&path).ok()?)))
            .collect();
        let root = self.root.display().to_string();
        let expected = self.state(program, &self.bench.lay_out(&whole, &root, name));
        let expected = expected.expect("what was not touched is whole");
        let path = folder.join(file).display().to_string();
        let mut dice = Dice::new(seed);
        let mut flips = Flips::default();
        let Some(bits) = whole.get(&path).map(|bytes| bytes.len() as u64 * 8) else { return flips };
        for _ in 0..count.min(bits) {
            let bit = usize::try_from(dice.below(bits)).unwrap_or_default();
            let mut image = whole.clone();
            if let Some(byte) = image.get_mut(&path).and_then(|bytes| bytes.get_mut(bit / 8)) {
                *byte ^= 1 << (bit % 8);
            }
            let laid_out = self.bench.lay_out(&image, &root, name);
            flips.tried += 1;
            let torn = store::check_wal(&laid_out.join("data.db"));
            match self.state(program, &laid_out) {
                Err(_) => flips.named += 1,
                Ok(found) if found == expected => {}
                Ok(_) if matches!(torn, Ok(store::WalState::LastWriteTorn)) => flips.left_out += 1,
                Ok(_) => flips.silent.push(format!("{name}/{file}, bit {bit}")),
            }
        }
        flips
    }

    /// Everything that a folder says, or what is said against it.
    fn state(&self, program: Program, folder: &Path) -> Result<impl PartialEq + use<>, String> {
        let me = self.bench.start(program, folder)?;
        let conn = reopen::database(folder)?;
        crate::promises::check_whole(program, &conn, &me)?;
        let config = self.bench.settings(program, folder)?;
        let entries = questions::entries(&conn).map_err(|error| said(&error))?;
        let seeds = host::DataFolder::open(folder).and_then(|folder| folder.seeds());
        let seeds = seeds.map_err(|error| said(&error))?;
        let alerts = reopen::critical_alerts(&conn)?;
        let keys = (me, *seeds.node, *seeds.tls);
        Ok((keys, config, entries, reopen::values(program, &conn)?, alerts))
    }
}
