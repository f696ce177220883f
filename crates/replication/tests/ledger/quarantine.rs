//! What was set aside gets out again: taken on a later try and sent to who may have it, or given up
//! with a reason.

use replication::edge::EdgeDesk;
use replication::hub::{HubStore as _, SqliteHub};
use replication::ledger::quarantine::{discard, inspect, standings};
use replication::ledger::{AsideError, Standing, payload_of};
use replication::materialize::MaterializeError;
use replication::{Arrived, Materialize, Refusal, hub};
use store::{Connection, StoreError};
use sync_protocol::entry::WithheldReason;
use sync_protocol::exchange::{Applied, EdgeOp, EdgeReply, IngestEntry, StoredRun};
use sync_protocol::message::{StreamPosition, Verdict};
use sync_protocol::{Signed, StreamId};
use vocab::{Compartment, Decision};

use crate::edge::Anything;
use crate::release::{Edge, Hub, start, vitals};

/// Rooms of a program that is too old for what it gets.
struct TooOld;

impl Materialize for TooOld {
    fn apply(&mut self, _: &Connection, _: &Arrived<'_>) -> Result<(), MaterializeError> {
        Err(Refusal::Unreadable.into())
    }

    fn erase_stream(&mut self, _: &Connection, _: &StreamId) -> Result<(), StoreError> {
        Ok(())
    }

