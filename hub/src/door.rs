//! The door for keys that are not enrolled yet: one bounded request, one answer. A node joins here, and
//! a node that is in goes over to new keys.

use std::sync::{Arc, PoisonError};

use ::store::{Connection, StoreError};
use directory::{
    JoinRequest, JoinResponse, Joined, NodeCertificate, Refusal, RotateRequest, Source,
};
use host::database::WriteError;
use replication::hub::{HubStore as _, Node, SqliteHub};
use replication::ledger::signing_keys;
use sync_protocol::exchange::NodeKeys;
use transport::Listener;
use workflows::WorkflowError;
use workflows::admit_node::{Admission, Applicant, admit_node};
use workflows::rotate_node::{Rotation, Succession, rotate_node};

use crate::node::Hub;

/// The enrolled node that connects with this key, and the keys whose entries are its own.
pub(crate) fn node_of(
    conn: &Connection,
    tls_key: &[u8; 32],
) -> Result<Option<(Node, NodeKeys)>, StoreError> {
    let Some(node) = SqliteHub::new(conn).node_by_tls_key(tls_key)? else { return Ok(None) };
    let keys = signing_keys::of_node(conn, node.key)?;
    Ok(Some((node, keys)))
}

/// Hears one request to join and answers it.
pub(crate) async fn answer(
    hub: Arc<Hub>,
    listener: Arc<Listener>,
    request: transport::JoinRequest,
) {
    let source = Source::from(request.remote_address().ip());
    let response = match admit(&hub, &listener, &request, source).await {
        Ok(joined) => JoinResponse::Accepted(joined),
        Err(Some(refusal)) => {
            tracing::info!(reason = %refusal, "a node was not let in");
            JoinResponse::Refused(refusal)
        }
        // Ours to mend: the node hears nothing and tries again.
        Err(None) => return,
    };
    if let Err(error) = request.answer(&response.to_bytes()).await {
        tracing::info!(%error, "a joining node may not have its answer; it can ask again");
    }
}

async fn admit(
    hub: &Arc<Hub>,
    listener: &Listener,
    request: &transport::JoinRequest,
    source: Source,
) -> Result<Joined, Option<Refusal>> {
    let now = hub.clock.now();
    let tries = || hub.wrong_tries.lock().unwrap_or_else(PoisonError::into_inner);
    tries().check(now, source)?;
    let admitted = if RotateRequest::is_meant(request.request()) {
        try_rotate(hub, listener, request).await
    } else {
        try_admit(hub, listener, request).await
    };
    let admitted = admitted.map(|certificate| Joined { hub_node_key: hub.key.0, certificate });
    if let Err(Some(refusal)) = &admitted
        && refusal.is_wrong_try()
    {
        tries().note(now, source);
    }
    admitted
}

async fn try_admit(
    hub: &Arc<Hub>,
    listener: &Listener,
    request: &transport::JoinRequest,
) -> Result<NodeCertificate, Option<Refusal>> {
    let tls_key = *request.client_key();
    let asked = JoinRequest::from_bytes(request.request()).map_err(|bad| Some(bad.into()))?;
    asked.verify(&hub.tls_key, &tls_key)?;
    let applicant = Applicant { token: asked.token, node_key: asked.node_key, tls_key };
    let now = hub.clock.now();
    let outcome: Result<Admission, WriteError<WorkflowError>> = hub
        .writer
        .write(move |conn, state| admit_node(conn, &mut state.author, now, &applicant))
        .await;
    match outcome {
        Ok(Admission::Admitted(certificate, wake)) => {
            tracing::info!(site = %certificate.site_name, "a node joined");
            hub.keys.reload(hub, listener).await;
            hub.sessions.wake(&wake);
            Ok(certificate)
        }
        Ok(Admission::AdmittedBefore(certificate)) => Ok(certificate),
        Ok(Admission::Refused(refusal)) => Err(Some(refusal)),
        Err(error) => {
            tracing::error!(%error, "a node could not be enrolled");
            Err(None)
        }
    }
}

/// The old keys are let in no more, and an open connection of theirs is cut, before the answer is sent.
async fn try_rotate(
    hub: &Arc<Hub>,
    listener: &Listener,
    request: &transport::JoinRequest,
) -> Result<NodeCertificate, Option<Refusal>> {
    let tls_key = *request.client_key();
    let asked = RotateRequest::from_bytes(request.request()).map_err(|bad| Some(bad.into()))?;
    asked.verify(&hub.tls_key, &tls_key)?;
    let succession = Succession {
        old_node_key: asked.old_node_key,
        new_node_key: asked.new_node_key,
        new_tls_key: tls_key,
    };
    let now = hub.clock.now();
    let outcome: Result<Rotation, WriteError<WorkflowError>> = hub
        .writer
        .write(move |conn, state| rotate_node(conn, &mut state.author, now, &succession))
        .await;
    match outcome {
        Ok(Rotation::Rotated(certificate, wake)) => {
            tracing::info!(site = %certificate.site_name, "a node has new keys");
            hub.keys.reload(hub, listener).await;
            hub.sessions.wake(&wake);
            Ok(certificate)
        }
        Ok(Rotation::RotatedBefore(certificate)) => Ok(certificate),
        Ok(Rotation::Refused(refusal)) => Err(Some(refusal)),
        Err(error) => {
            tracing::error!(%error, "a node's keys could not be changed");
            Err(None)
        }
    }
}
