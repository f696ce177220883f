//! Joining a hub, and the directory that comes with it.

use std::net::SocketAddr;
use std::time::Duration;

use directory::store::hub_link::HubLink;
use directory::{Invitation, JoinRequest, JoinResponse};
use host::control::{Answer, Refusal};
use tokio::time::{Instant, sleep};
use transport::backoff::Backoff;
use transport::dialer::DialError;
use transport::{Dialer, TlsIdentity};
use workflows::adopt_hub::adopt_hub;

use crate::node::Node;

/// From the first attempt to join to the start of the last. One attempt waits 12 s for a server, and 10 s
/// for its answer: a hub whose disk or processor has much to do may be silent for longer than that.
const ASKING: Duration = Duration::from_secs(30);

/// Uses an invitation: proves this node's keys to the hub and notes what it answers.
pub(super) async fn join(node: &Node, invitation: &str) -> Result<Answer, Refusal> {
    let invitation: Invitation = invitation.parse().map_err(Refusal::because)?;
    if let Some(hub) = node.hub_link().await {
        return Err(Refusal::new(format!(
            "this clinic has joined a hub already, as {}; a data folder belongs to one hub",
            hub.site_name
        )));
    }
    let joined = ask(node, &invitation).await?;
    let link = HubLink::new(&invitation, &joined, node.clock.now());
    let (site, name) = (link.site, link.site_name.clone());
    node.writer
        .write(move |conn, state| adopt_hub(conn, &mut state.0, &link))
        .await
        .map_err(Refusal::because)?;
    node.joined(site);
    Ok(Answer::from(format!("joined the hub as {name}\n")))
}

async fn ask(node: &Node, invitation: &Invitation) -> Result<directory::Joined, Refusal> {
    let keys = node.keys();
    let identity = TlsIdentity::from_seed(&keys.tls_seed).map_err(Refusal::because)?;
    let own_tls_key = *identity.public_key();
    let hub_key = invitation.hub_tls_key;
    let token = invitation.token.clone();
    let request = JoinRequest::sign(token, &keys.node_seed, &hub_key, &own_tls_key);
    let address = invitation.hub_address.as_str();
    let found = tokio::net::lookup_host(address).await.map_err(|_| unresolved(address))?.next();
    let address = found.ok_or_else(|| unresolved(address))?;
    let dialer = Dialer::new(&identity, node.config.sync.link).map_err(Refusal::because)?;
    let request = request.to_bytes();
    let answer = hear(node, &dialer, address, &hub_key, &request).await.map_err(Refusal::because);
    dialer.close().await;
    let answer = answer?;
    match JoinResponse::from_bytes(&answer).map_err(Refusal::because)? {
        JoinResponse::Accepted(joined) => {
            joined.check(&keys.key.0, &own_tls_key).map_err(Refusal::because)?;
            Ok(joined)
        }
        JoinResponse::Refused(refusal) => Err(Refusal::because(refusal)),
    }
}

/// Asks until there is an answer, for as long as [`ASKING`]. The hub takes the same request of the same
/// node as often as it comes, so it does no harm if only the answer was lost.
async fn hear(
    node: &Node,
    dialer: &Dialer,
    address: SocketAddr,
    hub_key: &[u8; 32],
    request: &[u8],
) -> Result<Vec<u8>, DialError> {
    let end = Instant::now() + ASKING;
    let mut backoff = Backoff::default();
    loop {
        match node.roads.join(dialer, address, hub_key, request).await {
            Err(error) if error.may_pass() && Instant::now() < end => {
                tracing::info!(%error, "the hub did not answer a request to join; it is asked again");
                sleep(backoff.next_wait(node.random.number())).await;
            }
            answered => return answered,
        }
    }
}

fn unresolved(address: &str) -> Refusal {
    Refusal::new(format!("the hub's address {address} cannot be resolved; is there a network?"))
}

/// The sites of the directory, one per line.
pub(super) async fn sites(node: &Node) -> Result<Answer, Refusal> {
    let sites =
        node.readers.read(directory::store::sites::sites).await.map_err(Refusal::because)?;
    let mut text = String::new();
    for certificate in sites {
        let mark = if certificate.node_key == node.key().0 { " (this clinic)" } else { "" };
        text.push_str(&format!("{}{mark}\n", certificate.site_name));
    }
    if text.is_empty() {
        text.push_str("no sites are known yet; they come with the first sync\n");
    }
    Ok(Answer::from(text))
}
