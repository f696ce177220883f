//! A network that loses, repeats, delays and reorders frames.

use std::collections::BTreeMap;

use sync_protocol::Class;

/// What a link does to frames. Probabilities in percent.
#[derive(Clone, Copy, Debug)]
pub struct Weather {
    /// A frame is lost.
    pub loss: u64,
    /// A frame arrives twice.
    pub repeat: u64,
    /// Longest delay in milliseconds; frames with different delays overtake each other.
    pub delay_ms_max: u64,
}

impl Weather {
    /// A link that does its work.
    pub const FAIR: Self = Self { loss: 0, repeat: 0, delay_ms_max: 20 };
}

/// Pseudo-random numbers from a seed (splitmix64), the same on every machine.
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.roll() % bound.max(1)
    }

    /// Whether something with this probability happens.
    pub fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// Frames on their way in one direction.
#[derive(Debug, Default)]
pub struct Wire {
    frames: BTreeMap<(u64, u64), (Class, Vec<u8>)>,
    sent: u64,
}

impl Wire {
    /// Puts a frame on its way; answers how often it will arrive.
    pub fn send(
        &mut self,
        now: u64,
        weather: Weather,
        dice: &mut Dice,
        class: Class,
        frame: &[u8],
    ) -> u64 {
        let copies = match (dice.percent(weather.loss), dice.percent(weather.repeat)) {
            (true, _) => 0,
            (false, true) => 2,
            (false, false) => 1,
        };
        for _ in 0..copies {
            let at = now + 1 + dice.below(weather.delay_ms_max.max(1));
            self.put(at, class, frame.to_vec());
        }
        copies
    }

    /// Lets a frame arrive at a time.
    pub fn put(&mut self, at: u64, class: Class, frame: Vec<u8>) {
        self.sent += 1;
        self.frames.insert((at, self.sent), (class, frame));
    }

    /// The next frame that has arrived by `now`.
    pub fn receive(&mut self, now: u64) -> Option<(Class, Vec<u8>)> {
        let (&key, _) = self.frames.first_key_value()?;
        if key.0 > now { None } else { self.frames.remove(&key) }
    }

    /// When the next frame arrives.
    #[must_use]
    pub fn next_arrival(&self) -> Option<u64> {
        self.frames.first_key_value().map(|((at, _), _)| *at)
    }
}
