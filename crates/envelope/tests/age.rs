//! Files are sealed and opened as the `age` program does it, and a changed one is not opened.

#![expect(clippy::unwrap_used, reason = "what a test did not expect ends it")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;

use envelope::{Identity, OpenError, Opener, RECIPIENTS_MAX, Recipient, Sealer};

/// Not random, and other bytes at every call.
fn counting() -> impl FnMut(&mut [u8]) {
    let mut next = 0_u8;
    move |target: &mut [u8]| {
        for byte in target {
            next = next.wrapping_mul(41).wrapping_add(7);
            *byte = next;
        }
    }
}

fn seal(content: &[u8], recipients: &[Recipient]) -> Vec<u8> {
    let mut sealer = Sealer::new(Vec::new(), recipients, &mut counting()).unwrap();
    sealer.write_all(content).unwrap();
    sealer.finish().unwrap()
}

/// What opening gives, or in one word why it gives nothing.
fn open(file: &[u8], identity: &Identity) -> Result<Vec<u8>, &'static str> {
    let mut opener = Opener::new(file, identity).map_err(|error| match error {
        OpenError::NotSealed => "not sealed",
        OpenError::NotForUs => "not for us",
        OpenError::Damaged => "damaged",
        OpenError::Read(_) | _ => "other",
    })?;
    let mut content = Vec::new();
    opener.read_to_end(&mut content).map_err(|_| "damaged")?;
    Ok(content)
}

fn identity(byte: u8) -> Identity {
    Identity::of_signing_seed(&[byte; 32])
}

/// Lengths around the border of a piece.
const LENGTHS: [usize; 7] = [0, 1, 65_535, 65_536, 65_537, 131_072, 200_000];

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

#[test]
fn a_file_of_any_length_opens_with_each_of_its_keys_and_with_no_other() {
    for length in LENGTHS {
        let content = content(length);
        let file = seal(&content, &[identity(1).recipient(), identity(2).recipient()]);
        assert!(open(&file, &identity(1)).unwrap() == content, "{length}");
        assert!(open(&file, &identity(2)).unwrap() == content, "{length}");
        assert_eq!(open(&file, &identity(3)), Err("not for us"));
    }
}

#[test]
fn it_costs_200_bytes_and_16_a_piece() {
    let size = |length| seal(&content(length), &[identity(1).recipient()]).len() - length;
    assert_eq!(size(1), 200);
    assert_eq!(size(65_536), 200);
    assert_eq!(size(65_537), 216);
}

#[test]
fn a_cut_or_changed_file_is_not_opened_to_its_end() {
    let file = seal(&content(131_072), &[identity(1).recipient()]);
    for length in (0..file.len()).step_by(97).chain([file.len() - 1, file.len() - 65_552]) {
        assert!(open(&file[..length], &identity(1)).is_err(), "{length}");
    }
    assert!(open(&[&file[..], &[0]].concat(), &identity(1)).is_err());
    for bit in (0..400 * 8).chain((400 * 8..file.len() * 8).step_by(4_001)) {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(open(&flipped, &identity(1)).is_err(), "bit {bit}");
    }
}

#[test]
fn pieces_are_not_exchanged_or_left_out() {
    let file = seal(&content(131_072), &[identity(1).recipient()]);
    let (head, body) = file.split_at(184);
    let (first, second) = body.split_at(65_552);
    assert!(open(&[head, second, first].concat(), &identity(1)).is_err());
    assert!(open(&[head, second].concat(), &identity(1)).is_err());
    assert!(open(&[head, first, first, second].concat(), &identity(1)).is_err());
}

#[test]
fn too_many_recipients_or_one_that_is_nobody_are_refused() {
    let many = vec![identity(1).recipient(); RECIPIENTS_MAX + 1];
    assert!(Sealer::new(Vec::new(), &many, &mut counting()).is_err());
    assert!(Sealer::new(Vec::new(), &[], &mut counting()).is_err());
}

#[test]
fn the_age_program_opens_what_we_seal_and_we_what_it_seals() {
    if Command::new("age").arg("--version").output().is_err() {
        // `cargo verify` installs it where it may.
        return println!("skipped: there is no age program");
    }
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("key"), identity(1).to_text().as_bytes()).unwrap();
    fs::write(at("other"), identity(2).to_text().as_bytes()).unwrap();
    for length in LENGTHS {
        let content = content(length);
        fs::write(at("ours"), seal(&content, &[identity(3).recipient(), identity(1).recipient()]))
            .unwrap();
        assert!(run(&["-d", "-i"], &[&at("key"), &at("ours")]).unwrap() == content, "{length}");
        assert!(run(&["-d", "-i"], &[&at("other"), &at("ours")]).is_none());

        fs::write(at("plain"), &content).unwrap();
        let (one, two) = (identity(2).recipient().to_string(), identity(1).recipient().to_string());
        let theirs = run(&["-r", &one, "-r", &two], &[&at("plain")]).unwrap();
        assert!(open(&theirs, &identity(1)).unwrap() == content, "{length}");
        assert_eq!(open(&theirs, &identity(3)), Err("not for us"));
    }
}

/// What the program writes; `None` when it fails.
fn run(options: &[&str], files: &[&Path]) -> Option<Vec<u8>> {
    let done = Command::new("age").args(options).args(files).output().unwrap();
    done.status.success().then_some(done.stdout)
}
