//! What an invitation is good for, and what it is not.

use std::path::Path;
use std::sync::Barrier;

use store::{Access, DatabaseKey, Group};

use super::*;
use crate::store::tests::{at, certificate, database, site};
use crate::store::{HUB, SITES};
use sites::apply_certificate;

fn token(byte: u8) -> Token {
    Token::new([byte; 16])
}

fn name(text: &str) -> SiteName {
    text.parse().unwrap()
}

/// A database that issued `token(1)` to the site 1, "north", at second 0.
fn invited() -> Connection {
    let conn = database();
    issue(&conn, at(0), site(1), &name("north"), &token(1)).unwrap();
    conn
}

/// Redeems and commits; the keys are those of [`certificate`] with this `key`.
fn join(conn: &Connection, now: Timestamp, with: &Token, key: u8) -> Result<SiteId, Refusal> {
    let group = Group::begin(conn).unwrap();
    let joined = match redeem(conn, now, with, &[key + 100; 32], &[key; 32]) {
        Ok((site, site_name)) => {
            let certificate = NodeCertificate { site, site_name, ..certificate(0, "x", key, 0) };
            apply_certificate(conn, &NodeCertificate { issued_at: now, ..certificate }).unwrap();
            Ok(site)
        }
        Err(RedeemError::Refused(refusal)) => Err(refusal),
        Err(RedeemError::Store(error)) => panic!("{error:?}"),
    };
    group.commit().unwrap();
    joined
}

fn plus_nanos(time: Timestamp, nanos: i64) -> Timestamp {
    Timestamp::from_nanos(time.nanos() + nanos)
}

#[test]
fn an_invitation_lasts_24_hours_to_the_nanosecond() {
    let end = at(86_400);
    assert_eq!(issue(&database(), at(0), site(1), &name("n"), &token(1)).unwrap(), end);
    check_at(at(0), Ok(site(1)));
    check_at(plus_nanos(end, -1), Ok(site(1)));
    check_at(end, Err(Refusal::Expired));
    check_at(plus_nanos(end, 1), Err(Refusal::Expired));
}

#[track_caller]
fn check_at(now: Timestamp, expected: Result<SiteId, Refusal>) {
    let conn = invited();
    let open = open_invitations(&conn, now).unwrap();
    assert_eq!(open.len(), usize::from(expected.is_ok()), "listed at {now}");
    assert_eq!(join(&conn, now, &token(1), 7), expected, "at {now}");
}

#[test]
fn each_refusal_is_its_own() {
    let conn = invited();
    check(&conn, 10, 2, 7, Err(Refusal::Foreign));
    check(&conn, 10, 1, 7, Ok(site(1)));
    check(&conn, 11, 1, 8, Err(Refusal::Used));
    check(&conn, 11, 1, 7, Err(Refusal::Used));
    // What it was used for matters more than that its time is over.
    check(&conn, 90_000, 1, 8, Err(Refusal::Used));

    issue(&conn, at(20), site(2), &name("south"), &token(2)).unwrap();
    check(&conn, 21, 2, 7, Err(Refusal::KeyKnown));
    // The refusal cost nothing.
    check(&conn, 22, 2, 8, Ok(site(2)));

    issue(&conn, at(30), site(3), &name("east"), &token(3)).unwrap();
    check(&conn, 90_000, 3, 9, Err(Refusal::Expired));
}

#[track_caller]
fn check(conn: &Connection, now: i64, with: u8, key: u8, expected: Result<SiteId, Refusal>) {
    assert_eq!(join(conn, at(now), &token(with), key), expected, "token {with}, key {key}");
}

#[test]
fn a_known_key_is_refused_in_either_role() {
    let conn = invited();
    apply_certificate(&conn, &certificate(9, "west", 7, 0)).unwrap();
    for (tls_key, node_key) in [(107, 8), (108, 7), (7, 8), (108, 107)] {
        let group = Group::begin(&conn).unwrap();
        let refused = redeem(&conn, at(1), &token(1), &[tls_key; 32], &[node_key; 32]);
        assert!(matches!(refused, Err(RedeemError::Refused(Refusal::KeyKnown))), "{refused:?}");
        drop(group);
    }
    check(&conn, 1, 1, 8, Ok(site(1)));
}

