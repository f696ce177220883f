//! Readings of one device for one patient as columns: small, quick, and the ground for compression.
//!
//! Devices measure several things at the same moments. So the moments stand once, as *ticks* (a
//! time and a time of receipt), and each column (a code, a unit and a number of decimals) says at
//! which ticks it has a value. Values are whole numbers that differ little from the one before.
//!
//! ```text
//! layout 1
//! readings · ticks · first time · divisor · steps between ticks, divided
//! divisor · runs of (ticks, step of the time of receipt, divided)
//! units · texts
//! columns · (step of the code, unit, decimals and form of presence)
//! presence of every column · values of every column · sequences
//! ```
//!
//! All numbers are variable-length. What is read back is a set: readings come in the order of
//! their columns, not in the order they arrived.

use std::collections::BTreeMap;

use vocab::Timestamp;

use crate::code::LoincCode;
use crate::reading::SealedReading;
use crate::unit_text::UnitText;
use crate::value::SentValue;
use crate::varint::{Reader, put_i64, put_text, put_u64};

/// The only layout so far.
const LAYOUT: u8 = 1;

/// In place of a number of decimals: the values are texts.
const TEXTS: u8 = 31;

/// How a column says at which ticks it has a value, in the two bits above the decimals.
const AT_EVERY_TICK: u8 = 0;
/// A bit per tick, the lowest first.
const BY_BITMAP: u8 = 1;
/// The count, then the step from each tick to the next; 0 for a second value at the same tick.
const BY_STEPS: u8 = 2;

/// Whether readings have a sequence: none, all, or by a bitmap.
const NO_SEQUENCE: u8 = 0;
const ALL_SEQUENCE: u8 = 1;
const SOME_SEQUENCE: u8 = 2;

type Tick = (i64, i64);

const fn tick_of(reading: &SealedReading) -> Tick {
    (reading.time.nanos(), reading.received.nanos())
}

/// What tells columns apart.
type Key<'a> = (LoincCode, &'a UnitText, u8);

fn key_of(reading: &SealedReading) -> Key<'_> {
    (reading.code, &reading.unit, reading.value.plain().map_or(TEXTS, |(_, scale)| scale))
}

/// A reading with its place among the ticks.
type Placed<'a> = (usize, &'a SealedReading);

