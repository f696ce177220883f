//! What goes wrong in the middle of the replay when it is asked for.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use crate::relay::Relay;
use crate::screen::Screen;
use crate::stage::{Actor, StageError};

/// How long the link stays cut: long enough that a backlog grows.
const CUT: Duration = Duration::from_secs(4);

/// How long the clinic's program stays away.
const AWAY: Duration = Duration::from_secs(1);

/// Why an incident did not take place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IncidentError {
    #[error("the replay ended before the incident")]
    TooLate,
    #[error(transparent)]
    Stage(#[from] StageError),
}

/// How far the replay is: readings that have an outcome.
pub(crate) type Progress = watch::Receiver<usize>;

/// Cuts the link when a third of `total` is through, and restores it.
pub(crate) async fn cut_link(
    relay: &Relay,
    mut progress: Progress,
    total: usize,
    screen: &Screen,
) -> Result<(), IncidentError> {
    reach(&mut progress, total / 3).await?;
    relay.cut();
    screen.say("the link between clinic and hub is cut");
    sleep(CUT).await;
    relay.restore();
    screen.say("the link is back");
    Ok(())
}

/// Kills the clinic's program when half of `total` is through, and starts it again.
pub(crate) async fn kill_clinic(
    clinic: &mut Actor,
    mut progress: Progress,
    total: usize,
    screen: &Screen,
) -> Result<(), IncidentError> {
    reach(&mut progress, total / 2).await?;
    let addresses = clinic.kill().await?;
    screen.say("the clinic's program is killed (SIGKILL)");
    sleep(AWAY).await;
    clinic.restart(&addresses).await?;
    screen.say("the clinic's program runs again");
    Ok(())
}

async fn reach(progress: &mut Progress, mark: usize) -> Result<(), IncidentError> {
    let reached = progress.wait_for(|readings| *readings >= mark.max(1)).await;
    reached.map(|_| ()).map_err(|_| IncidentError::TooLate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_incident_waits_for_its_mark_or_says_that_it_is_too_late() {
        let (sender, mut progress) = watch::channel(0);
        sender.send_replace(5);
        reach(&mut progress, 5).await.unwrap();
        drop(sender);
        assert!(matches!(reach(&mut progress, 6).await, Err(IncidentError::TooLate)));
    }
}
