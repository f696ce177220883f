//! What a node had promised at a moment of its recording, and whether a disk keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use store::Connection;
use sync_protocol::NodeId;
use vitals::store::find_receipt;

use crate::plant::Plant;
use crate::record::{BATCHES, DEVICES, batch_name, device_name, readings};
use crate::reopen::{self, Bench, Program, said};
use crate::store::{self as questions, Positions};
use crate::trace::{Call, Event};

/// A batch: number of the device, number of the batch.
pub type BatchNo = (usize, usize);

/// Promises of one node, each with the number of the call by which it was made.
#[derive(Clone, Debug, Default)]
pub struct Promises {
    made: Option<usize>,
    joined: Option<usize>,
    receipts: BTreeMap<BatchNo, usize>,
}

/// What another node was told, read from its database.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Entries that must be held.
    pub entries: BTreeSet<[u8; 32]>,
    /// How far streams must be held.
    pub held: Positions,
    /// Streams that must be let go.
    pub gone: Positions,
}

impl Promises {
    /// Reads them from what the node sent and said.
    #[must_use]
    pub fn of(events: &[Event], root: &str, plant: Option<Plant>) -> Self {
        let names: BTreeMap<(String, String), BatchNo> = (0..DEVICES)
            .flat_map(|device| (0..BATCHES).map(move |batch| (device, batch)))
            .map(|(device, batch)| ((device_name(device), batch_name(batch)), (device, batch)))
            .collect();
        let mut promises = Self::default();
        for (at, event) in events.iter().enumerate() {
            let Call::Write { path, bytes, .. } = &event.call else { continue };
            if path.starts_with(root) {
                continue;
            }
            let early = |at| plant.map_or(at, |plant| plant.place_of_answer(events, at));
            if bytes.starts_with(b"made ") {
                promises.made = Some(at);
            } else if bytes.starts_with(b"joined ") {
                promises.joined = Some(early(at));
            } else if let Some(name) = receipt(bytes)
                && let Some(&batch) = names.get(&name)
            {
                promises.receipts.entry(batch).or_insert_with(|| early(at));
            }
        }
        promises
    }

    /// How many receipts there are.
    #[must_use]
    pub fn receipts(&self) -> usize {
        self.receipts.len()
    }

    /// Whether the folder was promised before call number `cut`.
    fn is_made(&self, cut: usize) -> bool {
        self.made.is_some_and(|at| at < cut)
    }
}

/// Device and batch of a receipt in an answer.
fn receipt(bytes: &[u8]) -> Option<(String, String)> {
    let text = std::str::from_utf8(bytes).ok()?;
    let value = |name: &str| {
        let (_, rest) = text.split_once(&format!("\"{name}\":\""))?;
        rest.split_once('"').map(|(value, _)| value.to_owned())
    };
    text.contains("\"outcomes\"").then_some(())?;
    Some((value("device")?, value("batch_id")?))
}

/// Opens what a power cut left of the folder after call number `cut`, and checks everything.
///
/// # Errors
///
/// What is not as promised.
pub fn check(
    bench: &Bench,
    program: Program,
    folder: &Path,
    promises: &Promises,
    cut: usize,
    told: &Told,
) -> Result<(), String> {
    let me = match bench.start(program, folder) {
        Ok(me) => me,
        Err(_) if !promises.is_made(cut) => {
            bench.init(program, folder)?;
            bench.start(program, folder)?
        }
        Err(error) => return Err(error),
    };
    let conn = reopen::database(folder)?;
    check_whole(program, &conn, &me)?;
    match program {
        Program::Edge => {
            if promises.receipts.is_empty() {
                check_known(&reopen::values(program, &conn)?)?;
            } else {
                check_batches(&conn, promises, cut)?;
            }
            if promises.joined.is_some_and(|at| at < cut) {
                let link = directory::store::hub_link::hub_link(&conn);
                link.map_err(|error| said(&error))?.ok_or("it has forgotten its hub")?;
            }
        }
        Program::Hub => check_known(&reopen::values(program, &conn)?)?,
    }
    check_told(program, &conn, told)
}

