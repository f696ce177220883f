//! Backups of a real encrypted database, whole and broken.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use store::{Access, Connection};
use tempfile::TempDir;
use vocab::Timestamp;

use super::make::{Moment, make};
use super::*;
use crate::clock::ManualClock;
use crate::database::Readers;
use crate::folder::FolderError;
use crate::{DataFolder, Random};

/// A new data folder with keys.
fn made(path: &Path, seed: u64) -> DataFolder {
    let nothing_more = |_: &DataFolder| -> Result<(), FolderError> { Ok(()) };
    DataFolder::create(path, &Random::seeded(seed), nothing_more).unwrap()
}

/// A data folder with a database, and a medium beside it.
struct World {
    parent: TempDir,
    conn: Connection,
}

impl World {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let folder = made(&parent.path().join("data"), 1);
        fs::create_dir(parent.path().join("medium")).unwrap();
        let key = folder.database_key().unwrap();
        let conn = store::open(&folder.database(), &key, Access::Write).unwrap();
        conn.execute_batch("CREATE TABLE note (x TEXT NOT NULL) STRICT").unwrap();
        let world = Self { parent, conn };
        world.add(1_000);
        Keys::of_folder(&world.data()).unwrap().save("test", &world.keys(), &world.data()).unwrap();
        world
    }

    fn data(&self) -> PathBuf {
        self.parent.path().join("data")
    }

    fn medium(&self) -> PathBuf {
        self.parent.path().join("medium")
    }

    fn keys(&self) -> PathBuf {
        self.parent.path().join("keys.txt")
    }

    fn add(&self, rows: u32) {
        let fill = format!(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
             INSERT INTO note SELECT hex(randomblob(40)) FROM n"
        );
        self.conn.execute_batch(&fill).unwrap();
    }

    fn make(&self, keep: usize) -> Backup {
        let moment = Moment { incarnation: Some(7), made_at: Timestamp::from_millis(1_000) };
        let key = Keys::of_folder(&self.data()).unwrap().database_key();
        let target = (self.medium(), keep);
        let look = |copy: &Connection| Ok(store::row_counts(copy)?);
        let (backup, rows) =
            make(&self.conn, &key, (&target.0, target.1), &about(), &moment, look).unwrap();
        assert_eq!(rows, backup.manifest.rows);
        backup
    }

    fn try_out(&self, from: &Path, keys: Option<&Path>) -> Result<String, BackupError> {
        let order = Drill {
            from: from.to_owned(),
            keys: keys.map(Path::to_owned),
            data: self.data(),
            about: about(),
            now: Timestamp::from_millis(121_000),
        };
        let mut out = Vec::new();
        let done = drill(
            &order,
            &self.conn,
            &mut out,
            |_| about(),
            |_| Ok(()),
            |conn, out| {
                store::check_file(conn)?;
                Ok(writeln!(out, "looked")?)
            },
        );
        assert!(!self.data().join("drill").exists(), "it is cleaned up");
        done.map(|()| String::from_utf8(out).unwrap())
    }

    fn restore(&self, into: &str, keys: Option<&Path>) -> Result<Backup, BackupError> {
        let into = self.parent.path().join(into);
        restore(&self.medium(), keys, &into, |_| about(), |_| Ok(()))
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.medium())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

fn about() -> About {
    About { program: "hub", version: "0.1.0", node: "ab".repeat(32) }
}

#[test]
fn a_backup_is_tried_out_and_comes_back_with_every_row() {
    let world = World::new();
    let made = world.make(3);
    assert_eq!(made.manifest.rows_of("note"), 1_000);
    world.add(5);
    let said = world.try_out(&world.medium(), Some(&world.keys())).unwrap();
    assert!(said.contains("(2 minutes ago)") && said.contains("looked"), "{said}");
    assert!(said.contains("would lose what was added since: 5 of note,"), "{said}");
    assert_eq!(world.restore("new", Some(&world.keys())).unwrap().path, made.path);
    let new = world.parent.path().join("new");
    let folder = DataFolder::open(&new).unwrap();
    assert_eq!(Keys::of_folder(&new).unwrap(), Keys::of_folder(&world.data()).unwrap());
    let database = folder.existing_database().unwrap();
    let conn = store::open(&database, &folder.database_key().unwrap(), Access::Write).unwrap();
    assert_eq!(store::row_counts(&conn).unwrap()["note"], 1_000);
    assert!(!new.join("data.db.restoring").exists());
}

