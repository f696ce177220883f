//! Inviting a site.

use directory::store::invitations::IssueError;
use directory::{HubAddress, Invitation, Token};
use host::control::{Answer, Refusal};
use vocab::{SiteId, SiteName};

use crate::node::Hub;

const ONLY_HERE: &str = "only for clinics on this machine: it names a loopback address; for others \
    give the address that they use with --advertise HOST:PORT, or as sync.advertise in config.toml\n";

/// Makes an invitation: one line, and a QR code for phones.
pub(super) async fn invite(
    hub: &Hub,
    site: &str,
    advertise: Option<&str>,
    qr: bool,
) -> Result<Answer, Refusal> {
    let name: SiteName = site.parse().map_err(Refusal::because)?;
    let hub_address = address(hub, advertise)?;
    let now = hub.clock.now();
    let fresh_id = SiteId::from_uuid(hub.random.uuid(now));
    let token = Token::new(hub.random.bytes());
    let issued = token.clone();
    let (replaces, expires_at) = hub
        .writer
        .write(move |conn, _| {
            let nodes = replication::hub::node_statuses(conn)?;
            let replaces = nodes.iter().any(|node| node.site_name == name);
            // A site that gets another node keeps its id.
            let site = directory::store::sites::find_site(conn, &name)?.unwrap_or(fresh_id);
            let expires = directory::store::invitations::issue(conn, now, site, &name, &issued)?;
            Ok::<_, IssueError>((replaces, expires))
        })
        .await
        .map_err(Refusal::because)?;
    let invitation = Invitation { hub_address, hub_tls_key: hub.tls_key, token };
    let mut text = format!("{invitation}\n");
    if qr {
        text.push_str(&invitation.qr());
        text.push_str(&format!("\nworks once, for {site}, until {expires_at}\n"));
        if replaces {
            text.push_str(&format!(
                "{site} has a node: it is let in no more once another uses this invitation\n"
            ));
        }
        if invitation.hub_address.is_loopback() {
            text.push_str(ONLY_HERE);
        }
    }
    Ok(Answer::from(text))
}

/// Where the clinic reaches the hub: as asked, as the settings say, or where it listens.
fn address(hub: &Hub, advertise: Option<&str>) -> Result<HubAddress, Refusal> {
    let configured = hub.config.sync.advertise.as_str();
    let text = match (advertise, hub.listening.get()) {
        (Some(text), _) => text.to_owned(),
        (None, _) if !configured.is_empty() => configured.to_owned(),
        (None, Some(listening)) => listening.to_string(),
        (None, None) => hub.config.sync.listen.to_string(),
    };
    text.parse().map_err(|bad: directory::address::BadAddress| {
        Refusal::new(format!(
            "{text} cannot stand in an invitation: {bad}; give the address that clinics use with \
             --advertise HOST:PORT, or as sync.advertise in config.toml"
        ))
    })
}
