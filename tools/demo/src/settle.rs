//! Waits until everything is where it belongs.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::screen::Screen;
use crate::stage::{LOOK_AGAIN, SECOND_CLINIC, Stage, StageError};

/// How long nothing may move before that counts as a failure. A link that was cut is dialled again
/// within half a minute.
const STANDSTILL_MAX: Duration = Duration::from_secs(90);

/// Why it did not settle.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SettleError {
    #[error(transparent)]
    Stage(#[from] StageError),
    #[error("the hub has not enrolled {SECOND_CLINIC}")]
    NotEnrolled,
    #[error("{0} entries of the first clinic are quarantined, refused or held; they will not pass")]
    Stuck(u64),
    #[error(
        "nothing moved for {} s: {waiting} entries wait at the first clinic ({sentence}), \
         {SECOND_CLINIC} is behind in {behind} streams",
        STANDSTILL_MAX.as_secs()
    )]
    Standstill { waiting: u64, behind: u64, sentence: String },
}

/// Returns when the hub acknowledged everything of the first clinic and the second clinic
/// acknowledged everything that it may have.
pub(crate) async fn settle(stage: &mut Stage, screen: &Screen) -> Result<(), SettleError> {
    let mut last = None;
    let mut moved = Instant::now();
    loop {
        let clinic = stage.first.clinic_status().await?;
        if clinic.stuck() > 0 {
            return Err(SettleError::Stuck(clinic.stuck()));
        }
        if clinic.readings.open > 0 {
            // Segments close by themselves after a minute; nobody wants to wait for that here.
            stage.first.ask(&["flush"]).await.map_err(StageError::from)?;
        }
        // Asked after the clinic: what the hub acknowledged to it counts in what it owes to others.
        let hub = stage.hub.hub_status().await?;
        let behind = hub.behind(SECOND_CLINIC).ok_or(SettleError::NotEnrolled)?;
        if clinic.is_all_at_hub() && behind == 0 {
            return Ok(());
        }
        let waiting = clinic.entries.pending;
        screen.note(format!("{waiting} entries wait, {SECOND_CLINIC} behind in {behind} streams"));
        let now = (clinic.entries.at_hub, clinic.readings.open, behind);
        if last.replace(now) != Some(now) {
            moved = Instant::now();
        }
        if moved.elapsed() > STANDSTILL_MAX {
            return Err(SettleError::Standstill { waiting, behind, sentence: clinic.sentence });
        }
        stage.check().await?;
        sleep(LOOK_AGAIN).await;
    }
}
