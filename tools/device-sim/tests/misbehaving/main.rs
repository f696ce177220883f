//! Devices against a node that misbehaves.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod node;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use device_sim::replay::DeviceError;
use device_sim::{Faults, Keys, Plan, Recording, Replay, replay};
use tokio::time::Instant;

use node::{Mood, Node};

/// `devices` devices with `rows` readings each; every tenth repeats the one before it.
fn recording(devices: usize, rows: usize) -> Arc<Recording> {
    let mut text = "device_id,patient_ref,code,unit,time,value\n".to_owned();
    for row in 0..rows {
        let value = if row % 10 == 9 { row - 1 } else { row };
        for device in 0..devices {
            text.push_str(&format!("mon-{device},p{device},8867-4,/min,T{value},{value}\n"));
        }
    }
    Arc::new(Recording::read(text.as_bytes()).unwrap())
}

fn keys(devices: usize) -> Keys {
    let lines: String = (0..devices).map(|device| format!("mon-{device},key-{device}\n")).collect();
    Keys::parse(&format!("device_id,key\n{lines}")).unwrap()
}

fn plan(node: &Node) -> Plan {
    let address = format!("http://{}", node.address()).parse().unwrap();
    Plan { batch_readings: 10, ..Plan::new(address, keys(6)) }
}

/// What must hold whatever happened on the way.
#[track_caller]
fn check_complete(replayed: &Replay, node: &Node) {
    let failures: Vec<String> = replayed.failures.iter().map(ToString::to_string).collect();
    assert!(replayed.is_complete(), "{failures:?}");
    assert_eq!(replayed.sent, 6 * 50);
    assert_eq!(replayed.counts.duplicate, 6 * 5, "repeats of the recording, nothing else");
    assert_eq!(replayed.counts.accepted, 6 * 45);
    assert_eq!(replayed.transport.receipts, replayed.batches);
    assert_eq!(node.stored(), 6 * 45, "the node holds each reading once");
}

#[tokio::test]
async fn a_quiet_replay_sends_each_batch_once_and_in_order() {
    let node = Node::start(Mood::default()).await;
    let told = Arc::new(AtomicUsize::new(0));
    let progress = Arc::clone(&told);
    let replayed = replay(recording(6, 50), plan(&node), move |readings| {
        progress.fetch_add(readings, Ordering::Relaxed);
    })
    .await;
    check_complete(&replayed, &node);
    assert_eq!(told.load(Ordering::Relaxed), 300);
    assert_eq!(node.requests(), 30);
    assert!(node.is_in_order());
    assert_eq!(replayed.transport.retries, 0);
    assert!(node.connections() <= 6, "connections are kept: {}", node.connections());
}

#[tokio::test]
async fn faults_on_demand_change_no_count() {
    let node = Node::start(Mood::default()).await;
    let faults = Faults {
        duplicate: 0.3,
        reorder: 0.3,
        corrupt: 0.3,
        drop: 0.3,
        delay: Duration::from_millis(3),
        seed: 7,
    };
    let replayed = replay(recording(6, 50), Plan { faults, ..plan(&node) }, |_| {}).await;
    check_complete(&replayed, &node);
    assert!(replayed.transport.corrupted > 0 && replayed.transport.resent > 0);
    assert_eq!(node.corruptions(), replayed.transport.corrupted);
    assert!(!node.is_in_order(), "some batches were to go out late");
}

#[tokio::test]
async fn a_node_that_breaks_and_refuses_for_a_while_gets_everything() {
    let mood = Mood { breaks: 3, loses_answers: 4, is_full: 5, flips: 7, ..Mood::default() };
    let node = Node::start(mood).await;
    let replayed = replay(recording(6, 50), plan(&node), |_| {}).await;
    check_complete(&replayed, &node);
    assert!(replayed.transport.retries > 10, "{}", replayed.transport.retries);
}

#[tokio::test]
async fn a_busy_node_is_asked_again_when_it_said() {
    let node = Node::start(Mood { is_busy: 2, ..Mood::default() }).await;
    let started = Instant::now();
    let replayed = replay(recording(1, 10), plan(&node), |_| {}).await;
    assert!(replayed.is_complete());
    let waited = started.elapsed();
    assert!(waited >= Duration::from_secs(1), "Retry-After was one second, waited {waited:?}");
    assert_eq!(replayed.transport.retries, 1);
}

#[tokio::test]
async fn a_node_that_is_not_there_yet_is_waited_for() {
    let node = Node::start(Mood::default()).await;
    let (address, plan) = (node.address(), plan(&node));
    let state = node.stop().await;
    let replaying = tokio::spawn(replay(recording(6, 50), plan, |_| {}));
    tokio::time::sleep(Duration::from_millis(200)).await;
    let node = Node::start_at(address, state).await;
    check_complete(&replaying.await.unwrap(), &node);
}

#[tokio::test]
async fn what_cannot_succeed_ends_with_its_reason() {
    let failure = |mood, plan_of: fn(Plan) -> Plan| async move {
        let node = Node::start(mood).await;
        let mut replayed = replay(recording(1, 10), plan_of(plan(&node)), |_| {}).await;
        assert!(!replayed.is_complete());
        replayed.failures.remove(0)
    };
    let wrong_key = |plan| Plan { keys: Keys::parse("device_id,key\nmon-0,x\n").unwrap(), ..plan };
    let error = failure(Mood::default(), wrong_key).await;
    assert!(matches!(error, DeviceError::Refused { status: 401, .. }), "{error}");
    assert!(error.to_string().ends_with("refused with 401 (unknown device or key)"), "{error}");

    let no_key = |plan| Plan { keys: Keys::default(), ..plan };
    assert!(matches!(failure(Mood::default(), no_key).await, DeviceError::NoKey { .. }));

    let hasty = |plan| Plan { patience: Duration::from_millis(100), ..plan };
    let error = failure(Mood { is_full: 1, ..Mood::default() }, hasty).await;
    assert!(error.to_string().ends_with("within 0 s, at last: status 503"), "{error}");

    let error = failure(Mood { invents: true, ..Mood::default() }, |plan| plan).await;
    assert!(matches!(error, DeviceError::NotAReceipt { .. }), "{error}");

    let repeats = |plan| Plan { faults: Faults { duplicate: 1.0, ..Faults::default() }, ..plan };
    let error = failure(Mood { forgets: true, ..Mood::default() }, repeats).await;
    assert!(matches!(error, DeviceError::ReceiptChanged { .. }), "{error}");

    let corrupts = |plan| Plan { faults: Faults { corrupt: 1.0, ..Faults::default() }, ..plan };
    let error = failure(Mood { is_careless: true, ..Mood::default() }, corrupts).await;
    assert!(matches!(error, DeviceError::CorruptionTaken { .. }), "{error}");
}

#[tokio::test]
async fn a_pace_spreads_the_replay() {
    let node = Node::start(Mood::default()).await;
    let started = Instant::now();
    let slow = Plan { readings_per_second: Some(500.0), ..plan(&node) };
    check_complete(&replay(recording(6, 50), slow, |_| {}).await, &node);
    assert!(started.elapsed() >= Duration::from_millis(580), "{:?}", started.elapsed());
}
