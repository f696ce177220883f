//! After the replay: the same devices go on, a reading each a second, stamped with the present.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use device_sim::recording::{Reading, Tape};
use device_sim::replay::BadAddress;
use device_sim::{Keys, Plan, Recording, replay};
use jiff::Timestamp;
use tokio::time::{MissedTickBehavior, interval};

use crate::screen::Screen;
use crate::stage::{Stage, StageError};

/// Time between two readings of a device.
const BEAT: Duration = Duration::from_secs(1);

/// Devices that go on: enough to see, and little enough for any machine.
const DEVICES_MAX: usize = 32;

/// How long a device waits for a receipt before it says that there is none.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why it does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LiveError {
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error(transparent)]
    Address(#[from] BadAddress),
}

/// Sends on until it is dropped or one of the programs ends.
pub(crate) async fn go_on(
    stage: &mut Stage,
    recording: &Recording,
    keys: Keys,
    screen: &Screen,
) -> Result<Infallible, LiveError> {
    let node = stage.first.addresses()?.http.parse()?;
    let plan = Plan { patience: PATIENCE, ..Plan::new(node, keys) };
    let mut beats = interval(BEAT);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut number, mut sent) = (0, 0);
    loop {
        beats.tick().await;
        stage.check().await?;
        let time = Timestamp::now();
        let beat = Arc::new(one_beat(recording, number, time));
        let replayed = replay(beat, plan.clone(), |_| {}).await;
        for failure in &replayed.failures {
            screen.say(&failure.to_string());
        }
        number += 1;
        sent += replayed.counts.total();
        screen.note(format!("live: {sent} readings so far; Ctrl-C ends and cleans up"));
    }
}

/// The next reading of each device, as if it were taken now; tapes begin again at their end.
fn one_beat(recording: &Recording, number: usize, time: Timestamp) -> Recording {
    let whole_seconds = Timestamp::from_second(time.as_second()).unwrap_or(time).to_string();
    let tapes = recording.tapes.iter().take(DEVICES_MAX).filter_map(|tape| {
        let reading = tape.readings.get(number % tape.readings.len().max(1))?;
        let reading = Reading { time: whole_seconds.clone().into(), ..reading.clone() };
        Some(Tape { device: Arc::clone(&tape.device), readings: vec![reading] })
    });
    Recording { tapes: tapes.collect(), patients: recording.patients.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beat_is_the_next_reading_of_each_device_at_the_present() {
        let text = "device_id,patient_ref,code,unit,time,value\n\
                    a,p1,8867-4,/min,t,1\na,p1,8867-4,/min,t,2\nb,p2,8867-4,/min,t,3\n";
        let recording = Recording::read(text.as_bytes()).unwrap();
        check(&recording, 0, &["1", "3"]);
        check(&recording, 1, &["2", "3"]);
        check(&recording, 2, &["1", "3"]);
    }

    #[track_caller]
    fn check(recording: &Recording, number: usize, expected: &[&str]) {
        let beat = one_beat(recording, number, "2026-06-12T17:22:00.7Z".parse().unwrap());
        let readings: Vec<_> = beat.tapes.iter().flat_map(|tape| &tape.readings).collect();
        assert!(readings.iter().all(|reading| &*reading.time == "2026-06-12T17:22:00Z"));
        assert_eq!(readings.iter().map(|reading| &*reading.value).collect::<Vec<_>>(), expected);
    }
}
