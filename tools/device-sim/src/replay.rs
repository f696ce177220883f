//! A replay of a whole recording: several devices at once, each on a connection of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use crate::batch::{self, BATCH_READINGS};
use crate::connection::Connection;
use crate::device::Device;
use crate::faults::Faults;
use crate::keys::Keys;
use crate::outcome::{Counts, Outcome};
use crate::pace::Pace;
use crate::recording::Recording;

pub use crate::connection::{BadAddress, LinkError, NodeAddress};
pub use crate::device::{DeviceError, Trouble};

/// Devices that send at the same time unless told otherwise.
pub const DEVICES_AT_ONCE: usize = 8;

/// How long a batch is sent again and again unless told otherwise: a clinic's server that is
/// started anew after a power cut is back well before.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// How a recording is replayed.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to.
    pub node: NodeAddress,
    /// The devices' keys.
    pub keys: Keys,
    /// Readings in a batch, 1 to [`batch::BATCH_READINGS_MAX`].
    pub batch_readings: usize,
    /// Devices that send at the same time, at least 1.
    pub devices_at_once: usize,
    /// What goes wrong on purpose.
    pub faults: Faults,
    /// How long a batch may be without a receipt before its device gives up.
    pub patience: Duration,
    /// Readings a second of all devices together; `None` is as fast as the node answers.
    pub readings_per_second: Option<f64>,
}

impl Plan {
    /// A plan with batches, devices at once and patience as usual, and without faults.
    #[must_use]
    pub fn new(node: NodeAddress, keys: Keys) -> Self {
        Self {
            node,
            keys,
            batch_readings: BATCH_READINGS,
            devices_at_once: DEVICES_AT_ONCE,
            faults: Faults::default(),
            patience: PATIENCE,
            readings_per_second: None,
        }
    }
}

/// What happened on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transport {
    /// Batches that have a receipt.
    pub receipts: u64,
    /// Requests made again because there was no receipt.
    pub retries: u64,
    /// Requests sent with a flipped bit.
    pub corrupted: u64,
    /// Batches sent again although there was a receipt.
    pub resent: u64,
    /// Bytes of all request bodies.
    pub bytes: u64,
}

impl Transport {
    fn add(&mut self, other: &Self) {
        self.receipts += other.receipts;
        self.retries += other.retries;
        self.corrupted += other.corrupted;
        self.resent += other.resent;
        self.bytes += other.bytes;
    }
}

/// How a replay ended.
#[derive(Debug, Default)]
pub struct Replay {
    /// Readings in the recording.
    pub sent: u64,
    /// Batches that the recording gives.
    pub batches: u64,
    /// Outcomes of readings, each batch counted once however often it was sent.
    pub counts: Counts,
    /// The requests.
    pub transport: Transport,
    /// For each tape of the recording the outcome of each of its readings; `None` where there is
    /// no receipt.
    pub outcomes: Vec<Vec<Option<Outcome>>>,
    /// Devices that stopped before their last batch.
    pub failures: Vec<DeviceError>,
}

impl Replay {
    /// Whether every batch has a receipt.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.failures.is_empty() && self.counts.total() == self.sent
    }
}

/// Replays `recording`; `progress` is told how many readings got their outcome, batch by batch.
///
/// Ends when every device has sent its last batch or given up. Dropping the future stops it.
pub async fn replay(
    recording: Arc<Recording>,
    plan: Plan,
    progress: impl Fn(usize) + Send + Sync + 'static,
) -> Replay {
    let stage = Arc::new(Stage {
        pace: Pace::new(plan.readings_per_second),
        next: AtomicUsize::new(0),
        progress: Box::new(progress),
        recording,
        plan,
    });
    let mut result = empty(&stage);
    let mut places = JoinSet::new();
    for _ in 0..stage.plan.devices_at_once.clamp(1, stage.recording.tapes.len().max(1)) {
        places.spawn(play_tapes(Arc::clone(&stage)));
    }
    while let Some(ended) = places.join_next().await {
        match ended {
            Ok(played) => played.into_iter().for_each(|one| result.add(one)),
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => {}
        }
    }
    result.counts = result.outcomes.iter().flatten().copied().flatten().collect();
    result
}

/// What the devices share.
struct Stage {
    recording: Arc<Recording>,
    plan: Plan,
    pace: Pace,
    /// The tape that nobody plays yet.
    next: AtomicUsize,
    progress: Box<dyn Fn(usize) + Send + Sync>,
}

/// A tape that was played, to its end or not.
struct Played {
    tape: usize,
    outcomes: Vec<Option<Outcome>>,
    transport: Transport,
    failure: Option<DeviceError>,
}

fn empty(stage: &Stage) -> Replay {
    let tapes = &stage.recording.tapes;
    let batches: usize =
        tapes.iter().map(|tape| batch::count(tape, stage.plan.batch_readings)).sum();
    Replay {
        sent: u64::try_from(stage.recording.readings()).unwrap_or(u64::MAX),
        batches: u64::try_from(batches).unwrap_or(u64::MAX),
        outcomes: tapes.iter().map(|tape| vec![None; tape.readings.len()]).collect(),
        ..Replay::default()
    }
}

impl Replay {
    fn add(&mut self, played: Played) {
        self.transport.add(&played.transport);
        self.failures.extend(played.failure);
        if let Some(outcomes) = self.outcomes.get_mut(played.tape) {
            *outcomes = played.outcomes;
        }
    }
}

/// Plays one tape after the other until none is left.
async fn play_tapes(stage: Arc<Stage>) -> Vec<Played> {
    let mut connection = Connection::new(stage.plan.node.clone());
    let mut played = Vec::new();
    loop {
        let number = stage.next.fetch_add(1, Ordering::Relaxed);
        let Some(tape) = stage.recording.tapes.get(number) else { return played };
        let mut outcomes = vec![None; tape.readings.len()];
        let mut transport = Transport::default();
        let mut receipts = 0;
        let mut device =
            Device { tape, plan: &stage.plan, pace: &stage.pace, connection: &mut connection };
        let ended = device.play(&mut transport, |batch, told| {
            receipts += 1;
            let places = outcomes.get_mut(batch.places.clone()).unwrap_or_default();
            places.iter_mut().zip(told).for_each(|(place, outcome)| *place = Some(*outcome));
            (stage.progress)(told.len());
        });
        let failure = ended.await.err();
        transport.receipts = receipts;
        played.push(Played { tape: number, outcomes, transport, failure });
    }
}
