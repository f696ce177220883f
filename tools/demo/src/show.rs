//! The story: register, replay, let it settle, compare.

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use device_sim::{Plan, Recording, Replay, replay};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::Args;
use crate::admission::{Admitted, admit};
use crate::incidents::{cut_link, kill_clinic};
use crate::live;
use crate::rows::{Difference, Rows, count_alerts};
use crate::screen::Screen;
use crate::settle::settle;
use crate::stage::{FIRST_CLINIC, SECOND_CLINIC, Stage};
use crate::wire::Summary;

/// Devices gave up; what they said stands above.
#[derive(Debug, thiserror::Error)]
#[error("{0} devices did not get all their receipts")]
struct Unreceipted(usize);

/// Plays everything on a stage that is set; goes on until it is dropped, or with `--once` answers
/// the numbers.
pub(crate) async fn play(
    args: &Args,
    stage: &mut Stage,
    recording: Arc<Recording>,
    folder: &Path,
    screen: &Screen,
) -> Result<Summary, Box<dyn Error>> {
    let admitted = admit(&stage.first, &recording, folder).await?;
    screen.say(&format!(
        "{FIRST_CLINIC} registered {} patients and {} devices; {} patients consent to {SECOND_CLINIC}",
        recording.patients.len(),
        recording.tapes.len(),
        admitted.consenting.len()
    ));
    screen.say(&stage.pages()?);
    let started = Instant::now();
    let replayed = replay_with_incidents(args, stage, &recording, &admitted).await?;
    let replay_seconds = started.elapsed().as_secs_f64();
    let spinner = Screen::with_spinner("waiting until everything is where it belongs");
    settle(stage, &spinner).await?;
    spinner.clear();
    let seconds = started.elapsed().as_secs_f64();
    let mut summary = compare(stage, &recording, &replayed, &admitted, screen).await?;
    summary.replay_seconds = thousandths(replay_seconds);
    summary.seconds = thousandths(seconds);
    tell(&summary, screen);
    if !args.once {
        let spinner = Screen::with_spinner("live");
        live::go_on(stage, &recording, admitted.keys, &spinner).await?;
    }
    Ok(summary)
}

async fn replay_with_incidents(
    args: &Args,
    stage: &mut Stage,
    recording: &Arc<Recording>,
    admitted: &Admitted,
) -> Result<Replay, Box<dyn Error>> {
    let total = recording.readings();
    let node = stage.first.addresses()?.http.parse()?;
    let mut plan = Plan::new(node, admitted.keys.clone());
    plan.readings_per_second = args.seconds().map(|seconds| as_f64(total) / seconds);
    let bar = Screen::with_bar(total);
    let (sender, progress) = watch::channel(0);
    let moving = bar.clone();
    let replaying = async {
        let replayed = replay(Arc::clone(recording), plan, move |readings| {
            moving.advance(readings);
            sender.send_modify(|through| *through += readings);
        });
        Ok(replayed.await)
    };
    let cutting = async {
        match stage.relay.as_ref().filter(|_| args.cut_link) {
            Some(relay) => cut_link(relay, progress.clone(), total, &bar).await,
            None => Ok(()),
        }
    };
    let killing = async {
        if args.kill_clinic {
            kill_clinic(&mut stage.first, progress.clone(), total, &bar).await?;
        }
        Ok(())
    };
    let ended = tokio::try_join!(replaying, cutting, killing);
    bar.clear();
    let (replayed, (), ()) = ended?;
    if replayed.is_complete() {
        return Ok(replayed);
    }
    for failure in &replayed.failures {
        bar.say(&failure.to_string());
    }
    stage.check().await?;
    Err(Unreceipted(replayed.failures.len()).into())
}

/// Asks hub and second clinic what they hold, and compares it with what went in.
async fn compare(
    stage: &Stage,
    recording: &Recording,
    replayed: &Replay,
    admitted: &Admitted,
    screen: &Screen,
) -> Result<Summary, Box<dyn Error>> {
    let expected_at_hub = Rows::accepted(recording, replayed, |_| true);
    let expected_at_second =
        Rows::accepted(recording, replayed, |patient| admitted.consenting.contains(patient));
    let at_hub = Rows::exported(&stage.hub.ask(&["export", "vitals"]).await?)?;
    let at_second = Rows::exported(&stage.second.ask(&["export", "vitals"]).await?)?;
    let alerts = count_alerts(&stage.hub.ask(&["export", "alerts"]).await?)?;
    let bytes_on_wire = stage.first.bytes_on_wire().await?;
    let road = stage.first.clinic_status().await?.link.road;
    let is_same = |place: &str, difference: Difference| {
        let Difference { missing, unexpected } = difference;
        if missing + unexpected > 0 {
            screen.say(&format!(
                "{place} does not hold what it should: {missing} readings are missing, \
                 {unexpected} are not expected"
            ));
        }
        missing + unexpected == 0
    };
    let hub_is_same = is_same("the hub", expected_at_hub.difference(&at_hub));
    let second_is_same = is_same(SECOND_CLINIC, expected_at_second.difference(&at_second));
    let mut summary = Summary {
        sent: replayed.sent,
        accepted: replayed.counts.accepted,
        duplicate: replayed.counts.duplicate,
        quarantined: replayed.counts.quarantined,
        rejected: replayed.counts.rejected,
        at_hub: as_u64(at_hub.len()),
        at_second_clinic: as_u64(at_second.len()),
        expected_at_second_clinic: as_u64(expected_at_second.len()),
        alerts: as_u64(alerts),
        road,
        bytes_on_wire,
        bytes_per_reading: thousandths(whole(bytes_on_wire) / as_f64(at_hub.len().max(1))),
        seconds: 0.0,
        replay_seconds: 0.0,
        patients: as_u64(recording.patients.len()),
        consenting: as_u64(admitted.consenting.len()),
        devices: as_u64(recording.tapes.len()),
        retries: replayed.transport.retries,
        contents_match: hub_is_same && second_is_same,
        ok: false,
    };
    summary.ok = summary.is_as_it_must_be();
    Ok(summary)
}

fn tell(summary: &Summary, screen: &Screen) {
    screen.say(&format!(
        "{} readings sent: {} accepted, {} duplicate, {} quarantined, {} rejected",
        summary.sent, summary.accepted, summary.duplicate, summary.quarantined, summary.rejected
    ));
    screen.say(&format!(
        "the hub holds {} readings and {} alerts; {SECOND_CLINIC} holds {} of {} that it may have",
        summary.at_hub, summary.alerts, summary.at_second_clinic, summary.expected_at_second_clinic
    ));
    let road = summary.road.as_deref().map_or_else(|| "the network".to_owned(), str::to_uppercase);
    screen.say(&format!(
        "{} bytes from clinic to hub over {road}, {:.2} a reading; {:.1} s",
        summary.bytes_on_wire, summary.bytes_per_reading, summary.seconds
    ));
}

fn thousandths(number: f64) -> f64 {
    (number * 1_000.0).round() / 1_000.0
}

fn as_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn as_f64(count: usize) -> f64 {
    whole(as_u64(count))
}

#[expect(clippy::cast_precision_loss, reason = "shown with three digits behind the point")]
fn whole(count: u64) -> f64 {
    count as f64
}
