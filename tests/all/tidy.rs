//! The house rules, checked on manifests and sources as text.
//!
//! A rule takes a [`House`](house::House) and gives its complaints as sentences, so each is tested
//! on a planted house that breaks it. A rule that is wrong for a new case is changed here, in its
//! table and with a reason, not worked around there.

mod documents;
mod floors;
mod homes;
mod house;
mod logs;
mod manifests;
mod promises;
mod protocol;
mod shape;
mod source;
mod sql;
mod supply;
mod wire;

use house::House;

/// Fails with every complaint that `rule` has about this repository.
#[track_caller]
fn check(rule: fn(&House) -> Vec<String>) {
    let complaints = rule(&House::read());
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

/// Fails unless `rule` has exactly one complaint about a planted house, and it says `what`.
#[track_caller]
fn check_finds(rule: fn(&House) -> Vec<String>, house: &House, what: &str) {
    let complaints = rule(house);
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints.iter().all(|said| said.contains(what)), "{complaints:?} lacks {what:?}");
}

/// Fails if `rule` complains about a planted house that keeps it.
#[track_caller]
fn check_allows(rule: fn(&House) -> Vec<String>, house: &House) {
    assert_eq!(rule(house), Vec::<String>::new());
}
