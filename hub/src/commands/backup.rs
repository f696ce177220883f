//! Making a backup because somebody asks.

use std::path::PathBuf;

use host::control::{Answer, Refusal};

use crate::node::Hub;

/// Makes a backup and says what is in it and what that is worth.
pub(super) async fn backup(hub: &Hub, to: Option<PathBuf>) -> Result<Answer, Refusal> {
    let made = crate::backup::make(hub, to).await.map_err(Refusal::because)?;
    Ok(Answer::from(made.report()))
}
