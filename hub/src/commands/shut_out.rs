//! Letting a site in no more.

use host::control::{Answer, Refusal};
use replication::hub::SqliteHub;
use store::StoreError;
use vocab::SiteName;

use crate::node::Hub;

/// Ends the access of the site's node: an open connection is cut, and its keys are never taken again.
/// What the site wrote stays, and an invitation lets a new node in as the same site.
pub(super) async fn shut_out(hub: &Hub, site: &str) -> Result<Answer, Refusal> {
    let name: SiteName = site.parse().map_err(Refusal::because)?;
    let now = hub.clock.now();
    let found = hub
        .writer
        .write(move |conn, _| {
            let Some(site) = directory::store::sites::find_site(conn, &name)? else {
                return Ok(None);
            };
            SqliteHub::new(conn).shut_out(now, site).map(Some)
        })
        .await
        .map_err(|error: host::database::WriteError<StoreError>| Refusal::because(error))?;
    hub.keys_changed.notify_one();
    match found {
        None => Err(Refusal::new(format!("no site is called {site}; hub status lists them"))),
        Some(0) => Err(Refusal::new(format!("no node of {site} is let in as it is"))),
        Some(_) => Ok(Answer::from(format!(
            "{site} is shut out. What it wrote stays here; hub copies lists what it may still hold of \
             others, and hub invite --site {site} lets a new node in as the same site\n"
        ))),
    }
}
