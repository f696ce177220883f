//! A disk that is full, and one that has room again.

use std::fs::{self, File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tests::network::Dice;
use tests::programs::binaries::Binary;
use tests::programs::http::{Answer, get};
use tests::programs::network::{device, folder, join, number};
use tests::programs::readings::{exported, sorted};
use tests::programs::{Home, Reading, body, until};

/// A small disk in memory. Unmounted when dropped.
struct Disk {
    path: PathBuf,
}

impl Disk {
    /// Mounts one below `parent`; `None` where that is not permitted.
    fn mount(parent: &Path, name: &str, megabytes: u32) -> Option<Self> {
        let path = parent.join(name);
        fs::create_dir(&path).unwrap();
        let options = format!("size={megabytes}m,mode=700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&path)
            .output();
        let permitted = mounted.is_ok_and(|done| done.status.success());
        if !permitted {
            println!("skipped: this user may not mount a small disk");
        }
        permitted.then_some(Self { path })
    }

    /// Fills it to the last byte.
    fn fill(&self) {
        let mut ballast = File::create(self.ballast()).unwrap();
        while ballast.write_all(&[7; 4_096]).is_ok() {}
    }

    /// Makes room again.
    fn free(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    fn ballast(&self) -> PathBuf {
        self.path.join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a program that still runs must not keep the test's folder.
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

fn batch(at: usize) -> Vec<Reading> {
    let mut dice = Dice::new(at as u64);
    (0..200)
        .map(|n| {
            let seconds = -i64::try_from(at * 200 + n).unwrap() - 1;
            let value = format!("{}.{:06}", 60 + dice.below(40), dice.below(1_000_000));
            Reading::pulse("bed-4-mon", "p-1", seconds, &value)
        })
        .collect()
}

#[track_caller]
fn check_full(answer: &Answer) {
    assert_eq!(answer.status, 507, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let document = answer.json();
    assert_eq!(document["code"], "disk-full");
    assert!(document["detail"].as_str().unwrap().contains("send it again when there is room"));
}

#[test]
fn a_clinic_with_a_full_disk_refuses_loses_nothing_and_goes_on_when_there_is_room() {
    let folder = folder();
    let Some(disk) = Disk::mount(folder.path(), "disk", 12) else { return };
    let hub_home = Home::new(Binary::Hub, folder.path(), "hub");
    hub_home.tell(&["init"]);
    let hub = hub_home.serve();
    let home = Home::new(Binary::EdgeNode, &disk.path, "clinic");
    home.tell(&["init"]);
    let mut clinic = join(&home, &hub_home, &hub, "clinic");
    clinic.patient("p-1", "Somebody");
    let monitor = device(&home, "bed-4-mon");
    let upload = |clinic: &tests::programs::network::Clinic, at: usize, readings: &[Reading]| {
        monitor.send(clinic.http(), &body(&format!("b-{at}"), readings))
    };
    let mut kept = Vec::new();
    for at in 0..3 {
        let readings = batch(at);
        assert_eq!(upload(&clinic, at, &readings).status, 200);
        kept.extend(readings);
    }
    disk.fill();
    // What the log of the database still has room for is taken; then it is over.
    let mut at = 3;
    let refused = loop {
        let readings = batch(at);
        let answer = upload(&clinic, at, &readings);
        if answer.status != 200 {
            check_full(&answer);
            break readings;
        }
        kept.extend(readings);
        at += 1;
    };
    for _ in 0..3 {
        check_full(&upload(&clinic, at, &refused));
    }
    assert!(home.refused(&["patient", "add", "p-2", "--name", "Somebody"]).contains("full"));
    assert_eq!(get(clinic.http(), "/health").status, 200, "what is there can be read");
    assert_eq!(clinic.vitals(), sorted(kept.clone()));

    disk.free();
    until("the batch that was refused is taken", || upload(&clinic, at, &refused).status == 200);
    kept.extend(refused);
    let more = batch(at + 1);
    assert_eq!(upload(&clinic, at + 1, &more).status, 200);
    kept.extend(more);
    check_arrives(&clinic, &hub_home, &kept);

    // Killed while it is full: the start may fail for want of room, but not for good.
    disk.fill();
    let _ = upload(&clinic, at + 2, &batch(at + 2));
    clinic.serving.kill();
    disk.free();
    clinic.serving = home.serve();
    let readings = batch(at + 2);
    assert_eq!(upload(&clinic, at + 2, &readings).status, 200);
    kept.extend(readings);
    check_arrives(&clinic, &hub_home, &kept);
}

#[track_caller]
fn check_arrives(clinic: &tests::programs::network::Clinic, hub: &Home, kept: &[Reading]) {
    clinic.home.tell(&["flush"]);
    until("everything is at the hub", || clinic.is_in_step());
    assert!(clinic.vitals() == sorted(kept.to_vec()), "the clinic has what it gave receipts for");
    let at_hub = exported(&hub.tell(&["export", "vitals"]));
    assert!(at_hub == sorted(kept.to_vec()), "the hub holds {} of {}", at_hub.len(), kept.len());
}

#[test]
fn a_hub_with_a_full_disk_acknowledges_nothing_and_goes_on_when_there_is_room() {
    let folder = folder();
    let Some(disk) = Disk::mount(folder.path(), "disk", 12) else { return };
    let hub_home = Home::new(Binary::Hub, &disk.path, "hub");
    hub_home.tell(&["init"]);
    let mut hub = hub_home.serve();
    let home = Home::new(Binary::EdgeNode, folder.path(), "clinic");
    home.tell(&["init"]);
    let clinic = join(&home, &hub_home, &hub, "clinic");
    clinic.patient("p-1", "Somebody");
    let monitor = device(&home, "bed-4-mon");
    until("the clinic is in step", || clinic.is_in_step());
    disk.fill();
    let mut kept = Vec::new();
    for at in 0.. {
        let readings = batch(at);
        monitor.deliver(clinic.http(), &body(&format!("b-{at}"), &readings));
        kept.extend(readings);
        home.tell(&["flush"]);
        // Full when even after some tries something is left at the clinic.
        if at >= 5 && number(&home.status(), &["entries", "pending"]) > 2 {
            break;
        }
        assert!(at < 500, "the disk is never full");
    }
    assert!(hub.is_up(), "{}", hub.said());
    assert_eq!(get(hub.http, "/health").status, 200);
    let status = home.status();
    let at_hub = number(&status, &["entries", "at_hub"]);
    let held = hub_home.status();
    assert!(number(&held, &["entries"]) >= at_hub, "acknowledged is held: {status} {held}");
    disk.free();
    check_arrives(&clinic, &hub_home, &kept);
    assert!(hub.is_up(), "without a restart: {}", hub.said());
}

#[test]
fn a_disk_that_was_filled_stays_private() {
    let folder = folder();
    let Some(disk) = Disk::mount(folder.path(), "disk", 4) else { return };
    fs::set_permissions(&disk.path, Permissions::from_mode(0o700)).unwrap();
    disk.fill();
    // There is no room for a folder's keys: it says so, and a second try finishes the first.
    let home = Home::new(Binary::EdgeNode, &disk.path, "clinic");
    let said = home.refused(&["init"]);
    assert!(!said.is_empty());
    disk.free();
    home.tell(&["init"]);
    home.tell(&["status"]);
}
