//! What every start of a process brings: an epoch of its own, and times that go on.

use replication::edge::EdgeDesk;
use replication::streams::patient_stream;
use replication::{Author, Draft};
use store::Connection;
use sync_protocol::Class;
use sync_protocol::exchange::{EdgeOp, EdgeReply};
use sync_protocol::hlc::Hlc;
use sync_protocol::signature::Signer;
use vocab::{Compartment, FactKind, PatientId, Timestamp};

use crate::edge::Anything;

fn ledger() -> Connection {
    let mut conn = store::open_in_memory().unwrap();
    store::migrate(&mut conn, &[replication::LEDGER, replication::EDGE]).unwrap();
    conn
}

/// Starts with a source of randomness that gives these bytes first, each as often as it is wanted
/// at once, and then 99.
fn start(conn: &Connection, draws: &'static [u8]) -> Author {
    let mut draws = draws.iter();
    let fill = Box::new(move |bytes: &mut [u8]| bytes.fill(*draws.next().unwrap_or(&99)));
    Author::start(conn, Signer::from_seed(&[1; 32]), fill).unwrap()
}

fn write(conn: &Connection, author: &mut Author, now: Timestamp) {
    let draft = Draft {
        stream: patient_stream(PatientId::from_bytes([7; 16]), Compartment::Identity),
        kind: FactKind::DocumentChange,
        payload: b"a change".to_vec(),
        own_salt: true,
        urgent: false,
    };
    author.write(conn, now, draft).unwrap();
}

/// The times of what was written, in the order in which it was.
fn times(conn: &Connection) -> Vec<Hlc> {
    let (class, after, skip) = (Class::Records, None, Vec::new());
    let op = EdgeOp::ReadOutbox { class, after, skip, bytes_max: 1 << 20 };
    match EdgeDesk::perform(
        conn,
        noon(),
        op,
        &mut Anything,
        &Anything,
        &Signer::from_seed(&[1; 32]),
    )
    .unwrap()
    {
        EdgeReply::Outbox(page) => page.entries.iter().map(|own| own.entry.header.hlc).collect(),
        other => panic!("{other:?}"),
    }
}

fn noon() -> Timestamp {
    "2026-06-12T12:00:00Z".parse().unwrap()
}

/// Two starts under one epoch would number different entries alike.
#[test]
fn no_start_uses_an_epoch_of_an_earlier_one() {
    let conn = ledger();
    let first = start(&conn, &[1]).epoch();
    let second = start(&conn, &[1, 1, 2]).epoch();
    let third = start(&conn, &[2, 1, 3]).epoch();
    let drawn = [first, second, third].map(|epoch| epoch.0.to_le_bytes());
    assert_eq!(drawn, [[1; 8], [2; 8], [3; 8]]);
}

/// A machine without a battery wakes up in the past.
#[test]
fn times_rise_across_starts_whatever_the_clock_says() {
    let conn = ledger();
    let clocks = [noon(), noon().plus_seconds(-3_600), noon().plus_seconds(-1)];
    for (draws, now) in [&[1], &[2], &[3]].into_iter().zip(clocks) {
        write(&conn, &mut start(&conn, draws), now);
    }
    let times = times(&conn);
    assert_eq!(times.len(), 3);
    assert!(times.is_sorted_by(|earlier, later| earlier < later), "{times:?}");
}