#[test]
fn the_newest_are_kept_and_what_was_broken_off_is_no_backup() {
    let world = World::new();
    for _ in 0..4 {
        world.make(2);
    }
    assert_eq!(world.names(), ["hub-abababab-000003", "hub-abababab-000004"]);
    // A program that was killed while it wrote the fifth, and somebody else's things.
    fs::create_dir(world.medium().join("hub-abababab-000005.unfinished")).unwrap();
    fs::create_dir(world.medium().join("hub-cdcdcdcd-000001")).unwrap();
    fs::create_dir(world.medium().join("photos")).unwrap();
    assert_eq!(choose(&world.medium(), &about()).unwrap().manifest.number, 4);
    world.make(1);
    assert_eq!(world.names(), ["hub-abababab-000005", "hub-cdcdcdcd-000001", "photos"]);
}

#[test]
fn every_kind_of_broken_backup_is_named() {
    let world = World::new();
    let backup = world.make(3);
    let file = backup.path.join("data.db");
    let whole = fs::read(&file).unwrap();
    let refused = |sentence: &str| {
        for (done, what) in [
            (world.try_out(&backup.path, None).map(|_| ()), "drill"),
            (world.restore("new", Some(&world.keys())).map(|_| ()), "restore"),
        ] {
            let said = done.unwrap_err().to_string();
            assert!(said.contains(sentence), "{what}: {said}");
        }
        assert!(!world.parent.path().join("new/data.db").exists());
    };
    for at in [0, 20_000, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&file, bytes).unwrap();
        refused("is not what was written");
    }
    fs::write(&file, &whole[..whole.len() - 4_096]).unwrap();
    refused("were written; use another backup");
    fs::write(&file, &whole).unwrap();
    world.try_out(&backup.path, None).unwrap();

    let manifest = backup.path.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"number\":1", "\"number\":2")).unwrap();
    refused("is damaged or was changed");
    fs::remove_file(&manifest).unwrap();
    refused("has no manifest.json");
    fs::write(&manifest, &text).unwrap();
    world.restore("new", Some(&world.keys())).unwrap();
}

#[test]
fn other_keys_and_other_nodes_are_told_apart() {
    let world = World::new();
    let backup = world.make(3);
    let other = World::new();
    let elsewhere = tempfile::tempdir().unwrap();
    let folder = made(&elsewhere.path().join("data"), 2);
    let keys = elsewhere.path().join("keys.txt");
    Keys::of_folder(folder.path()).unwrap().save("test", &keys, folder.path()).unwrap();
    let said = world.try_out(&backup.path, Some(&keys)).unwrap_err().to_string();
    assert!(said.contains("does not open with these keys"), "{said}");
    let said = other.try_out(&other.medium(), None).unwrap_err().to_string();
    assert!(said.contains("holds no backup of hub abababab"), "{said}");
    let edge = About { program: "edge-node", ..about() };
    let said = choose(&backup.path, &edge).unwrap_err().to_string();
    assert!(said.contains("is a backup of hub abababab, and this is edge-node"), "{said}");
}

#[test]
fn a_restore_overwrites_nothing_and_says_what_is_in_its_way() {
    let world = World::new();
    world.make(3);
    let keys = world.keys();
    let check = |into: &str, keys: Option<&Path>, sentence: &str| {
        let said = world.restore(into, keys).unwrap_err().to_string();
        assert!(said.contains(sentence), "{said}");
    };
    check("data", Some(&keys), "holds a database already");
    check("new", None, "the keys are needed");
    let full = world.parent.path().join("full");
    drop(made(&full, 9));
    check("full", Some(&keys), "has other keys than the file");
    for name in ["database.key", "node.key", "tls.key"] {
        fs::remove_file(full.join(name)).unwrap();
    }
    fs::write(full.join("letter.txt"), "").unwrap();
    check("full", Some(&keys), "holds letter.txt");
    fs::remove_file(full.join("letter.txt")).unwrap();
    let held = DataFolder::open(&full).unwrap();
    check("full", Some(&keys), "a program is running in");
    drop(held);
    // What a restore that was broken off leaves behind.
    fs::write(full.join("data.db.restoring"), "half").unwrap();
    world.restore("full", Some(&keys)).unwrap();
    // And a folder whose database was lost has its keys.
    fs::remove_file(full.join("data.db")).unwrap();
    world.restore("full", None).unwrap();
}

