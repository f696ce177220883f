//! The latest values, in memory: what screens here and at the hub show before a segment is sealed.
//!
//! Nothing here is stored or promised; after a start the board is filled with what was stored last.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use replication::ledger::newest_of_kind;
use replication::streams::{Topic, patient_stream, topic};
use store::{Connection, StoreError};
use sync_protocol::NodeId;
use sync_protocol::limits::LIVE_BYTES_MAX;
use sync_protocol::message::Live;
use vitals::reading::SealedReading;
use vitals::segment;
use vocab::{Compartment, DeviceName, FactKind, PatientId, SiteId};

/// Series kept: 500 patients with 8 signs each. The oldest make room.
const SERIES_MAX: usize = 4_000;

/// Segments looked at when the board is filled: a thousand readings each, within a second.
const SEGMENTS_REFILLED: u32 = 200;

/// Readings in the list of what arrives.
const RECENT_MAX: usize = 50;

/// Readings in one live message; a dozen signs of a monitor and some more.
const LIVE_READINGS_MAX: usize = 20;

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A device of this clinic.
    Here,
    /// This clinic, as the hub sees it.
    Site(SiteId),
    /// Another clinic, by way of the hub.
    Elsewhere,
}

/// One value on the board.
#[derive(Clone, Debug)]
pub struct Shown {
    /// Whose.
    pub patient: PatientId,
    /// From which device.
    pub device: DeviceName,
    /// The reading.
    pub reading: SealedReading,
    /// From here or which clinic.
    pub source: Source,
}

#[derive(Debug, Default)]
struct State {
    latest: BTreeMap<(PatientId, DeviceName, vitals::code::LoincCode), (u64, Shown)>,
    recent: VecDeque<Shown>,
    unsent: BTreeMap<(PatientId, DeviceName), Vec<SealedReading>>,
    counter: u64,
}

/// The latest values.
#[derive(Debug, Default)]
pub struct Board(Mutex<State>);

impl Board {
    /// Readings of a device here were stored.
    pub fn arrived(&self, device: &DeviceName, readings: &[(PatientId, SealedReading)]) {
        let mut state = self.lock();
        for (patient, reading) in readings {
            let shown = Shown {
                patient: *patient,
                device: device.clone(),
                reading: reading.clone(),
                source: Source::Here,
            };
            state.show(shown);
        }
        // Of each batch only the newest values matter to a screen.
        for (patient, reading) in readings.iter().rev().take(LIVE_READINGS_MAX) {
            let waiting = state.unsent.entry((*patient, device.clone())).or_default();
            waiting.retain(|known| known.code != reading.code || known.time > reading.time);
            if waiting.len() < LIVE_READINGS_MAX
                && waiting.iter().all(|known| known.code != reading.code)
            {
                waiting.push(reading.clone());
            }
        }
    }

    /// Shows what was stored last, as after a start; `source` says where an author is.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn refill(
        &self,
        conn: &Connection,
        mut source: impl FnMut(&NodeId) -> Result<Source, StoreError>,
    ) -> Result<(), StoreError> {
        let kind = FactKind::Segment.number();
        let stored = newest_of_kind(conn, kind, SEGMENTS_REFILLED)?;
        for entry in stored.into_iter().rev() {
            let Topic::Patient(patient, Compartment::Vitals) = topic(&entry.stream) else {
                continue;
            };
            let Ok(segment) = segment::decode(&entry.payload) else { continue };
            let (device, source) = (segment.device, source(&entry.origin)?);
            let mut state = self.lock();
            for reading in segment.readings {
                state.show(Shown { patient, device: device.clone(), reading, source });
            }
        }
        Ok(())
    }

    /// As [`refill`](Self::refill), for what no segment holds yet.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn refill_open(&self, conn: &Connection) -> Result<(), StoreError> {
        vitals::tail::for_each_open(conn, |device, patient, reading| {
            let (device, reading) = (device.clone(), reading.clone());
            self.lock().show(Shown { patient, device, reading, source: Source::Here });
            Ok(())
        })
    }

    /// Latest values of another clinic arrived; what cannot be read is dropped.
    pub fn arrived_live(&self, source: Source, live: &Live) {
        let Topic::Patient(patient, Compartment::Vitals) = topic(&live.stream) else { return };
        let Ok(segment) = segment::decode(&live.values) else { return };
        let mut state = self.lock();
        for reading in segment.readings.into_iter().take(LIVE_READINGS_MAX) {
            let device = segment.device.clone();
            state.show(Shown { patient, device, reading, source });
        }
    }

    /// What was not yet sent to other screens.
    pub fn take_unsent(&self) -> Vec<Live> {
        let unsent = std::mem::take(&mut self.lock().unsent);
        unsent
            .into_iter()
            .filter_map(|((patient, device), readings)| {
                let values = segment::encode(&device, &readings).ok()?;
                let stream = patient_stream(patient, Compartment::Vitals);
                (values.len() <= LIVE_BYTES_MAX).then_some(Live { stream, values })
            })
            .collect()
    }

    /// The latest value of each series, the newest arrival first.
    pub fn latest(&self) -> Vec<Shown> {
        let state = self.lock();
        let mut all: Vec<&(u64, Shown)> = state.latest.values().collect();
        all.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        all.into_iter().map(|(_, shown)| shown.clone()).collect()
    }

    /// Forgets what came from elsewhere about a patient: this program may no longer show it.
    pub fn forget(&self, patient: PatientId) {
        let stays = |shown: &Shown| shown.patient != patient || shown.source != Source::Elsewhere;
        let mut state = self.lock();
        state.latest.retain(|_, (_, shown)| stays(shown));
        state.recent.retain(stays);
    }

    /// What arrived last, the newest first.
    pub fn recent(&self) -> Vec<Shown> {
        self.lock().recent.iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn show(&mut self, shown: Shown) {
        self.counter += 1;
        let key = (shown.patient, shown.device.clone(), shown.reading.code);
        let newer =
            self.latest.get(&key).is_none_or(|(_, known)| known.reading.time <= shown.reading.time);
        if newer {
            self.latest.insert(key, (self.counter, shown.clone()));
            if self.latest.len() > SERIES_MAX {
                self.drop_oldest();
            }
        }
        self.recent.push_front(shown);
        self.recent.truncate(RECENT_MAX);
    }

    fn drop_oldest(&mut self) {
        let oldest = self.latest.iter().min_by_key(|(_, (at, _))| *at).map(|(key, _)| key.clone());
        if let Some(oldest) = oldest {
            self.latest.remove(&oldest);
        }
    }
}
