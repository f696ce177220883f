//! How things stand, in one screen.

use host::control::{Answer, Refusal};

use crate::node::Hub;
use crate::overview::Overview;

/// The status as text for people or as one JSON object for programs.
pub(super) async fn status(hub: &Hub, json: bool) -> Result<Answer, Refusal> {
    let overview = Overview::read(hub).await.map_err(Refusal::because)?;
    if json { Answer::json(&overview.to_body()) } else { Ok(Answer::from(overview.to_text())) }
}
