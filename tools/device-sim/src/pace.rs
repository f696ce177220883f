//! Spreads a replay over time: all devices together send so many readings a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// When the next batch may go out.
pub(crate) struct Pace {
    started: Instant,
    sent: AtomicU64,
    /// Readings a second; `None` is as fast as the node answers.
    rate: Option<f64>,
}

impl Pace {
    pub(crate) fn new(rate: Option<f64>) -> Self {
        let rate = rate.filter(|rate| *rate > 0.0);
        Self { started: Instant::now(), sent: AtomicU64::new(0), rate }
    }

    /// Waits until the readings before these have had their time.
    pub(crate) async fn admit(&self, readings: usize) {
        let readings = u64::try_from(readings).unwrap_or(u64::MAX);
        let before = self.sent.fetch_add(readings, Ordering::Relaxed);
        if let Some(due) = self.rate.and_then(|rate| due(before, rate)) {
            sleep_until(self.started + due).await;
        }
    }
}

fn due(before: u64, rate: f64) -> Option<Duration> {
    // A recording has millions of readings at most, which a u32 holds.
    let before = f64::from(u32::try_from(before).unwrap_or(u32::MAX));
    Duration::try_from_secs_f64(before / rate).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_are_due_at_the_rate() {
        assert_eq!(due(0, 100.0), Some(Duration::ZERO));
        assert_eq!(due(250, 100.0), Some(Duration::from_millis(2_500)));
    }
}
