//! Recording, looking, reporting.

use std::io::{self, Write};

use crash_states::errors::{self, Fault, Scene, Span};
use crash_states::explore::{Findings, Plan, Subject, explore};
use crash_states::flips::{FILES, Fallen};
use crash_states::record::{RecordError, Recording, can_trace};
use crash_states::reopen::Program;
use host::Clock;
use serde_json::json;

use crate::args::{Args, Other, Place};

/// Violations shown of one subject; the number of all is shown beside them.
const SHOWN_MAX: usize = 5;

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("there is no recording")]
    Record(#[from] RecordError),
    #[error("writing the result")]
    Write(#[from] io::Error),
}

/// Answers whether every state kept every promise.
pub(crate) fn run(args: &Args, out: &mut dyn Write) -> Result<bool, RunError> {
    match &args.other {
        None => crashes(args, out),
        Some(Other::Errors { calls, step, at }) => errors(calls.as_deref(), *step, *at, out),
        Some(Other::Flips { count }) => flips(*count, args.seed, out),
    }
}

fn crashes(args: &Args, out: &mut dyn Write) -> Result<bool, RunError> {
    let clock = Clock::system();
    let seconds = || std::time::Duration::from_nanos(clock.monotonic_nanos()).as_secs_f64();
    let folder = tempfile::Builder::new().prefix("crash-states-").tempdir()?;
    let recording = match &args.replay {
        Some(folder) => Recording::load(folder)?,
        None => Recording::make(folder.path(), args.failed_sync)?,
    };
    writeln!(
        out,
        "recorded: {} calls of the clinic, {} of the hub, {} of the other clinic ({:.1} s)",
        recording.north.len(),
        recording.hub.len(),
        recording.south.len(),
        seconds()
    )?;
    let mut results = serde_json::Map::new();
    let (mut states, mut violations) = (0, 0);
    for subject in Subject::ALL {
        if args.subject.is_some_and(|only| only != subject) {
            continue;
        }
        let share = if subject == Subject::Ingest { 1 } else { 2 };
        let plan = Plan {
            states: args.states.div_ceil(share),
            seed: args.seed,
            only: args.state,
            plant: args.plant,
        };
        let before = seconds();
        let found = explore(&recording, subject, &plan);
        tell(out, subject, &found, seconds() - before)?;
        states += found.states;
        violations += found.violations.len();
        results.insert(
            subject.name().to_owned(),
            json!({"states": found.states, "violations": found.violations.len()}),
        );
    }
    if violations > 0 || args.keep {
        let kept = match &args.replay {
            Some(folder) => folder.clone(),
            None => folder.keep(),
        };
        writeln!(
            out,
            "replay: cargo crash-states -- --replay {} --states {} --seed {} --subject NAME --state NUMBER{}",
            kept.display(),
            args.states,
            args.seed,
            args.plant.map_or_else(String::new, |plant| format!(" --plant {}", plant.name()))
        )?;
    }
    let line = json!({
        "states": states,
        "violations": violations,
        "seed": args.seed,
        "plant": args.plant.map(crash_states::plant::Plant::name),
        "seconds": (seconds() * 10.0).round() / 10.0,
        "subjects": results,
    });
    writeln!(out, "{line}")?;
    Ok(violations == 0)
}

fn tell(out: &mut dyn Write, subject: Subject, found: &Findings, took: f64) -> io::Result<()> {
    let Findings { states, cuts, receipts, violations } = found;
    writeln!(
        out,
        "{}: {states} states of {cuts} places to cut, {receipts} receipts: {} violations ({took:.1} s)",
        subject.name(),
        violations.len()
    )?;
    for one in violations.iter().take(SHOWN_MAX) {
        writeln!(
            out,
            "  state {} ({:?}, before call {}): {}",
            one.state, one.rule, one.cut, one.what
        )?;
    }
    Ok(())
}

/// Lets one call after another fail; answers whether nothing went wrong.
fn errors(
    only: Option<&str>,
    step: u64,
    at: Option<Place>,
    out: &mut dyn Write,
) -> Result<bool, RunError> {
    if !can_trace() {
        return Err(RecordError::NoStrace.into());
    }
    let folder = tempfile::tempdir()?;
    let scene = Scene::make(folder.path());
    let (mut points, mut stopped, mut wrong, mut injected) = (0_u64, 0_u64, 0_u64, 0);
    for place in [Place::Clinic, Place::Hub] {
        if at.is_some_and(|only| only != place) {
            continue;
        }
        for calls in
            errors::CALLS.into_iter().filter(|calls| only.is_none_or(|only| only == *calls))
        {
            for (error, span) in errors::ERRORS
                .into_iter()
                .flat_map(|error| Span::ALL.into_iter().map(move |span| (error, span)))
            {
                let mut own = 0;
                for n in (1..).step_by(usize::try_from(step.max(1)).unwrap_or(1)) {
                    let fault = Fault { calls, error, span, n };
                    let found = match place {
                        Place::Clinic => scene.ingest(fault),
                        Place::Hub => scene.apply(fault),
                    };
                    if let Some(what) = &found.wrong {
                        wrong += 1;
                        writeln!(out, "  {place:?} {fault:?}: {what}")?;
                    }
                    if found.injected == 0 {
                        break;
                    }
                    own += 1;
                    stopped += u64::from(found.stopped);
                    injected += found.injected;
                }
                writeln!(out, "{place:?}: {calls} {error} {span:?}: {own} points")?;
                out.flush()?;
                points += own;
            }
        }
    }
    let line = json!({
        "points": points, "injected": injected, "stopped": stopped, "violations": wrong,
    });
    writeln!(out, "{line}")?;
    Ok(wrong == 0)
}

/// Flips bits; answers whether none was silent.
fn flips(count: u64, seed: u64, out: &mut dyn Write) -> Result<bool, RunError> {
    let folder = tempfile::tempdir()?;
    let fallen = Fallen::make(folder.path());
    let (mut tried, mut silent) = (0, 0);
    for (program, name) in [(Program::Edge, "clinic"), (Program::Hub, "hub")] {
        for file in FILES {
            let found = fallen.flip(program, file, count, seed);
            writeln!(
                out,
                "{name}/{file}: {} flips, {} named, {} in the last write of the log and left out, {} silent",
                found.tried,
                found.named,
                found.left_out,
                found.silent.len()
            )?;
            for place in &found.silent {
                writeln!(out, "  {place}")?;
            }
            out.flush()?;
            tried += found.tried;
            silent += found.silent.len();
        }
    }
    writeln!(out, "{}", json!({ "flips": tried, "silent": silent, "seed": seed }))?;
    Ok(silent == 0)
}
