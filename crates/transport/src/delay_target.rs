//! Congestion control for narrow links: send as fast as the link drains, and no faster.
//!
//! A modem or base station queues whatever it is given, so a controller that waits for loss fills
//! seconds of queue and an urgent frame stands behind all of it. This one watches how much longer
//! than the shortest round trip the packets of a round took, and steers that to [`TARGET`]. Loss on
//! a radio link says little about congestion, so it costs little here.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use quinn::congestion::{Controller, ControllerFactory};
use quinn_proto::RttEstimator;

type Instant = std::time::Instant;

/// How long our own packets may wait in front of the slow link. A packet of 1,200 bytes alone takes
/// 150 ms at 64 kbit/s, so much less would leave the link idle between two packets.
pub const TARGET: Duration = Duration::from_millis(250);

/// Packets in flight before anything is known of the link: 600 ms at 64 kbit/s.
const FIRST_PACKETS: u64 = 4;

/// Packets that may always be in flight, so that a lost one is noticed by what follows it.
const LEAST_PACKETS: u64 = 2;

/// The shortest round trip is forgotten after twice this, in case the path has become longer.
const SHORTEST_KEPT: Duration = Duration::from_secs(120);

/// Makes a [`DelayTarget`] for each path.
#[derive(Clone, Copy, Debug, Default)]
pub struct DelayTargetConfig;

impl ControllerFactory for DelayTargetConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(DelayTarget::new(now, current_mtu.into()))
    }
}

/// The state of one path.
#[derive(Clone, Debug)]
pub struct DelayTarget {
    window_bytes: u64,
    datagram_bytes: u64,
    /// No sign of a queue yet: the window grows by what is acknowledged.
    starting: bool,
    /// Packets sent from here on belong to the next round.
    round_began: Instant,
    /// The least delayed packet of this round: a late one alone is jitter.
    round_shortest: Option<Duration>,
    /// Shortest round trips of this period and the one before.
    shortest: [Duration; 2],
    period_began: Instant,
}

impl DelayTarget {
    fn new(now: Instant, datagram_bytes: u64) -> Self {
        Self {
            window_bytes: FIRST_PACKETS * datagram_bytes,
            datagram_bytes,
            starting: true,
            round_began: now,
            round_shortest: None,
            shortest: [Duration::MAX; 2],
            period_began: now,
        }
    }

    /// A packet sent at `sent` was acknowledged at `now`.
    fn acknowledged(&mut self, now: Instant, sent: Instant, bytes: u64, app_limited: bool) {
        let trip = now.saturating_duration_since(sent);
        let queued = trip.saturating_sub(self.shortest_trip(now, trip));
        self.round_shortest = Some(self.round_shortest.map_or(queued, |least| least.min(queued)));

        if self.starting && !app_limited {
            self.window_bytes += bytes;
            self.starting = queued < TARGET / 2;
        }
        if sent >= self.round_began {
            self.end_round(now, app_limited);
        }
    }

    /// Steers once per round trip: down in proportion to the excess, at most to 70 %; up by one
    /// packet.
    fn end_round(&mut self, now: Instant, app_limited: bool) {
        let queued = self.round_shortest.take().unwrap_or_default();
        self.round_began = now;
        if queued > TARGET {
            self.starting = false;
            let percent = (TARGET.as_millis() * 100 / queued.as_millis().max(1)).max(70);
            self.shrink(u64::try_from(percent).unwrap_or(70));
        } else if !self.starting && !app_limited {
            self.window_bytes += self.datagram_bytes;
        }
    }

    fn shrink(&mut self, percent: u64) {
        let least = LEAST_PACKETS * self.datagram_bytes;
        self.window_bytes = (self.window_bytes * percent / 100).max(least);
    }

    fn shortest_trip(&mut self, now: Instant, trip: Duration) -> Duration {
        let [current, before] = self.shortest;
        self.shortest = if now.saturating_duration_since(self.period_began) > SHORTEST_KEPT {
            self.period_began = now;
            [trip, current]
        } else {
            [current.min(trip), before]
        };
        let [current, before] = self.shortest;
        current.min(before)
    }
}

