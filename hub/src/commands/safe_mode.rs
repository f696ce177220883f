//! Ending safe mode by hand.

use host::control::{Answer, Refusal};
use store::StoreError;

use crate::node::Hub;

/// Characters of a reason, so that it fits a line of the status.
const REASON_CHARS_MAX: usize = 300;

/// Ends safe mode although not every clinic has reported, for a written reason that stays on record.
pub(super) async fn leave(hub: &Hub, reason: &str) -> Result<Answer, Refusal> {
    let reason = reason.trim().to_owned();
    let printable = !reason.chars().any(char::is_control);
    if reason.is_empty() || !printable || reason.chars().count() > REASON_CHARS_MAX {
        return Err(Refusal::new(format!(
            "--reason needs a sentence of at most {REASON_CHARS_MAX} characters: it stays on record"
        )));
    }
    let now = hub.clock.now();
    let held = hub
        .writer
        .write(move |conn, _| replication::hub::leave_safe_mode(conn, now, &reason))
        .await
        .map_err(|error: host::database::WriteError<StoreError>| Refusal::because(error))?;
    if !held {
        return Err(Refusal::new("this hub is not in safe mode"));
    }
    hub.sessions.wake_all();
    Ok(Answer::from(
        "safe mode has ended. What a clinic that has not reported took back since the backup is not \
         known here: hub status goes on naming the reason\n"
            .to_owned(),
    ))
}