#[test]
fn a_newer_invitation_for_the_same_site_or_name_replaces_the_older_one() {
    let conn = invited();
    issue(&conn, at(1), site(2), &name("NORTH"), &token(2)).unwrap();
    check(&conn, 2, 1, 7, Err(Refusal::Expired));
    check(&conn, -1, 1, 7, Err(Refusal::Expired));
    issue(&conn, at(3), site(2), &name("north"), &token(3)).unwrap();
    check(&conn, 4, 2, 7, Err(Refusal::Expired));
    let open = OpenInvitation {
        site: site(2),
        site_name: name("north"),
        issued_at: at(3),
        expires_at: at(3 + VALID_SECONDS),
    };
    assert_eq!(open_invitations(&conn, at(4)).unwrap(), [open]);
    check(&conn, 4, 3, 7, Ok(site(2)));
    assert_eq!(open_invitations(&conn, at(5)).unwrap(), []);
}

#[test]
fn a_site_keeps_its_name_and_its_id() {
    let conn = invited();
    check(&conn, 1, 1, 7, Ok(site(1)));
    let issue = |number, text| issue(&conn, at(2), site(number), &name(text), &token(number + 10));
    assert!(matches!(issue(2, "north"), Err(IssueError::NameTaken)));
    assert!(matches!(issue(3, "North"), Err(IssueError::NameTaken)));
    assert!(matches!(issue(1, "south"), Err(IssueError::NamedOtherwise)));
    assert!(issue(1, "north").is_ok());
    check(&conn, 3, 11, 8, Ok(site(1)));
    assert_eq!(sites::find_tls_key(&conn, &[107; 32]).unwrap(), None);
}

#[test]
fn a_node_whose_answer_got_lost_is_known_by_token_and_keys() {
    let conn = invited();
    let asked = |with, tls_key, key| {
        answered_before(&conn, &token(with), &[tls_key; 32], &[key; 32]).unwrap()
    };
    assert_eq!(asked(1, 107, 7), None);
    check(&conn, 1, 1, 7, Ok(site(1)));
    assert_eq!(asked(1, 107, 7), Some(certificate(1, "north", 7, 1)));
    assert_eq!(asked(2, 107, 7), None);
    assert_eq!(asked(1, 108, 7), None);
    assert_eq!(asked(1, 107, 8), None);
    issue(&conn, at(2), site(1), &name("north"), &token(2)).unwrap();
    check(&conn, 3, 2, 8, Ok(site(1)));
    assert_eq!(asked(1, 107, 7), None);
    assert_eq!(asked(2, 108, 8), Some(certificate(1, "north", 8, 3)));
}

#[test]
fn a_clock_at_the_epoch_uses_an_invitation_up() {
    let conn = invited();
    check(&conn, 0, 1, 7, Ok(site(1)));
    check(&conn, 0, 1, 8, Err(Refusal::Used));
}

#[test]
fn what_was_not_committed_did_not_happen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    create(&path);
    for _ in 0..3 {
        let conn = open(&path);
        let group = Group::begin(&conn).unwrap();
        let (site, site_name) = redeem(&conn, at(1), &token(1), &[107; 32], &[7; 32]).unwrap();
        let certificate = NodeCertificate { site, site_name, ..certificate(0, "x", 7, 1) };
        apply_certificate(&conn, &certificate).unwrap();
        // The program dies here.
        drop(group);
    }
    let conn = open(&path);
    assert_eq!(sites::sites(&conn).unwrap(), []);
    check(&conn, 2, 1, 7, Ok(site(1)));
}

#[test]
fn of_a_hundred_that_try_at_once_exactly_one_gets_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hub.db");
    create(&path);
    let start = Barrier::new(100);
    let try_once = |key: u8| {
        let conn = open(&path);
        start.wait();
        join(&conn, at(1), &token(1), key)
    };
    let answers: Vec<Result<SiteId, Refusal>> = std::thread::scope(|scope| {
        let try_once = &try_once;
        let tries: Vec<_> = (0..100).map(|key| scope.spawn(move || try_once(key))).collect();
        tries.into_iter().map(|one| one.join().unwrap()).collect()
    });
    let count = |what| answers.iter().filter(|answer| **answer == what).count();
    assert_eq!((count(Ok(site(1))), count(Err(Refusal::Used))), (1, 99));
    let winner = u8::try_from(answers.iter().position(Result::is_ok).unwrap()).unwrap();
    assert_eq!(sites::sites(&open(&path)).unwrap(), [certificate(1, "north", winner, 1)]);
}

fn create(path: &Path) {
    let mut conn = open(path);
    store::migrate(&mut conn, &[SITES, HUB]).unwrap();
    issue(&conn, at(0), site(1), &name("north"), &token(1)).unwrap();
}

fn open(path: &Path) -> Connection {
    store::open(path, &DatabaseKey::new([1; 32]), Access::Write).unwrap()
}

#[test]
fn the_token_is_in_the_table_as_its_hash_only() {
    let conn = invited();
    let kept: Vec<u8> =
        conn.query_row("SELECT token_sha256 FROM invitation", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, token(1).digest());
}
