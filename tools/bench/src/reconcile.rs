//! Finding the streams that two sides hold differently: by ranges, and as a list of everything.
//!
//! Both sides run here, on one processor, with their messages as frames; a round trip is as many
//! questions as may be open at once. Reading from a database is left out: it is the same for both.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sync_protocol::limits::COMPARE_STREAMS_MAX;
use sync_protocol::mending::{Reconcile, ReconcileStep};
use sync_protocol::message::{Compare, Frame, Message, StreamState};
use sync_protocol::reconcile::{Asker, Holdings, Question, reply};
use sync_protocol::{SetDigest, StreamId};

use crate::Scale;
use crate::error::BenchError;
use crate::fleet::now;
use crate::report::Report;

/// Streams of the largest edge.
const STREAMS: usize = 300_000;

/// Streams of one subject.
const COMPARTMENTS: usize = 4;

/// What one comparison took.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    found: usize,
    up: usize,
    down: usize,
    round_trips: usize,
}

pub(crate) fn run(scale: Scale, report: &mut Report) -> Result<(), BenchError> {
    let count = STREAMS / scale.divide;
    report.line(&format!("\nreconcile: what differs among {count} streams"));
    let theirs = streams(count);
    for differ in [0, 1, 1_000 / scale.divide] {
        let ours = changed(&theirs, differ);
        compare(scale, report, &format!("{differ} differ, by ranges"), differ, || {
            by_ranges(&ours, &theirs)
        })?;
        compare(scale, report, &format!("{differ} differ, limit: a list of all"), differ, || {
            by_list(&ours, &theirs)
        })?;
    }
    report.line("goal: equal 351 bytes up and 1 down; 1 differs 1.7 kB and three round trips");
    Ok(())
}

fn compare(
    scale: Scale,
    report: &Report,
    name: &str,
    differ: usize,
    once: impl Fn() -> Result<Cost, BenchError>,
) -> Result<(), BenchError> {
    let (mut times, mut cost): (Vec<Duration>, Cost) = (Vec::new(), Cost::default());
    for _ in 0..scale.runs {
        let started = now();
        cost = once()?;
        times.push(started.elapsed());
    }
    if cost.found != differ {
        return Err(BenchError::Unexpected("streams that differ"));
    }
    report.millis(name, &times);
    let Cost { up, down, round_trips, .. } = cost;
    report.line(&format!("    {up} bytes up, {down} down, {round_trips} round trips"));
    Ok(())
}

/// Streams as they come to be: ids in the order of time, random behind, several of each subject.
fn streams(count: usize) -> Vec<StreamState> {
    let state = |number: usize| {
        let of = number / COMPARTMENTS;
        let mut subject = [0; 16];
        let millis = (0x0190_0000_0000 + of as u64 * 2_000).to_be_bytes();
        let random = SetDigest::from_parts(0, &sha2_of(of)).short();
        let bytes = millis.iter().skip(2).chain(&random);
        subject.iter_mut().zip(bytes).for_each(|(out, byte)| *out = *byte);
        let compartment = u8::try_from(number % COMPARTMENTS).unwrap_or(0);
        let stream = StreamId { scope: 1, subject, compartment, generation: 0 };
        StreamState { stream, count: 7, sum: random }
    };
    (0..count).map(state).collect()
}

fn sha2_of(number: usize) -> [u8; 32] {
    use sha2::Digest as _;
    sha2::Sha256::digest(number.to_string()).into()
}

/// The same with as many entries more in some of them, far from each other.
fn changed(streams: &[StreamState], differ: usize) -> Vec<StreamState> {
    let mut streams = streams.to_vec();
    let step = streams.len() / differ.max(1);
    streams.iter_mut().step_by(step.max(1)).take(differ).for_each(|state| state.count += 1);
    streams
}

/// The bytes of a message, read at the other end.
fn sent(message: impl Into<Message>) -> Result<(usize, Message), BenchError> {
    let bytes = Frame::encode(0, 0, &message.into());
    let frame = Frame::decode(&bytes).map_err(|_| BenchError::Unexpected("a frame"))?;
    Ok((bytes.len(), frame.message.ok_or(BenchError::Unexpected("a message"))?))
}

fn by_ranges(ours: &[StreamState], theirs: &[StreamState]) -> Result<Cost, BenchError> {
    const OTHER: BenchError = BenchError::Unexpected("a step of a reconciliation");
    let mut asker = Asker::new(Holdings::new(ours));
    let held = Holdings::new(theirs);
    let mut cost = Cost::default();
    while !asker.is_done() {
        cost.round_trips += 1;
        let asked: Vec<_> = std::iter::from_fn(|| asker.ask()).collect();
        for (number, pieces) in asked {
            let (up, heard) = sent(Reconcile { number, step: ReconcileStep::Ask(pieces) })?;
            let Message::Reconcile(Reconcile { step: ReconcileStep::Ask(pieces), .. }) = heard
            else {
                return Err(OTHER);
            };
            let question = Question::read(&pieces).map_err(|_| OTHER)?;
            let lists = question.lists().map(|(span, list)| held.differing(&span, list)).collect();
            let step = ReconcileStep::Answer(reply(&question, &held, lists));
            let (down, heard) = sent(Reconcile { number, step })?;
            let Message::Reconcile(Reconcile { step: ReconcileStep::Answer(pieces), .. }) = heard
            else {
                return Err(OTHER);
            };
            asker.answered(number, &pieces).map_err(|_| OTHER)?;
            cost.up += up;
            cost.down += down;
        }
    }
    cost.found = asker.into_differing().len();
    Ok(cost)
}

/// What the edge said before: all it holds.
fn by_list(ours: &[StreamState], theirs: &[StreamState]) -> Result<Cost, BenchError> {
    let mut cost = Cost { round_trips: 1, ..Cost::default() };
    let mut heard: BTreeMap<StreamId, (u64, [u8; 16])> = BTreeMap::new();
    for chunk in ours.chunks(COMPARE_STREAMS_MAX) {
        let (up, message) = sent(Compare { streams: chunk.to_vec(), more: true })?;
        cost.up += up;
        let Message::Compare(compare) = message else {
            return Err(BenchError::Unexpected("a comparison"));
        };
        heard.extend(compare.streams.iter().map(|state| (state.stream, (state.count, state.sum))));
    }
    let differ = theirs
        .iter()
        .filter(|state| heard.get(&state.stream) != Some(&(state.count, state.sum)))
        .map(|state| state.stream);
    cost.found = differ.collect::<BTreeSet<_>>().len();
    Ok(cost)
}
