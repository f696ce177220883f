//! How things stand, in one screen.

use host::control::{Answer, Refusal};

use super::refuse;
use crate::node::Hub;
use crate::overview::Overview;

/// The status as text for people or as one JSON object for programs.
pub(super) async fn status(hub: &Hub, json: bool) -> Result<Answer, Refusal> {
    let overview = Overview::read(hub).await.map_err(refuse)?;
    if json {
        let mut text = serde_json::to_string(&overview.to_body()).map_err(refuse)?;
        text.push('\n');
        Ok(Answer::from(text))
    } else {
        Ok(Answer::from(overview.to_text()))
    }
}
