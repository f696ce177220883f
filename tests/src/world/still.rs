//! A world in which nothing goes wrong unless somebody asks for it: for stories about one rule.

use std::collections::BTreeMap;

use sync_protocol::{Class, NodeId, StreamId};
use vocab::PatientId;

use super::{World, of};
use crate::disk::Medium;
use crate::faults::Plan;
use crate::network::{Dice, Weather};

/// A frame that passed: on whose wire, whether towards the hub, on which lane.
pub type Tapped = ((usize, bool), Class, Vec<u8>);

impl World {
    /// A hub and `clinics` clinics on a fair network.
    #[must_use]
    pub fn still(clinics: usize) -> Self {
        let plan = Plan { clinics, weather: Weather::FAIR, ..Plan::STILL };
        let mut world = Self::with(0, Dice::new(0), plan, |number| of(Medium::Memory, number));
        world.storms = false;
        world
    }

    /// Lets time pass until everything is where it belongs.
    ///
    /// # Panics
    ///
    /// When that does not come.
    pub fn settle(&mut self) {
        self.calm();
        assert!(self.broken.is_empty(), "{:?}", self.broken);
    }

    /// Lets so many milliseconds pass.
    pub fn pass(&mut self, ms: u64) {
        let end = self.now + ms;
        while self.now < end {
            self.step();
        }
    }

    /// The hub's storage answers nothing for so many milliseconds.
    pub fn stall_hub(&mut self, ms: u64) {
        self.hub_slow_until = self.now + ms;
    }

    /// Milliseconds since the beginning.
    #[must_use]
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// A patient of clinic `at` allows clinic `to` their record, or takes it back.
    ///
    /// # Panics
    ///
    /// When there is no such clinic or the patient is not known at `at`.
    pub fn allow(&mut self, at: usize, patient: PatientId, to: usize, grants: bool) {
        self.decide_about(at, patient, to, grants).expect("a patient and a clinic that exist");
    }

    /// The highest version of each node's subscription that the hub said.
    #[must_use]
    pub const fn versions(&self) -> &BTreeMap<(NodeId, StreamId), u32> {
        &self.versions
    }

    /// Remembers every frame from now on.
    pub fn tap(&mut self) {
        self.tapped = Some(Vec::new());
    }

    /// What was remembered.
    pub fn tapped(&mut self) -> Vec<Tapped> {
        self.tapped.take().unwrap_or_default()
    }

    /// Lets a frame arrive once more.
    pub fn replay(&mut self, ((at, up), class, frame): Tapped) {
        if let Some(Some((to_hub, to_clinic))) = self.wires.get_mut(at) {
            if up { to_hub } else { to_clinic }.put(self.now + 1, class, frame);
        }
    }

    /// Lets both sides of clinic `at`'s conversation store, and gives at most one frame of each to a link
    /// that somebody else carries: what passes is tapped, and arrives by [`hand`](Self::hand).
    pub fn carry(&mut self, at: usize, now: u64, ready: [&dyn Fn(Class) -> bool; 2]) {
        self.now = now;
        self.tick(at);
        let Some(key) = self.clinics.get(at).map(|clinic| clinic.key) else { return };
        while self.store_at_edge(at) | self.store_at_hub(key) {}
        let [up, down] = ready;
        let edge = self.clinics.get_mut(at).and_then(|clinic| clinic.exchange.as_mut());
        let up = edge.and_then(|exchange| exchange.poll_transmit(up));
        let hub = self.hub.exchanges.get_mut(&key);
        let down = hub.and_then(|exchange| exchange.poll_transmit(down));
        let frames = [(up, true), (down, false)].into_iter();
        let frames = frames.filter_map(|(frame, up)| frame.map(|(c, bytes)| ((at, up), c, bytes)));
        self.tapped.get_or_insert_default().extend(frames);
    }

    /// A frame arrives now, at the hub or at clinic `at`.
    pub fn hand(&mut self, at: usize, to_hub: bool, now: u64, class: Class, frame: &[u8]) {
        let Some(clinic) = self.clinics.get_mut(at) else { return };
        if to_hub {
            if let Some(exchange) = self.hub.exchanges.get_mut(&clinic.key) {
                exchange.receive(now, class, frame);
            }
        } else if let Some(exchange) = &mut clinic.exchange {
            exchange.receive(now, class, frame);
        }
    }
}
