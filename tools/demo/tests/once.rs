//! The whole demo, as a person runs it: the built-in recording, with the link cut and the clinic
//! killed in the middle, over UDP and where none passes.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "what a test did not expect ends it, in its helpers too"
)]

use std::process::Command;

use serde_json::Value;

#[test]
fn every_reading_arrives_where_it_belongs_and_nothing_is_left_behind() {
    check(&[], "udp");
}

#[test]
fn where_no_udp_passes_every_reading_arrives_over_tcp() {
    check(&["--block-udp"], "tcp");
}

fn check(more: &[&str], road: &str) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_demo"))
        .args(["--once", "--cut-link", "--kill-clinic"])
        .args(more)
        .env("TMPDIR", folder.path())
        .output()
        .unwrap();
    let (said, complaints) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{}\n{said}\n{complaints}", output.status);

    let summary: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let number = |name: &str| summary[name].as_u64().unwrap();
    assert_eq!(number("sent"), 13_035);
    assert_eq!(number("accepted"), 13_035);
    assert_eq!(number("at_hub"), 13_035);
    assert_eq!(number("at_second_clinic"), number("expected_at_second_clinic"));
    assert_eq!(number("expected_at_second_clinic"), 5_775);
    assert_eq!(summary["road"], road);
    assert!(number("alerts") > 0 && number("bytes_on_wire") > 0, "{summary}");
    for sentence in ["the link between clinic and hub is cut", "is killed", "runs again"] {
        assert!(said.contains(sentence), "{said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "files are left behind");
}