/// Nothing is wrong, and nothing is there by half.
///
/// # Errors
///
/// What is.
pub fn check_whole(program: Program, conn: &Connection, me: &NodeId) -> Result<(), String> {
    reopen::verify(program, conn, me)?;
    questions::half_applied(conn).map_err(|error| said(&error))?.map_or(Ok(()), Err)
}

/// Each batch is there as a whole, once, with its receipt and its alert, or not at all.
fn check_batches(conn: &Connection, promises: &Promises, cut: usize) -> Result<(), String> {
    let mut held: BTreeMap<String, usize> = BTreeMap::new();
    for value in reopen::values(Program::Edge, conn)? {
        *held.entry(value).or_default() += 1;
    }
    let (mut batches, mut accepted, mut calls) = (0, 0, 0);
    for (device, batch) in (0..DEVICES).flat_map(|d| (0..BATCHES).map(move |b| (d, b))) {
        let values: Vec<String> =
            readings(device, batch).into_iter().map(|reading| reading.value).collect();
        let found: usize = values.iter().filter_map(|value| held.remove(value)).sum();
        let promised = promises.receipts.get(&(device, batch)).is_some_and(|at| *at < cut);
        let place = format!("batch {batch} of device {device}");
        if found != 0 && found != values.len() {
            return Err(format!("{place}: {found} of {} readings are held", values.len()));
        }
        let is_held = found > 0;
        if promised && !is_held {
            return Err(format!("{place} had its receipt and is lost"));
        }
        if has_receipt(conn, device, batch)? != is_held {
            return Err(format!("{place}: receipt and readings are not both there"));
        }
        if is_held {
            batches += 1;
            accepted += values.len() as u64;
            calls += values.iter().filter(|value| value.starts_with("84.")).count();
        }
    }
    if let Some(value) = held.keys().next() {
        return Err(format!("a reading of {value} is held that nobody sent, or twice"));
    }
    if reopen::critical_alerts(conn)? != calls {
        return Err("readings and alerts are not both there".to_owned());
    }
    let counted = questions::receipts(conn).map_err(|error| said(&error))?;
    if counted != (batches, batches, accepted) {
        return Err(format!(
            "sums {counted:?}, where {batches} batches with {accepted} readings are"
        ));
    }
    Ok(())
}

fn has_receipt(conn: &Connection, device: usize, batch: usize) -> Result<bool, String> {
    let device = device_name(device).parse().map_err(|_| "a device's name".to_owned())?;
    let batch = batch_name(batch).parse().map_err(|_| "a batch's name".to_owned())?;
    Ok(find_receipt(conn, &device, &batch).map_err(|error| said(&error))?.is_some())
}

/// Where no device sends: nothing that nobody sent, and nothing twice.
fn check_known(held: &[String]) -> Result<(), String> {
    let sent: BTreeSet<String> = (0..DEVICES)
        .flat_map(|device| (0..BATCHES).flat_map(move |batch| readings(device, batch)))
        .map(|reading| reading.value)
        .collect();
    let mut seen = BTreeSet::new();
    match held.iter().find(|value| !sent.contains(*value) || !seen.insert(*value)) {
        Some(value) => Err(format!("a reading of {value} is held that nobody sent, or twice")),
        None => Ok(()),
    }
}

fn check_told(program: Program, conn: &Connection, told: &Told) -> Result<(), String> {
    let entries = questions::entries(conn).map_err(|error| said(&error))?;
    let lost = told.entries.difference(&entries).count();
    if lost > 0 {
        return Err(format!("{lost} of {} acknowledged entries are lost", told.entries.len()));
    }
    if program == Program::Hub {
        return Ok(());
    }
    let (held, gone) = questions::holds(conn).map_err(|error| said(&error))?;
    for (which, promised, found) in [("held", &told.held, &held), ("let go", &told.gone, &gone)] {
        for (stream, (version, position)) in promised {
            let kept = found.get(stream).copied().unwrap_or((0, 0));
            if kept < (*version, *position) {
                return Err(format!(
                    "a stream was said to be {which} to {position} of version {version}, \
                     and is to {} of version {}",
                    kept.1, kept.0
                ));
            }
        }
    }
    Ok(())
}
