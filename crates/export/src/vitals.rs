//! Readings as they were sent.

use std::collections::{BTreeSet, HashSet};
use std::io::Write;

use replication::ledger::{HeldEntry, for_each_of_kind};
use replication::streams::{Topic, topic};
use store::{Connection, StoreError};
use vitals::reading::{ReadingKey, SealedReading};
use vitals::{segment, tail};
use vocab::{Compartment, DeviceName, FactKind, PatientId};

use crate::refs::Refs;
use crate::{Csv, ExportError, Reader};

/// Whether readings that are not sealed yet are among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tails {
    /// As at the clinic where devices send them.
    Included,
    /// As at a hub, which gets sealed ones only.
    None,
}

/// Readings of records that a restored node wrote on in. What was sealed after the copy was made, and
/// was still open in the copy, is sealed twice; here it counts once.
struct Once {
    patients: BTreeSet<PatientId>,
    seen: HashSet<ReadingKey>,
}

impl Once {
    fn of(conn: &Connection) -> Result<Self, StoreError> {
        let streams = replication::ledger::rewritten(conn)?.into_iter();
        let patients = streams.filter_map(|stream| match topic(&stream) {
            Topic::Patient(patient, Compartment::Vitals) => Some(patient),
            Topic::Patient(..)
            | Topic::Policy
            | Topic::Site(_)
            | Topic::Emergencies(_)
            | Topic::Unknown => None,
        });
        Ok(Self { patients: patients.collect(), seen: HashSet::new() })
    }

    fn is_new(&mut self, device: &DeviceName, patient: PatientId, reading: &SealedReading) -> bool {
        !self.patients.contains(&patient)
            || self.seen.insert(ReadingKey::of(device, patient, reading.identity()))
    }
}

/// Writes `device_id,patient_ref,code,unit,time,value` for every reading held that may be opened, or
/// those of one patient.
///
/// # Errors
///
/// [`ExportError::Store`] with a damaged segment, [`ExportError::Write`].
pub fn vitals<W: Write>(
    conn: &Connection,
    reader: Reader<'_>,
    tails: Tails,
    only: Option<PatientId>,
    out: &mut Csv<W>,
) -> Result<(), ExportError> {
    out.row(["device_id", "patient_ref", "code", "unit", "time", "value"])?;
    let mut refs = Refs::new(reader.site);
    let mut once = Once::of(conn)?;
    for_each_of_kind(conn, FactKind::Segment.number(), |entry: HeldEntry| {
        let Topic::Patient(patient, Compartment::Vitals) = topic(&entry.stream) else {
            return Ok(());
        };
        if only.is_some_and(|only| only != patient)
            || !reader.may_open(conn, &entry.stream, &entry.origin)?
        {
            return Ok(());
        }
        let segment = segment::decode(&entry.payload)
            .map_err(|_| StoreError::Damaged { what: "segment of readings" })?;
        let number = refs.of(conn, patient)?;
        let new = |reading: &&SealedReading| once.is_new(&segment.device, patient, reading);
        let mut readings = segment.readings.iter().filter(new);
        readings.try_for_each(|reading| write(out, &segment.device, number, reading))
    })?;
    if tails == Tails::Included {
        tail::for_each_open(conn, |device: &DeviceName, patient: PatientId, reading| {
            if only.is_some_and(|only| only != patient) || !once.is_new(device, patient, reading) {
                return Ok(());
            }
            write(out, device, refs.of(conn, patient)?, reading)
        })?;
    }
    Ok(())
}

fn write<W: Write>(
    out: &mut Csv<W>,
    device: &DeviceName,
    number: &str,
    reading: &SealedReading,
) -> Result<(), ExportError> {
    out.row([
        device.as_str(),
        number,
        &reading.code.to_string(),
        reading.unit.as_str(),
        &reading.time.to_string(),
        &reading.value.to_string(),
    ])
}
