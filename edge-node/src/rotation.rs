//! Going over to new keys: prepared with or without a network, in force from the next time the hub is
//! reached.
//!
//! The hub is asked first. Only when it has let the new keys in, and the old ones out, does this node
//! sign with them. It may be asked as often as is needed: a crash between any two steps leaves a node
//! that asks again, and is answered as before.

use std::net::SocketAddr;
use std::sync::Arc;

use directory::store::hub_link::HubLink;
use directory::{JoinResponse, NodeCertificate, RotateRequest};
use host::control::{Answer, Refusal};
use host::database::WriteError;
use host::folder::Seeds;
use replication::LedgerError;
use replication::ledger::signing_keys;
use sync_protocol::NodeId;
use sync_protocol::signature::{Signer, node_id};
use transport::{Dialer, TlsIdentity};

use crate::node::{Node, OwnKeys};

/// Makes the next keys, and looks for the hub.
pub(crate) async fn prepare(node: &Node) -> Result<Answer, Refusal> {
    if node.hub_link().await.is_none() {
        return Err(Refusal::new(
            "this clinic has not joined a hub, so nobody knows its keys yet; for others run \
             edge-node init in an empty folder",
        ));
    }
    let made = node.folder.prepare_next(&node.random).map_err(Refusal::because)?;
    node.rotation.wanted.notify_one();
    node.sync.ask();
    let first = if made { "new keys are ready" } else { "new keys were ready already" };
    Ok(Answer::from(format!(
        "{first}. They are in force as soon as the hub has been reached, and the old ones are over \
         then: edge-node status says when. Save them once they are: edge-node save-keys FILE\n"
    )))
}

/// How far a change of keys is, for the status; nothing when none is under way.
pub(crate) fn standing(node: &Node) -> Option<String> {
    match node.folder.next_seeds() {
        Ok(None) => None,
        Ok(Some(_)) => Some(match node.rotation.refused() {
            Some(why) => format!("new keys are ready, and the hub does not take them: {why}"),
            None => "new keys are ready and wait for the hub".to_owned(),
        }),
        Err(error) => Some(Refusal::because(error).sentence),
    }
}

/// Goes over to the next keys, if any are prepared and the hub takes them.
pub(crate) async fn go_over(node: &Node, hub: &HubLink, address: SocketAddr) {
    let next = match node.folder.next_seeds() {
        Ok(Some(next)) => next,
        Ok(None) => return,
        Err(error) => return tracing::warn!(%error, "the next keys cannot be read"),
    };
    let identity = match TlsIdentity::from_seed(&next.tls) {
        Ok(identity) => identity,
        Err(error) => return tracing::error!(%error, "the next connection key cannot be used"),
    };
    let old = node.keys();
    let tls_key = *identity.public_key();
    let request =
        RotateRequest::sign(&old.node_seed, &next.node, &hub.hub_tls_key, &tls_key).to_bytes();
    let Some(certificate) = ask(node, hub, address, &identity, &request).await else { return };
    let expected = (node_id(&next.node).0, tls_key, Some(old.key.0));
    let NodeCertificate { node_key, tls_key, succeeds, .. } = certificate;
    if (node_key, tls_key, succeeds) != expected {
        return tracing::error!("the hub answered with a certificate for other keys");
    }
    if let Err(error) = take_up(node, old.key, &next, &request).await {
        // What was done is done again: the hub says the same when it is asked again.
        tracing::error!(%error, "the new keys are not in their place yet");
    } else {
        tracing::info!("this node has new keys");
    }
}

/// Says to a hub that does not know the keys in use what it took them by: it may have come back from a
/// backup of the time before.
pub(crate) async fn say_again(node: &Node, hub: &HubLink, address: SocketAddr) {
    let Ok(Some(request)) = node.folder.rotation_request() else { return };
    let Ok(identity) = TlsIdentity::from_seed(&node.keys().tls_seed) else { return };
    if ask(node, hub, address, &identity, &request).await.is_some() {
        tracing::info!("the hub knows this node's keys again");
    }
}

async fn ask(
    node: &Node,
    hub: &HubLink,
    address: SocketAddr,
    identity: &TlsIdentity,
    request: &[u8],
) -> Option<NodeCertificate> {
    let dialer = match Dialer::new(identity, node.config.sync.link) {
        Ok(dialer) => dialer,
        Err(error) => {
            tracing::warn!(%error, "no socket for the hub");
            return None;
        }
    };
    let answer = node.roads.join(&dialer, address, &hub.hub_tls_key, request).await;
    dialer.close().await;
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => {
            tracing::info!(%error, "the hub is not reached");
            return None;
        }
    };
    match JoinResponse::from_bytes(&answer) {
        Ok(JoinResponse::Accepted(joined)) => Some(joined.certificate),
        Ok(JoinResponse::Refused(refusal)) => {
            tracing::warn!(reason = %refusal, "the hub does not take the new keys");
            node.rotation.set_refused(&refusal.to_string());
            None
        }
        Err(error) => {
            tracing::warn!(%error, "the hub's answer cannot be read");
            None
        }
    }
}

/// Why the keys that the hub took are not in force here yet.
#[derive(Debug, thiserror::Error)]
enum NotTakenUp {
    #[error(transparent)]
    Folder(#[from] host::folder::FolderError),
    #[error("writing with the new key")]
    Write(#[from] WriteError<LedgerError>),
}

/// Signs and connects with `next` from now on: first the database knows both keys as this node's, then
/// the files change places, then this process goes over.
async fn take_up(node: &Node, old: NodeId, next: &Seeds, request: &[u8]) -> Result<(), NotTakenUp> {
    let signer = Signer::from_seed(&next.node);
    let (new, random) = (signer.node(), node.random.clone());
    let fill = Box::new(move |bytes: &mut [u8]| random.fill(bytes));
    let author = node
        .writer
        .write(move |conn, _| {
            signing_keys::succeed(conn, &old, &new)?;
            replication::Author::start(conn, signer, fill)
        })
        .await?;
    node.folder.install_next(request, &old.0)?;
    // Its start is committed: what is taken back from here on does not take that back.
    node.writer
        .write(move |_, state| {
            state.0.author = author;
            Ok::<_, LedgerError>(())
        })
        .await?;
    let keys = OwnKeys { key: new, node_seed: *next.node, tls_seed: *next.tls };
    node.set_keys(Arc::new(keys));
    node.rotation.clear_refused();
    Ok(())
}
