//! A link that loses, repeats, delays and reorders frames as it is told to.

use std::collections::BTreeMap;

use sync_protocol::Class;
use sync_protocol::exchange::Now;

use crate::dice::Dice;

/// How bad the link is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Weather {
    pub(crate) loss_percent: u64,
    pub(crate) twice_percent: u64,
    /// Whether frames of one lane may overtake each other; frames of different lanes always may.
    pub(crate) reorders: bool,
    pub(crate) delay_ms_max: u64,
}

impl Weather {
    /// In order within a lane, a little delayed, nothing lost: what a connection gives.
    pub(crate) const FAIR: Self =
        Self { loss_percent: 0, twice_percent: 0, reorders: false, delay_ms_max: 40 };
}

/// One direction.
#[derive(Debug, Default)]
pub(crate) struct Link {
    /// By arrival; the number keeps frames of one instant apart.
    on_way: BTreeMap<(Now, u64), (Class, Vec<u8>)>,
    sent: u64,
    last_arrival: [Now; Class::COUNT],
    /// Every frame that was ever sent, for replaying.
    pub(crate) captured: Vec<(Class, Vec<u8>)>,
}

impl Link {
    pub(crate) fn send(
        &mut self,
        dice: &mut Dice,
        weather: Weather,
        now: Now,
        (class, frame): (Class, Vec<u8>),
    ) {
        self.captured.push((class, frame.clone()));
        let copies = 1 + usize::from(dice.percent(weather.twice_percent));
        for _ in 0..copies {
            self.sent += 1;
            if dice.percent(weather.loss_percent) {
                continue;
            }
            let mut at = now + 1 + dice.below(weather.delay_ms_max + 1);
            if !weather.reorders {
                at = at.max(self.last_arrival[class.index()]);
                self.last_arrival[class.index()] = at;
            }
            self.on_way.insert((at, self.sent), (class, frame.clone()));
        }
    }

    pub(crate) fn next_arrival(&self) -> Option<Now> {
        self.on_way.keys().next().map(|(at, _)| *at)
    }

    pub(crate) fn arrived(&mut self, now: Now) -> Option<(Class, Vec<u8>)> {
        let first = self.on_way.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }
}
