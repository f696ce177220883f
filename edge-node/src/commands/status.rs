//! How things stand, in one screen.

use host::control::{Answer, Refusal};

use crate::node::Node;
use crate::overview::Overview;

/// The status as text for people or as one JSON object for programs.
pub(super) async fn status(node: &Node, json: bool) -> Result<Answer, Refusal> {
    let overview = Overview::read(node).await.map_err(Refusal::because)?;
    if json { Answer::json(&overview.to_body()) } else { Ok(Answer::from(overview.to_text())) }
}