    fn erase_entry(&mut self, _: &Connection, _: &Arrived<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    fn let_go(&mut self, _: &Connection, _: &StreamId) -> Result<(), StoreError> {
        Ok(())
    }

    fn founds(&self, _: &Arrived<'_>) -> bool {
        false
    }
}

fn take_too_old(hub: &Hub, entry: IngestEntry) {
    let at = SqliteHub::new(&hub.conn);
    let outcome = at.ingest(start(), &hub.north, vec![entry], &mut TooOld).unwrap();
    let verdicts: Vec<Verdict> =
        outcome.ingested.verdicts.into_iter().map(|(_, _, verdict)| verdict).collect();
    assert_eq!(verdicts, [Verdict::Quarantined(WithheldReason::Quarantined)]);
}

/// The run that the hub has for the south, if any.
fn run_to_south(hub: &Hub) -> Option<StoredRun> {
    let runs = SqliteHub::new(&hub.conn).next_runs(start(), &hub.south, &[], 1 << 20).unwrap();
    let run = runs.into_iter().map(replication::gate::Released::into_run).next()?;
    let entries = run.entries.into_iter().map(|one| {
        let verified = Signed::new(one.entry).verify(&one.key).unwrap();
        (verified, one.key)
    });
    Some(StoredRun {
        stream: run.stream,
        version: run.version,
        from_idx: run.from_idx,
        to_idx: run.to_idx,
        head_sum: run.head_sum,
        entries: entries.collect(),
    })
}

fn apply(south: &Edge, run: StoredRun, rooms: &mut dyn Materialize) -> StreamPosition {
    let op = EdgeOp::Apply(run);
    let reply =
        EdgeDesk::perform(&south.conn, start(), op, rooms, &Anything, &south.signer).unwrap();
    let EdgeReply::Applied(position, Applied::Stored { diverged: false, .. }) = reply else {
        panic!("{reply:?}")
    };
    position
}

fn acknowledge(hub: &Hub, position: StreamPosition) {
    SqliteHub::new(&hub.conn).acknowledge(&hub.south, &[position]).unwrap();
}

/// Entry 1 good, entry 2 set aside, entry 3 good; the south has and acknowledged all of it.
fn acknowledged_without() -> (Hub, Edge, IngestEntry, StreamPosition) {
    let (mut north, south) = (Edge::new(1), Edge::new(2));
    let hub = Hub::new(&north, &south);
    let entries = [(); 3].map(|()| north.write(Compartment::Vitals));
    let [first, second, third] = entries;
    assert_eq!(hub.take(&hub.north, first), []);
    take_too_old(&hub, second.clone());
    assert_eq!(hub.take(&hub.north, third), []);
    hub.allow_south();
    let position = apply(&south, run_to_south(&hub).unwrap(), &mut Anything);
    acknowledge(&hub, position);
    assert!(run_to_south(&hub).is_none());
    assert_eq!(payload_of(&south.conn, &second.id).unwrap(), None);
    (hub, south, second, position)
}

fn sound(hub: &Hub) {
    hub::verify(&hub.conn, &mut |_| {}).unwrap();
}

#[test]
fn a_payload_that_is_taken_later_reaches_who_acknowledged_its_place_without_it() {
    let (hub, south, entry, stale) = acknowledged_without();
    let wake = hub::quarantine::retry(&hub.conn, start(), 1, &mut Anything).unwrap();
    assert_eq!(wake, [hub.south.key]);
    assert_eq!(standings(&hub.conn).unwrap(), [0, 1, 0]);
    assert!(payload_of(&hub.conn, &entry.id).unwrap().is_some());
    sound(&hub);

    // What the south said before, repeated in a greeting, acknowledges nothing of it.
    acknowledge(&hub, stale);
    let run = run_to_south(&hub).unwrap();
    assert_eq!((run.from_idx, run.to_idx), (1, 3), "from there on, not from the start");
    let position = apply(&south, run, &mut Anything);
    assert!(payload_of(&south.conn, &entry.id).unwrap().is_some());
    acknowledge(&hub, position);
    assert!(run_to_south(&hub).is_none());
    sound(&hub);
    replication::edge::verify(&south.conn, &hub.south.key, &mut |_| {}).unwrap();
}

#[test]
fn an_acknowledgement_that_waits_speaks_of_the_version_it_was_made_under() {
    let (hub, south, ..) = acknowledged_without();
    hub::quarantine::retry(&hub.conn, start(), 1, &mut Anything).unwrap();
    let mut run = run_to_south(&hub).unwrap();
    run.entries.truncate(1);
    (run.to_idx, run.head_sum) = (2, None);
    apply(&south, run, &mut Anything);
    let op = EdgeOp::LoadHello;
    let reply =
        EdgeDesk::perform(&south.conn, start(), op, &mut Anything, &Anything, &south.signer);
    let EdgeReply::Hello(hello) = reply.unwrap() else { panic!("no greeting") };
    let said: Vec<u64> = hello.unconfirmed.iter().map(|position| position.to_idx).collect();
    assert_eq!(said, [2], "the third entry of the new version has not come");
}

#[test]
fn a_clinic_that_refuses_it_too_sets_it_aside_and_takes_it_when_it_comes_again() {
    let (hub, south, entry, _) = acknowledged_without();
    hub::quarantine::retry(&hub.conn, start(), 1, &mut Anything).unwrap();
    let position = apply(&south, run_to_south(&hub).unwrap(), &mut TooOld);
    assert_eq!(payload_of(&south.conn, &entry.id).unwrap(), None);
    assert_eq!(standings(&south.conn).unwrap(), [1, 0, 0]);
    let again = run_to_south(&hub).unwrap();
    acknowledge(&hub, position);
    apply(&south, again, &mut Anything);
    assert!(payload_of(&south.conn, &entry.id).unwrap().is_some());
    assert_eq!(standings(&south.conn).unwrap(), [0, 1, 0]);
    replication::edge::verify(&south.conn, &hub.south.key, &mut |_| {}).unwrap();
}

#[test]
fn what_a_room_refuses_again_stays_as_it_is() {
    let (hub, ..) = acknowledged_without();
    let error = hub::quarantine::retry(&hub.conn, start(), 1, &mut TooOld).unwrap_err();
    assert!(matches!(error, AsideError::Refused(1, Refusal::Unreadable)), "{error}");
    assert_eq!(standings(&hub.conn).unwrap(), [1, 0, 0]);
    assert!(!inspect(&hub.conn, 1).unwrap().raw.is_empty());
    assert!(run_to_south(&hub).is_none(), "nobody is sent anything again");
    sound(&hub);
}

#[test]
fn bytes_that_were_changed_on_the_disk_are_not_put_back() {
    let (hub, ..) = acknowledged_without();
    hub.conn.execute_batch("UPDATE quarantine SET raw = CAST('another' AS BLOB)").unwrap();
    let error = hub::quarantine::retry(&hub.conn, start(), 1, &mut Anything).unwrap_err();
    assert!(matches!(error, AsideError::Damaged(1)), "{error}");
    sound(&hub);
}

#[test]
fn what_was_written_without_permission_is_taken_once_it_is_given_and_not_before() {
    let (mut north, mut south) = (Edge::new(1), Edge::new(2));
    let hub = Hub::new(&north, &south);
    assert_eq!(hub.take(&hub.north, north.write(Compartment::Vitals)), []);
    let own = south.write(Compartment::Vitals);
    let no_access = Verdict::Quarantined(WithheldReason::NoAccess);
    assert_eq!(hub.take(&hub.south, own.clone()), [no_access]);
    let error = hub::quarantine::retry(&hub.conn, start(), 1, &mut Anything).unwrap_err();
    assert!(matches!(error, AsideError::NoAccess(1)), "{error}");
    hub.allow_south();
    hub::quarantine::retry(&hub.conn, start(), 1, &mut Anything).unwrap();
    assert!(payload_of(&hub.conn, &own.id).unwrap().is_some());
    assert_eq!(own.entry.get().header.stream, vitals());
    sound(&hub);
}

#[test]
fn what_is_given_up_leaves_its_evidence_and_not_its_bytes() {
    let (hub, ..) = acknowledged_without();
    let decision = Decision::new("ana", "a test of the vendor's").unwrap();
    let before = inspect(&hub.conn, 1).unwrap();
    discard(&hub.conn, start(), 1, &decision).unwrap();
    let after = inspect(&hub.conn, 1).unwrap();
    assert_eq!((after.hash, after.aside.bytes), (before.hash, before.aside.bytes));
    assert_eq!((after.raw.len(), after.aside.standing), (0, Standing::Discarded));
    assert_eq!(after.aside.settled_by, "ana");
    assert_eq!(after.aside.settled_why, "a test of the vendor's");
    assert_eq!(standings(&hub.conn).unwrap(), [0, 0, 1]);
    let again = discard(&hub.conn, start(), 1, &decision).unwrap_err();
    assert!(matches!(again, AsideError::Settled(1, Standing::Discarded)), "{again}");
    let retried = hub::quarantine::retry(&hub.conn, start(), 1, &mut Anything).unwrap_err();
    assert!(matches!(retried, AsideError::Settled(1, Standing::Discarded)), "{retried}");
    let unknown = discard(&hub.conn, start(), 2, &decision).unwrap_err();
    assert!(matches!(unknown, AsideError::Unknown(2)), "{unknown}");
    sound(&hub);
}

#[test]
fn a_hub_that_came_back_from_a_backup_sends_what_is_taken_under_a_version_above_all_earlier_ones() {
    let (hub, south, entry, before) = acknowledged_without();
    let conn = &hub.conn;
    conn.execute_batch("INSERT OR IGNORE INTO hub_meta (one, incarnation) VALUES (1, 7)").unwrap();
    hub::begin_again(conn, start(), 8).unwrap();
    hub::leave_safe_mode(conn, start(), "a test").unwrap();
    hub::quarantine::retry(conn, start(), 1, &mut Anything).unwrap();
    // Under the version of the life before, it says nothing of what is sent now.
    acknowledge(&hub, before);
    let run = run_to_south(&hub).unwrap();
    assert!(run.version > before.version + 65_536, "{} after {}", run.version, before.version);
    let position = apply(&south, run, &mut Anything);
    assert!(payload_of(&south.conn, &entry.id).unwrap().is_some());
    acknowledge(&hub, position);
    assert!(run_to_south(&hub).is_none());
    sound(&hub);
}

#[test]
fn a_fork_that_a_person_settled_stays_on_record_and_waits_for_nobody() {
    let (mut north, mut twin, south) = (Edge::new(1), Edge::new(1), Edge::new(2));
    let hub = Hub::new(&north, &south);
    assert_eq!(hub.take(&hub.north, north.write(Compartment::Vitals)), []);
    twin.write(Compartment::Identity);
    assert_eq!(hub.take(&hub.north, twin.write(Compartment::Vitals)), [Verdict::Fork]);
    let counts = |hub: &Hub| {
        let status = hub::status(&hub.conn).unwrap();
        (status.forks, status.forks_open, status.quarantined, status.discarded)
    };
    assert_eq!(counts(&hub), (1, 1, 1, 0));
    let stays = hub::quarantine::retry(&hub.conn, start(), 1, &mut Anything).unwrap_err();
    assert!(matches!(stays, AsideError::NoPlace(1, _)), "{stays}");
    let decision = Decision::new("ana", "the old machine was found and is off").unwrap();
    discard(&hub.conn, start(), 1, &decision).unwrap();
    assert_eq!(counts(&hub), (1, 0, 0, 1));
}
