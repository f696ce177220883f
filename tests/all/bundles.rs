//! What is carried by hand instead of sent: bundles that get lost, come twice, too late, cut short or
//! to the wrong place, beside links that come and go.

mod broken;
mod carried;
mod new_keys;
mod purges;
mod storms;

use replication::ledger::inspect::{StreamWalk, walk};
use replication::streams::{Topic, topic};
use sync_protocol::exchange::HubReply;
use sync_protocol::{Class, EntryId, NodeId, StreamId};
use tests::clinic::Clinic;
use tests::disk::Medium;
use tests::hub::BoxHub;
use vocab::{Compartment, SiteId};

const ALL: usize = usize::MAX;

/// A hub and so many clinics that have joined it and never talked to it.
pub(crate) fn network(clinics: u8, seed: u64) -> (BoxHub, Vec<Clinic>) {
    let mut hub = BoxHub::new(Medium::Memory, seed);
    let clinics = (1..=clinics)
        .map(|byte| {
            let site = SiteId::from_bytes([byte; 16]);
            let clinic = Clinic::new(Medium::Memory, site, seed * 100 + u64::from(byte), hub.key);
            hub.enrol(site, &format!("clinic-{byte}"), clinic.key);
            clinic
        })
        .collect();
    (hub, clinics)
}

/// A device of the clinic sends one reading of the patient with this number, which is accepted.
fn measure(clinic: &mut Clinic, now: u64, number: u64, second: u64) {
    let (minute, second_of) = ((second / 60) % 60, second % 60);
    let value = 60 + second % 40;
    let body = format!(
        r#"{{"batch_id":"b-{number}-{second}","readings":[{{"patient":"p-{number}","code":"8867-4","value":{value},"unit":"/min","time":"2026-01-01T00:{minute:02}:{second_of:02}Z"}}]}}"#,
    );
    let before = clinic.acknowledged.len();
    clinic.receive_batch(now, "bed-1", &body).unwrap();
    assert_eq!(clinic.acknowledged.len(), before + 1);
}

/// A conversation over a link that loses nothing, until neither side has anything to say.
pub(crate) fn talk(hub: &mut BoxHub, clinic: &mut Clinic, now: u64) {
    clinic.dial(now);
    hub.answer(now, clinic.key);
    for step in 0..100_000 {
        let now = now + step;
        let (ops, frames) = {
            let edge = clinic.exchange.as_mut().unwrap();
            edge.timeout(now);
            let ops: Vec<_> = std::iter::from_fn(|| edge.poll_store()).collect();
            (ops, std::iter::from_fn(|| edge.poll_transmit(|_| true)).collect::<Vec<_>>())
        };
        let mut moved = !ops.is_empty() || !frames.is_empty();
        for op in ops {
            let reply = clinic.perform(now, op);
            clinic.exchange.as_mut().unwrap().stored(now, reply);
        }
        moved |= answer(hub, clinic, now, frames);
        let (edge, other) = (clinic.exchange.as_ref().unwrap(), &hub.exchanges[&clinic.key]);
        assert!(edge.closed().is_none(), "{:?}", edge.closed());
        if !moved && edge.is_idle() && other.is_idle() {
            assert_eq!(edge.tally().divergences, 0);
            clinic.exchange = None;
            hub.exchanges.remove(&clinic.key);
            return;
        }
    }
    panic!("they do not come to an end");
}

/// The hub's turn; answers whether anything moved.
fn answer(hub: &mut BoxHub, clinic: &mut Clinic, now: u64, frames: Vec<(Class, Vec<u8>)>) -> bool {
    let key = clinic.key;
    let exchange = hub.exchanges.get_mut(&key).unwrap();
    exchange.timeout(now);
    frames.iter().for_each(|(class, frame)| exchange.receive(now, *class, frame));
    let ops: Vec<_> = std::iter::from_fn(|| exchange.poll_store()).collect();
    let mut moved = !ops.is_empty();
    let replies: Vec<HubReply> =
        ops.into_iter().filter_map(|op| hub.perform(now, key, op).reply).collect();
    let exchange = hub.exchanges.get_mut(&key).unwrap();
    replies.into_iter().for_each(|reply| exchange.stored(now, reply));
    while let Some((class, frame)) = exchange.poll_transmit(|_| true) {
        clinic.exchange.as_mut().unwrap().receive(now, class, &frame);
        moved = true;
    }
    moved
}

/// Count and sum of each stream, and the names in it: what two that hold the same agree on.
fn held(conn: &store::Connection) -> Vec<(StreamId, Vec<EntryId>)> {
    let names = |walk: StreamWalk| {
        assert!(walk.is_whole(), "{:?} is not whole", walk.stream);
        let mut names: Vec<EntryId> = walk.entries.iter().map(|(id, _)| *id).collect();
        names.sort();
        (walk.stream, names)
    };
    let mut all: Vec<_> = walk(conn).unwrap().into_iter().map(names).collect();
    all.retain(|(_, names)| !names.is_empty());
    all.sort();
    all
}

/// What of it was written by others than `me` and is not somebody's consent.
fn shared(conn: &store::Connection) -> Vec<(StreamId, Vec<EntryId>)> {
    let mut all = held(conn);
    all.retain(|(stream, _)| !matches!(topic(stream), Topic::Patient(_, Compartment::Consent)));
    all
}

/// Both ways between a clinic and the hub by bundle, until the clinic has what the hub had.
fn round(hub: &mut BoxHub, clinic: &mut Clinic, now: u64) {
    let up = clinic.export_bundle(now, &[]);
    hub.import_bundle(now, &up, ALL).unwrap();
    let down = hub.export_bundle(now, clinic.key);
    clinic.import_bundle(now, &down, ALL).unwrap();
}

/// Own entries that wait for the hub.
fn pending(clinic: &Clinic) -> u64 {
    replication::edge::status(&clinic.conn).unwrap().pending
}

/// Streams of which a node has not acknowledged everything.
fn behind(hub: &BoxHub, node: NodeId) -> u64 {
    let all = replication::hub::node_statuses(&hub.conn).unwrap();
    all.into_iter().find(|status| status.key == node).unwrap().behind
}
