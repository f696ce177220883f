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
    /// How often somebody was forgotten.
    forgotten: u64,
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

    /// Shows what was stored last where nothing newer is shown, as after a start; `source` says where
    /// an author is, and `open` whether there are readings that no segment holds yet. Nothing arrives
    /// by this.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn refill(
        &self,
        conn: &Connection,
        open: bool,
        mut source: impl FnMut(&NodeId) -> Result<Source, StoreError>,
    ) -> Result<(), StoreError> {
        // Taken before the first question, and so before the state that `conn` sees.
        let forgotten = self.lock().forgotten;
        let mut stored = Vec::new();
        let segments = newest_of_kind(conn, FactKind::Segment.number(), SEGMENTS_REFILLED)?;
        for entry in segments.into_iter().rev() {
            let Topic::Patient(patient, Compartment::Vitals) = topic(&entry.stream) else {
                continue;
            };
            let Ok(segment) = segment::decode(&entry.payload) else { continue };
            let (device, source) = (segment.device, source(&entry.origin)?);
            stored.extend(segment.readings.into_iter().map(|reading| Shown {
                patient,
                device: device.clone(),
                reading,
                source,
            }));
        }
        if open {
            vitals::tail::for_each_open(conn, |device, patient, reading| {
                let (device, reading) = (device.clone(), reading.clone());
                stored.push(Shown { patient, device, reading, source: Source::Here });
                Ok::<_, StoreError>(())
            })?;
        }
        let mut state = self.lock();
        // Somebody was forgotten meanwhile, who may still be among these: the next time.
        if state.forgotten == forgotten {
            stored.into_iter().for_each(|shown| state.fill(shown));
        }
        Ok(())
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
        state.forgotten += 1;
        state.latest.retain(|_, (_, shown)| stays(shown));
        state.recent.retain(stays);
    }

    /// Forgets everything about a patient: it was erased.
    pub fn erase(&self, patient: PatientId) {
        let mut state = self.lock();
        state.forgotten += 1;
        state.latest.retain(|_, (_, shown)| shown.patient != patient);
        state.recent.retain(|shown| shown.patient != patient);
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
    /// Keeps a stored value, unless one of the same moment or a later one is shown.
    fn fill(&mut self, shown: Shown) {
        let key = (shown.patient, shown.device.clone(), shown.reading.code);
        let newer =
            self.latest.get(&key).is_none_or(|(_, known)| known.reading.time < shown.reading.time);
        if newer {
            self.counter += 1;
            self.latest.insert(key, (self.counter, shown));
            if self.latest.len() > SERIES_MAX {
                self.drop_oldest();
            }
        }
    }

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

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(patient: u8, at: &str, source: Source) -> Shown {
        let reading = SealedReading {
            code: "8867-4".parse().unwrap(),
            unit: vitals::unit_text::UnitText::new("/min").unwrap(),
            time: at.parse().unwrap(),
            value: vitals::value::SentValue::parse("71").unwrap(),
            sequence: None,
            received: at.parse().unwrap(),
        };
        let (patient, device) = (PatientId::from_bytes([patient; 16]), "mon".parse().unwrap());
        Shown { patient, device, reading, source }
    }

    #[test]
    fn what_is_filled_in_is_no_arrival_and_hides_nothing_newer() {
        let board = Board::default();
        board.lock().show(shown(1, "2026-06-12T17:23:00Z", Source::Elsewhere));
        for at in ["2026-06-12T17:22:00Z", "2026-06-12T17:23:00Z"] {
            board.lock().fill(shown(1, at, Source::Here));
        }
        board.lock().fill(shown(2, "2026-06-12T17:22:00Z", Source::Here));
        assert_eq!(board.recent().len(), 1);
        let latest = board.latest();
        assert_eq!(latest.len(), 2);
        assert!(latest.iter().any(|shown| shown.source == Source::Elsewhere));
    }

    #[test]
    fn who_is_forgotten_is_shown_with_own_values_only() {
        let board = Board::default();
        for (patient, source) in [(1, Source::Elsewhere), (2, Source::Elsewhere), (3, Source::Here)]
        {
            board.lock().show(shown(patient, "2026-06-12T17:22:00Z", source));
        }
        for patient in [1, 3] {
            board.forget(PatientId::from_bytes([patient; 16]));
        }
        let mut left: Vec<_> =
            board.latest().iter().map(|shown| shown.patient.bytes()[0]).collect();
        left.sort_unstable();
        assert_eq!(left, [2, 3]);
        assert_eq!(board.recent().len(), 2);
    }
}