#[test]
fn a_preparation_that_fails_leaves_no_database() {
    let world = World::new();
    world.make(3);
    let into = world.parent.path().join("new");
    let failing = |_: &mut Connection| Err(Cause::from("no"));
    let done = restore(&world.medium(), Some(&world.keys()), &into, |_| about(), failing);
    assert!(matches!(done, Err(BackupError::NotSound { .. })));
    assert!(!into.join("data.db").exists());
}

#[tokio::test]
async fn backups_come_by_the_clock_and_a_failure_is_seen_and_tried_again_earlier() {
    let world = World::new();
    let path = world.data().join("data.db");
    let key = Keys::of_folder(&world.data()).unwrap().database_key();
    let readers = Readers::open(1, move || store::open(&path, &key, Access::Read)).unwrap();
    let settings =
        Settings { folder: world.medium(), same_disk_counts: true, ..Settings::default() };
    let hands = ManualClock::new(Timestamp::from_millis(1_000_000));
    let clock = hands.clock();
    let keeper = Keeper::new(settings.clone(), &world.data(), about());
    let attempt = async || {
        let made = keeper.make(&readers, &clock, None, |_| Ok(None), |_| Ok(())).await;
        made.map(|made| assert!(made.counts))
    };
    assert_eq!(keeper.standing(clock.now()).await.state(), State::NoneYet);
    assert!(keeper.is_due(&clock).await);
    attempt().await.unwrap();
    assert!(!keeper.is_due(&clock).await);
    hands.advance(Duration::from_secs(3_600));
    assert!(keeper.is_due(&clock).await);

    // The medium is taken out.
    let gone = world.parent.path().join("gone");
    fs::rename(world.medium(), &gone).unwrap();
    assert!(matches!(attempt().await, Err(BackupError::FolderMissing(_))));
    let standing = keeper.standing(clock.now()).await;
    assert_eq!(standing.state(), State::Failing);
    assert!(standing.sentence().contains("is the medium mounted?"), "{}", standing.sentence());
    assert_eq!(standing.age_seconds(), Some(3_600));
    assert!(!keeper.is_due(&clock).await);
    hands.advance(Duration::from_secs(300));
    assert!(keeper.is_due(&clock).await);
    fs::rename(&gone, world.medium()).unwrap();
    attempt().await.unwrap();
    assert_eq!(keeper.standing(clock.now()).await.state(), State::Fresh);

    // The next process finds it.
    let next = Keeper::new(settings, &world.data(), about());
    assert!(!next.is_due(&clock).await);
    assert_eq!(next.standing(clock.now()).await.last_good.unwrap().number, 2);
    hands.set_wall(Timestamp::from_millis(0));
    assert!(next.is_due(&clock).await, "nobody knows how old it is");
}

#[tokio::test]
async fn a_backup_goes_where_the_settings_say_or_not_at_all() {
    let world = World::new();
    let path = world.data().join("data.db");
    let key = Keys::of_folder(&world.data()).unwrap().database_key();
    let readers = Readers::open(1, move || store::open(&path, &key, Access::Read)).unwrap();
    let clock = ManualClock::new(Timestamp::from_millis(0)).clock();
    let keeper = Keeper::new(Settings::default(), &world.data(), about());
    let to = async |folder: Option<PathBuf>| {
        keeper.make(&readers, &clock, folder, |_| Ok(None), |_| Ok(())).await
    };
    assert!(matches!(to(None).await, Err(BackupError::NoFolder)));
    assert!(matches!(to(Some("medium".into())).await, Err(BackupError::Relative(_))));
    assert!(matches!(to(Some("/nowhere".into())).await, Err(BackupError::FolderMissing(_))));
    assert!(matches!(to(Some(world.data())).await, Err(BackupError::InDataFolder(_))));
    assert!(!to(Some(world.medium())).await.unwrap().counts, "the settings name no folder");
    assert_eq!(keeper.standing(clock.now()).await.state(), State::Off);
}
