//! What the fuzzer found worth keeping goes through its target once more.

#![expect(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use fuzz::TARGETS;

/// Files of one corpus, and all their bytes.
const FILES_MAX: usize = 200;
const BYTES_MAX: usize = 300 * 1024;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

#[test]
fn every_target_has_a_small_corpus_and_every_corpus_a_target() {
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names.len(), TARGETS.len(), "two targets of one name");
    let folders = fs::read_dir(folder()).unwrap();
    let folders = folders.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(folders.collect::<BTreeSet<_>>(), names);
    for target in TARGETS {
        let inputs = inputs(target.name);
        let bytes: usize = inputs.iter().map(|(_, input)| input.len()).sum();
        let small = (1..FILES_MAX).contains(&inputs.len()) && bytes < BYTES_MAX;
        assert!(small, "{}: {} files, {bytes} bytes", target.name, inputs.len());
    }
}

#[test]
fn no_input_of_a_corpus_breaks_its_target() {
    for target in TARGETS {
        for (name, input) in inputs(target.name) {
            // Shown by a test that fails, and only then.
            println!("{}/{name}", target.name);
            (target.run)(&input);
        }
    }
}

fn inputs(target: &str) -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder().join(target)).unwrap();
    let mut inputs: Vec<_> = files
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    inputs.sort();
    inputs
}
