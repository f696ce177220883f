//! What people and devices do in a storm, and which fault comes next.

use vocab::{Compartment, PatientId};

use super::World;
use crate::clinic::{Clinic, NEWER_KINDS};
use crate::faults::Fault;

impl World {
    /// Somebody does something, or something goes wrong.
    pub(super) fn act(&mut self) {
        self.counter += 1;
        let at = usize::try_from(self.dice.below(self.clinics.len() as u64)).unwrap_or(0);
        if self.plan.erases && self.dice.percent(4) {
            self.erase_something(at);
        }
        match self.dice.below(100) {
            0..=9 => self.register(at),
            10..=19 => self.edit(at),
            20..=29 => self.decide(at, true),
            30..=34 => self.decide(at, false),
            35..=68 => self.measure(at),
            69..=70 if self.plan.newer => self.write_newer(at),
            69..=73 => self.repeat_batch(at),
            74..=78 => self.with_clinic(at, |clinic, now| clinic.flush(now)),
            79..=81 => self.cut(at),
            82..=83 if self.plan.slow => self.slow_down(at),
            84..=87 if self.plan.hostile => self.misbehave(at),
            82..=89 => self.back_up(at),
            90..=92 => self.kill(at),
            93 => self.lose(at),
            94..=95 => self.kill_hub(),
            _ => self.jump_clock(at),
        }
        self.with_clinic(at, |clinic, now| {
            if let Some(exchange) = &mut clinic.exchange {
                exchange.local_change(now);
            }
        });
    }

    pub(super) fn with_clinic(&mut self, at: usize, act: impl FnOnce(&mut Clinic, u64)) {
        if let Some(clinic) = self.clinics.get_mut(at) {
            act(clinic, self.now);
        }
    }

    fn register(&mut self, at: usize) {
        let number = self.counter;
        self.with_clinic(at, |clinic, now| {
            clinic.register(now, number);
        });
    }

    /// A patient of a clinic; one that its restored disk does not know is none.
    fn some_patient(&mut self, of: usize) -> Option<PatientId> {
        let clinic = self.clinics.get(of)?;
        let at = usize::try_from(self.dice.below(clinic.own.len().max(1) as u64)).ok()?;
        clinic.own.get(at).copied().filter(|patient| clinic.knows(*patient))
    }

    fn erase_something(&mut self, at: usize) {
        let whole = self.dice.percent(50);
        let Some(patient) = self.some_patient(at) else { return };
        self.erase(patient, (!whole).then_some(Compartment::Vitals));
    }

    fn edit(&mut self, at: usize) {
        let of = usize::try_from(self.dice.below(self.clinics.len() as u64)).unwrap_or(0);
        let number = self.counter;
        if let Some(patient) = self.some_patient(of) {
            self.with_clinic(at, |clinic, now| clinic.edit(now, patient, number));
        }
    }

    fn decide(&mut self, at: usize, grants: bool) {
        let others = (self.clinics.len() - 1) as u64;
        let other =
            (at + 1 + usize::try_from(self.dice.below(others)).unwrap_or(0)) % self.clinics.len();
        if let Some(patient) = self.some_patient(at) {
            let _ = self.decide_about(at, patient, other, grants);
        }
    }

    /// A patient who is known at clinic `at` decides about clinic `other`.
    pub(super) fn decide_about(
        &mut self,
        at: usize,
        patient: PatientId,
        other: usize,
        grants: bool,
    ) -> Option<()> {
        let site = self.clinics.get(other)?.site;
        let clinic = self.clinics.get_mut(at).filter(|clinic| clinic.knows(patient))?;
        let home = clinic.site;
        let event = if grants {
            self.ever_allowed.insert((patient, site));
            clinic.grant(self.now, patient, site)
        } else {
            clinic.revoke(self.now, patient, site)
        };
        self.decisions.add(home, (patient, site), event);
        Some(())
    }

    fn measure(&mut self, at: usize) {
        let Some(patient) = self.some_patient(at) else { return };
        let count = 1 + self.dice.below(20);
        let late = self.dice.percent(50);
        let mut readings = Vec::new();
        for number in 0..count {
            let value = 60 + self.dice.below(80);
            let Some(clinic) = self.clinics.get(at) else { return };
            let ago = if late { 3_600_000 } else { 0 };
            let time = clinic.wall(self.now).plus_seconds(-i64::try_from(number).unwrap_or(0));
            let time = vocab::Timestamp::from_millis(time.millis() - ago);
            readings.push(format!(
                r#"{{"patient":"{patient}","code":"8867-4","unit":"/min","time":"{time}","value":{value}}}"#
            ));
        }
        let body =
            format!(r#"{{"batch_id":"b-{}","readings":[{}]}}"#, self.counter, readings.join(","));
        self.with_clinic(at, |clinic, now| {
            clinic.receive_batch(now, "mon", &body);
            clinic.bodies.push(body);
        });
    }

    /// A device that missed its receipt sends the batch again: the receipt is the same.
    fn repeat_batch(&mut self, at: usize) {
        let Some(clinic) = self.clinics.get_mut(at) else { return };
        let bound = clinic.bodies.len().max(1) as u64;
        let which = usize::try_from(self.dice.below(bound)).unwrap_or(0);
        let Some(body) = clinic.bodies.get(which).cloned() else { return };
        let first = clinic.receive_batch(self.now, "mon", &body);
        let second = clinic.receive_batch(self.now, "mon", &body);
        if first.is_none() || first != second {
            self.break_(12, "a repeated batch got another receipt".to_owned());
        }
    }

    /// A clinic whose program is newer writes what nobody here understands.
    fn write_newer(&mut self, at: usize) {
        let Some(patient) = self.some_patient(at) else { return };
        let kind = NEWER_KINDS.start + u16::try_from(self.dice.below(3)).unwrap_or(0);
        let bytes =
            (0..1 + self.dice.below(200)).map(|_| self.dice.roll().to_le_bytes()[0]).collect();
        self.figures.count(Fault::UnknownKind);
        self.with_clinic(at, |clinic, now| clinic.write_newer(now, patient, kind, bytes));
    }

    fn slow_down(&mut self, at: usize) {
        let until = self.now + 1 + self.dice.below(4_000);
        if self.dice.percent(50) {
            self.figures.count(Fault::HubSlow);
            self.hub_slow_until = until;
        } else {
            self.figures.count(Fault::ClinicSlow);
            self.with_clinic(at, |clinic, _| clinic.slow_until = until);
        }
    }

    fn jump_clock(&mut self, at: usize) {
        let years = i64::try_from(self.dice.below(21)).unwrap_or(0) - 10;
        self.figures.count(Fault::ClockJumped);
        self.with_clinic(at, |clinic, _| clinic.clock_off_ms = years * 365 * 86_400_000);
    }
}
