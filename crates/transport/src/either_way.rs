//! Congestion control for a server that learns only in the handshake what lies between.
//!
//! A client on a narrow link says so in its first message, after the connection's settings were
//! chosen. Both controllers therefore follow the path from its first packet, and the one that suits
//! it is asked.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use quinn::congestion::{Controller, ControllerFactory, CubicConfig};
use quinn_proto::RttEstimator;

use crate::delay_target::DelayTargetConfig;

type Instant = std::time::Instant;

/// Makes an [`EitherWay`] for each path of one connection.
#[derive(Debug, Default)]
pub(crate) struct EitherWayConfig {
    /// Set once the peer has said that its link is narrow.
    pub(crate) narrow: Arc<AtomicBool>,
}

impl ControllerFactory for EitherWayConfig {
    fn build(self: Arc<Self>, now: Instant, current_mtu: u16) -> Box<dyn Controller> {
        Box::new(EitherWay {
            narrow: Arc::clone(&self.narrow),
            for_wide: Arc::new(CubicConfig::default()).build(now, current_mtu),
            for_narrow: Arc::new(DelayTargetConfig).build(now, current_mtu),
        })
    }
}

/// Two controllers of one path.
struct EitherWay {
    narrow: Arc<AtomicBool>,
    for_wide: Box<dyn Controller>,
    for_narrow: Box<dyn Controller>,
}

impl EitherWay {
    fn both(&mut self) -> [&mut dyn Controller; 2] {
        [self.for_wide.as_mut(), self.for_narrow.as_mut()]
    }

    fn suited(&self) -> &dyn Controller {
        if self.narrow.load(Ordering::Relaxed) {
            self.for_narrow.as_ref()
        } else {
            self.for_wide.as_ref()
        }
    }
}

impl Controller for EitherWay {
    fn on_sent(&mut self, now: Instant, bytes: u64, last_packet_number: u64) {
        for controller in self.both() {
            controller.on_sent(now, bytes, last_packet_number);
        }
    }

    fn on_ack(
        &mut self,
        now: Instant,
        sent: Instant,
        bytes: u64,
        app_limited: bool,
        rtt: &RttEstimator,
    ) {
        for controller in self.both() {
            controller.on_ack(now, sent, bytes, app_limited, rtt);
        }
    }

    fn on_end_acks(
        &mut self,
        now: Instant,
        in_flight: u64,
        app_limited: bool,
        largest_packet_num_acked: Option<u64>,
    ) {
        for controller in self.both() {
            controller.on_end_acks(now, in_flight, app_limited, largest_packet_num_acked);
        }
    }

    fn on_congestion_event(
        &mut self,
        now: Instant,
        sent: Instant,
        is_persistent_congestion: bool,
        lost_bytes: u64,
    ) {
        for controller in self.both() {
            controller.on_congestion_event(now, sent, is_persistent_congestion, lost_bytes);
        }
    }

    fn on_mtu_update(&mut self, new_mtu: u16) {
        for controller in self.both() {
            controller.on_mtu_update(new_mtu);
        }
    }

    fn window(&self) -> u64 {
        self.suited().window()
    }

    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Self {
            narrow: Arc::clone(&self.narrow),
            for_wide: self.for_wide.clone_box(),
            for_narrow: self.for_narrow.clone_box(),
        })
    }

    fn initial_window(&self) -> u64 {
        self.suited().initial_window()
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_peer_says_decides_at_any_time() {
        let config = Arc::new(EitherWayConfig::default());
        let now: Instant = tokio::time::Instant::now().into_std();
        let mut controller = Arc::clone(&config).build(now, 1_200);
        let wide = controller.window();
        config.narrow.store(true, Ordering::Relaxed);
        let narrow = controller.window();
        assert!(narrow < wide, "{narrow} {wide}");
        assert_eq!(controller.clone_box().window(), narrow);
        // Loss reaches both.
        controller.on_congestion_event(now, now, true, 1_200);
        assert!(controller.window() < narrow);
        config.narrow.store(false, Ordering::Relaxed);
        assert!(controller.window() < wide);
    }
}