impl Controller for DelayTarget {
    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        _rtt: &RttEstimator,
    ) {
        self.acknowledged(now, sent, bytes, app_limited);
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        _lost_bytes: u64,
    ) {
        self.starting = false;
        if is_persistent_congestion {
            self.shrink(0);
        } else if sent >= self.round_began {
            self.round_began = now;
            self.round_shortest = None;
            self.shrink(85);
        }
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        self.datagram_bytes = new_mtu.into();
        self.shrink(100);
    }

    fn window(&self) -> u64 {
        self.window_bytes
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(self.clone())
    }

    fn initial_window(&self) -> u64 {
        FIRST_PACKETS * self.datagram_bytes
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const DATAGRAM: u64 = 1_200;

    /// What a sender with endless data saw on a link after the first ten seconds.
    #[derive(Debug)]
    struct Seen {
        longest_queue: Duration,
        busy_percent: u128,
    }

    /// Sends for 60 s over a link with an endless queue, every `lost_every`-th packet lost.
    fn run(bits_per_second: u64, round_trip: Duration, lost_every: u64) -> Seen {
        let start: Instant = tokio::time::Instant::now().into_std();
        let at = |since: Duration| start + since;
        let serial = Duration::from_nanos(DATAGRAM * 8 * 1_000_000_000 / bits_per_second);
        let mut controller = DelayTarget::new(start, DATAGRAM);
        // (answer arrives, sent, lost)
        let mut flying: VecDeque<(Duration, Duration, bool)> = VecDeque::new();
        let (mut now, mut link_free, mut busy) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let (mut longest_queue, mut count) = (Duration::ZERO, 0);
        while now < Duration::from_secs(60) {
            while (flying.len() as u64 + 1) * DATAGRAM <= controller.window() {
                let departs = link_free.max(now);
                if now > Duration::from_secs(10) {
                    longest_queue = longest_queue.max(departs - now);
                    busy += serial;
                }
                link_free = departs + serial;
                count += 1;
                let lost = lost_every > 0 && count % lost_every == 0;
                flying.push_back((link_free + round_trip, now, lost));
            }
            let (answered, sent, lost) = flying.pop_front().unwrap();
            now = answered;
            if lost {
                controller.on_congestion_event(at(now), at(sent), false, DATAGRAM);
            } else {
                controller.acknowledged(at(now), at(sent), DATAGRAM, false);
            }
        }
        Seen { longest_queue, busy_percent: busy.as_millis() * 100 / 50_000 }
    }

    #[test]
    fn a_slow_link_is_kept_busy_with_a_short_queue() {
        check(64_000, 600, 0, 90);
        check(64_000, 100, 0, 90);
        check(256_000, 600, 0, 90);
        check(1_000_000, 300, 0, 90);
        check(64_000, 600, 20, 85);
        check(256_000, 600, 20, 50);
    }

    #[track_caller]
    fn check(bits_per_second: u64, round_trip_ms: u64, lost_every: u64, least_percent: u128) {
        let seen = run(bits_per_second, Duration::from_millis(round_trip_ms), lost_every);
        assert!(seen.longest_queue <= TARGET * 2, "{seen:?}");
        assert!(seen.busy_percent >= least_percent, "{seen:?}");
    }

    #[test]
    fn a_longer_path_is_not_mistaken_for_a_queue_for_ever() {
        let start: Instant = tokio::time::Instant::now().into_std();
        let mut controller = DelayTarget::new(start, DATAGRAM);
        let mut now = start;
        let mut steps = |controller: &mut DelayTarget, trip: Duration, count: u32| {
            for _ in 0..count {
                let sent = now;
                now += trip;
                controller.acknowledged(now, sent, DATAGRAM, false);
            }
        };
        steps(&mut controller, Duration::from_millis(100), 50);
        let before = controller.window();
        steps(&mut controller, Duration::from_secs(1), 100);
        assert!(controller.window() < before);
        steps(&mut controller, Duration::from_secs(1), 400);
        assert!(controller.window() > before);
    }

    #[test]
    fn silence_leaves_a_probe() {
        let start: Instant = tokio::time::Instant::now().into_std();
        let mut controller = DelayTarget::new(start, DATAGRAM);
        controller.on_congestion_event(start, start, true, DATAGRAM);
        assert_eq!(controller.window(), LEAST_PACKETS * DATAGRAM);
    }
}
