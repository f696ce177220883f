//! Every input in `hostile/` is refused, quickly, in little memory, and the document goes on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use document::{ActorSeed, Document, Refused};

/// Criterion of the product: one second and 128 MiB each. Refusing takes microseconds, so a tenth
/// of the first and a quarter of the second leave room for a slow machine only.
const EACH_MAX: Duration = Duration::from_millis(100);
const GROWTH_KIB_MAX: u64 = 32 * 1024;

const AUTHOR: ActorSeed = ActorSeed::new([2; 16]);

/// What stops each bomb.
const BOMBS: [(&str, &str); 15] = [
    ("zstd-ratio", "bad_compression"),
    ("zstd-understated", "bad_compression"),
    ("zstd-overstated", "too_large"),
    ("zstd-twice", "bad_compression"),
    ("deflated-change", "forbidden_form"),
    ("deflated-document", "forbidden_form"),
    ("deflated-column", "forbidden_form"),
    ("bundle", "forbidden_form"),
    ("run-of-operations", "too_many"),
    ("run-of-fields", "too_many"),
    ("run-of-values", "too_many"),
    ("run-of-inserts", "forbidden_operation"),
    ("count-of-replaced", "too_many"),
    ("count-of-dependencies", "too_many"),
    ("length-of-value", "malformed"),
];

fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("hostile");
    let mut files: Vec<(String, Vec<u8>)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "payload"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[expect(clippy::disallowed_methods, reason = "measures how long a refusal takes")]
fn now() -> Instant {
    Instant::now()
}

/// The most memory this process has had, where the system tells.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[test]
fn every_hostile_input_is_refused_and_the_document_goes_on() {
    let files = corpus();
    assert!(files.len() >= 20, "the corpus is there");
    let mut doc = Document::new(ActorSeed::new([1; 16]));
    doc.edit(|edit| {
        edit.set("name", "base");
        edit.set("count", 7);
    })
    .unwrap();
    let (heads, before) = (doc.heads(), peak_kib());
    for (name, payload) in &files {
        assert!(payload.len() <= 4_096, "{name} is small");
        let start = now();
        let answer = doc.apply(payload, AUTHOR, |_| true);
        assert!(start.elapsed() < EACH_MAX, "{name} took {:?}", start.elapsed());
        let refused = answer.expect_err(name);
        // Refused by the gate: not one of them reaches the decoder that it was made for.
        assert!(!matches!(refused, Refused::Panicked | Refused::Engine), "{name}: {refused:?}");
        assert_eq!(doc.heads(), heads, "{name}");
        if let Some((_, word)) = BOMBS.iter().find(|(bomb, _)| name.contains(bomb)) {
            assert_eq!(refused.word(), *word, "{name}: {refused:?}");
        }
    }
    if let (Some(before), Some(after)) = (before, peak_kib()) {
        assert!(after - before < GROWTH_KIB_MAX, "grew by {} KiB", after - before);
    }
    assert!(doc.edit(|edit| edit.set("name", "after")).unwrap().is_some());
    assert!(Document::load(&doc.save(), AUTHOR).is_ok());
}
