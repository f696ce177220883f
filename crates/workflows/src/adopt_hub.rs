//! The clinic was let in: it knows its hub, its own id, and whom to believe.

use directory::store::hub_link::HubLink;
use store::Connection;

use crate::{EdgeState, WorkflowError};

/// Notes the hub, once, and takes the clinic's id from it.
///
/// # Errors
///
/// [`WorkflowError::Hub`] when the clinic has a hub already; the first one stays.
pub fn adopt_hub(
    conn: &Connection,
    state: &mut EdgeState,
    link: &HubLink,
) -> Result<(), WorkflowError> {
    directory::store::hub_link::set_hub_link(conn, link)?;
    state.site = Some(link.site);
    Ok(())
}