/// Writes readings as columns, in any order.
pub(crate) fn write(readings: &[SealedReading]) -> Vec<u8> {
    let (ticks, mut columns) = place(readings);
    order_by_column(&mut columns);
    let mut out = Vec::with_capacity(64 + columns.len() * 4);
    out.push(LAYOUT);
    put_len(&mut out, columns.len());
    write_ticks(&mut out, &ticks);
    let columns: Vec<&[Placed<'_>]> =
        columns.chunk_by(|(_, a), (_, b)| key_of(a) == key_of(b)).collect();
    let presence = write_columns(&mut out, &columns, ticks.len());
    out.extend_from_slice(&presence);
    for column in &columns {
        let mut before = 0;
        for (_, reading) in *column {
            match reading.value.plain() {
                Some((mantissa, _)) => {
                    put_i64(&mut out, mantissa.wrapping_sub(before));
                    before = mantissa;
                }
                None => put_text(&mut out, &reading.value.to_string()),
            }
        }
    }
    write_sequences(&mut out, &columns);
    out
}

/// The ticks, and the readings with their places in them, by tick and identity. Readings mostly
/// come as a few sorted runs, which a stable sort only merges.
fn place(readings: &[SealedReading]) -> (Vec<Tick>, Vec<Placed<'_>>) {
    let mut sorted: Vec<&SealedReading> = readings.iter().collect();
    sorted
        .sort_by(|a, b| tick_of(a).cmp(&tick_of(b)).then_with(|| a.identity().cmp(&b.identity())));
    let mut ticks: Vec<Tick> = Vec::new();
    let mut placed = Vec::with_capacity(sorted.len());
    for reading in sorted {
        let tick = tick_of(reading);
        if ticks.last() != Some(&tick) {
            ticks.push(tick);
        }
        placed.push((ticks.len() - 1, reading));
    }
    (ticks, placed)
}

/// Brings the readings of each column together and leaves them in their order otherwise.
fn order_by_column(placed: &mut Vec<Placed<'_>>) {
    // Code, decimals and the place as it was fit one number each (24, 5 and 32 bits), and whole
    // numbers are sorted many times as fast as readings.
    let mut keys: Vec<u64> = (0..)
        .zip(placed.iter())
        .map(|(at, (_, reading)): (u32, _)| {
            let (code, _, decimals) = key_of(reading);
            u64::from(code.number()) << 37 | u64::from(decimals) << 32 | u64::from(at)
        })
        .collect();
    keys.sort_unstable();
    let at = |key: u64| usize::try_from(key & u64::from(u32::MAX)).ok();
    *placed = keys.iter().filter_map(|key| placed.get(at(*key)?).copied()).collect();
    // A code hardly ever comes in two units, so units are only looked at where it does.
    for of_code in placed.chunk_by_mut(|(_, a), (_, b)| a.code == b.code) {
        if of_code.windows(2).any(|pair| matches!(pair, [(_, a), (_, b)] if a.unit != b.unit)) {
            of_code.sort_by(|(_, a), (_, b)| key_of(a).cmp(&key_of(b)));
        }
    }
}

fn put_len(out: &mut Vec<u8>, length: usize) {
    // A usize has at most 64 bits.
    put_u64(out, u64::try_from(length).unwrap_or(u64::MAX));
}

const fn greatest_divisor(mut a: u64, mut b: u64) -> u64 {
    while b > 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// The number that divides every step between neighbours, at least 1.
fn divisor(values: impl Iterator<Item = i64> + Clone) -> u64 {
    let steps = values.clone().zip(values.skip(1)).map(|(a, b)| a.abs_diff(b));
    steps.fold(0, greatest_divisor).max(1)
}

/// From one time of receipt to the next, divided. Only a divisor of 1 can meet a step of more than
/// 63 bits; it wraps, and wraps back when it is read.
fn divided_step(before: i64, after: i64, divisor: u64) -> i64 {
    if divisor == 1 {
        return after.wrapping_sub(before);
    }
    let step = (i128::from(after) - i128::from(before)) / i128::from(divisor);
    i64::try_from(step).unwrap_or_default()
}

const fn undivided_step(before: i64, step: i64, divisor: u64) -> i64 {
    before.wrapping_add(step.wrapping_mul(divisor.cast_signed()))
}

fn write_ticks(out: &mut Vec<u8>, ticks: &[Tick]) {
    let first = ticks.first().map_or(0, |tick| tick.0);
    let time_divisor = divisor(ticks.iter().map(|tick| tick.0));
    put_len(out, ticks.len());
    put_i64(out, first);
    put_u64(out, time_divisor);
    for (before, after) in ticks.iter().zip(ticks.iter().skip(1)) {
        put_u64(out, before.0.abs_diff(after.0) / time_divisor);
    }
    let runs = ticks.chunk_by(|a, b| a.1 == b.1);
    let starts = runs.clone().filter_map(|run| run.first()).map(|tick| tick.1);
    let receipt_divisor = divisor(std::iter::once(first).chain(starts.clone()));
    put_u64(out, receipt_divisor);
    let mut before = first;
    for (run, received) in runs.zip(starts) {
        put_len(out, run.len());
        put_i64(out, divided_step(before, received, receipt_divisor));
        before = received;
    }
}

/// Writes what columns there are; answers the bytes of their presence, which follow.
fn write_columns(out: &mut Vec<u8>, columns: &[&[Placed<'_>]], ticks: usize) -> Vec<u8> {
    let mut units: BTreeMap<&UnitText, usize> = BTreeMap::new();
    let mut unit_texts = Vec::new();
    let mut heads = Vec::with_capacity(columns.len() * 4);
    let mut presence = Vec::with_capacity(columns.len() * ticks.div_ceil(8));
    let mut code_before = 0;
    put_len(&mut heads, columns.len());
    for column in columns {
        let Some((code, unit, decimals)) = column.first().map(|(_, reading)| key_of(reading))
        else {
            continue;
        };
        let next = units.len();
        let unit_place = *units.entry(unit).or_insert_with(|| {
            put_text(&mut unit_texts, unit.as_str());
            next
        });
        put_u64(&mut heads, u64::from(code.number() - code_before));
        code_before = code.number();
        put_len(&mut heads, unit_place);
        let form = write_presence(&mut presence, column, ticks);
        heads.push(decimals | form << 5);
    }
    put_len(out, units.len());
    out.extend_from_slice(&unit_texts);
    out.extend_from_slice(&heads);
    presence
}

/// Writes at which ticks a column has a value, in the shortest of the three forms.
fn write_presence(out: &mut Vec<u8>, column: &[Placed<'_>], ticks: usize) -> u8 {
    let distinct = column.is_sorted_by(|(a, _), (b, _)| a < b);
    if distinct && column.len() == ticks {
        return AT_EVERY_TICK;
    }
    let bitmap_bytes = ticks.div_ceil(8);
    if distinct && bitmap_bytes <= column.len() {
        let start = out.len();
        out.resize(start + bitmap_bytes, 0);
        for (place, _) in column {
            if let Some(byte) = out.get_mut(start + place / 8) {
                *byte |= 1 << (place % 8);
            }
        }
        return BY_BITMAP;
    }
    put_len(out, column.len());
    let mut before = 0;
    for (place, _) in column {
        put_len(out, place - before);
        before = *place;
    }
    BY_STEPS
}

fn write_sequences(out: &mut Vec<u8>, columns: &[&[Placed<'_>]]) {
    let sequences: Vec<Option<u64>> =
        columns.iter().flat_map(|column| column.iter()).map(|(_, r)| r.sequence).collect();
    let with = sequences.iter().flatten().count();
    if with == 0 {
        out.push(NO_SEQUENCE);
        return;
    }
    if with == sequences.len() {
        out.push(ALL_SEQUENCE);
    } else {
        out.push(SOME_SEQUENCE);
        for eight in sequences.chunks(8) {
            let bits = eight.iter().enumerate().map(|(at, s)| u8::from(s.is_some()) << at);
            out.push(bits.sum());
        }
    }
    for column in columns {
        let mut before = 0_u64;
        for sequence in column.iter().filter_map(|(_, reading)| reading.sequence) {
            put_i64(out, sequence.wrapping_sub(before).cast_signed());
            before = sequence;
        }
    }
}

/// What a column is, before its values are read.
struct Column {
    code: LoincCode,
    unit: UnitText,
    decimals: u8,
    /// Its places in the ticks.
    places: Vec<usize>,
}

/// Reads columns of at most `readings_max` readings; `None` for anything that [`write`] does not
/// write. Takes memory in proportion to the bytes and to `readings_max`, whatever they claim.
pub(crate) fn read(bytes: &[u8], readings_max: usize) -> Option<Vec<SealedReading>> {
    let mut reader = Reader::new(bytes);
    if reader.u8()? != LAYOUT {
        return None;
    }
    let count = usize::try_from(reader.u64()?).ok().filter(|count| *count <= readings_max)?;
    let ticks = read_ticks(&mut reader, count)?;
    let columns = read_columns(&mut reader, count, ticks.len())?;
    let mut readings = Vec::with_capacity(count);
    for column in &columns {
        let mut before = 0_i64;
        for place in &column.places {
            let (time, received) = ticks.get(*place)?;
            let value = if column.decimals == TEXTS {
                SentValue::parse(reader.text()?).ok()?
            } else {
                before = before.wrapping_add(reader.i64()?);
                SentValue::from_plain(before, column.decimals)?
            };
            readings.push(SealedReading {
                code: column.code,
                unit: column.unit,
                time: Timestamp::from_nanos(*time),
                value,
                sequence: None,
                received: Timestamp::from_nanos(*received),
            });
        }
    }
    read_sequences(&mut reader, &mut readings, &columns)?;
    reader.is_empty().then_some(readings)
}

fn read_ticks(reader: &mut Reader<'_>, readings: usize) -> Option<Vec<Tick>> {
    // A tick without a reading is not written.
    let count = usize::try_from(reader.u64()?).ok().filter(|count| *count <= readings)?;
    let first = reader.i64()?;
    let time_divisor = reader.u64()?;
    if count > reader.remaining().checked_add(1)? {
        return None;
    }
    let mut ticks = Vec::with_capacity(count);
    let mut time = first;
    for place in 0..count {
        if place > 0 {
            time = time.wrapping_add_unsigned(reader.u64()?.wrapping_mul(time_divisor));
        }
        ticks.push((time, 0));
    }
    let receipt_divisor = reader.u64()?;
    let mut received = first;
    let mut rest = ticks.as_mut_slice();
    while !rest.is_empty() {
        let run = usize::try_from(reader.u64()?).ok().filter(|run| *run > 0)?;
        received = undivided_step(received, reader.i64()?, receipt_divisor);
        let (now, later) = rest.split_at_mut_checked(run)?;
        now.iter_mut().for_each(|tick| tick.1 = received);
        rest = later;
    }
    Some(ticks)
}

fn read_columns(reader: &mut Reader<'_>, readings: usize, ticks: usize) -> Option<Vec<Column>> {
    // A unit or a column without a reading is not written.
    let mut units = Vec::new();
    for _ in 0..reader.count().filter(|count| *count <= readings)? {
        units.push(UnitText::new(reader.text()?).ok()?);
    }
    let mut heads = Vec::new();
    let mut code = 0_u32;
    for _ in 0..reader.count().filter(|count| *count <= readings)? {
        code = code.checked_add(u32::try_from(reader.u64()?).ok()?)?;
        let unit = *units.get(usize::try_from(reader.u64()?).ok()?)?;
        heads.push((LoincCode::from_number(code)?, unit, reader.u8()?));
    }
    let mut left = readings;
    let mut columns = Vec::with_capacity(heads.len());
    for (code, unit, form) in heads {
        let places = read_presence(reader, form >> 5, ticks, left)?;
        left = left.checked_sub(places.len())?;
        columns.push(Column { code, unit, decimals: form & 0x1f, places });
    }
    (left == 0).then_some(columns)
}

/// Places in `0..ticks`, at most `readings_max` of them.
fn read_presence(
    reader: &mut Reader<'_>,
    form: u8,
    ticks: usize,
    readings_max: usize,
) -> Option<Vec<usize>> {
    match form {
        AT_EVERY_TICK => (ticks <= readings_max).then(|| (0..ticks).collect()),
        BY_BITMAP => {
            let mut places = Vec::new();
            for (at, byte) in reader.bytes(ticks.div_ceil(8))?.iter().enumerate() {
                let mut bits = *byte;
                while bits != 0 {
                    places.push(at * 8 + usize::try_from(bits.trailing_zeros()).ok()?);
                    bits &= bits - 1;
                }
            }
            (places.len() <= readings_max).then_some(places)
        }
        BY_STEPS => {
            let count = reader.count().filter(|count| *count <= readings_max)?;
            let mut places = Vec::with_capacity(count);
            let mut place = 0_usize;
            for _ in 0..count {
                place = place.checked_add(usize::try_from(reader.u64()?).ok()?)?;
                places.push(place);
            }
            Some(places)
        }
        _ => None,
    }
}

fn read_sequences(
    reader: &mut Reader<'_>,
    readings: &mut [SealedReading],
    columns: &[Column],
) -> Option<()> {
    let present = match reader.u8()? {
        NO_SEQUENCE => return Some(()),
        ALL_SEQUENCE => None,
        SOME_SEQUENCE => Some(reader.bytes(readings.len().div_ceil(8))?),
        _ => return None,
    };
    let mut at = 0;
    for column in columns {
        let mut before = 0_u64;
        for _ in &column.places {
            let has = present
                .is_none_or(|bits| bits.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1));
            if has {
                before = before.wrapping_add_signed(reader.i64()?);
                readings.get_mut(at)?.sequence = Some(before);
            }
            at += 1;
        }
    }
    Some(())
}

#[cfg(test)]
pub(crate) mod tests;
