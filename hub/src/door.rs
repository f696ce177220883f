//! The door for nodes that are not enrolled yet: one bounded request, one answer.

use std::sync::{Arc, PoisonError};

use ::store::{Connection, StoreError};
use directory::{JoinRequest, JoinResponse, Joined, Refusal, Source};
use host::database::WriteError;
use replication::hub::{HubStore as _, Node, SqliteHub};
use transport::Listener;
use workflows::WorkflowError;
use workflows::admit_node::{Admission, Applicant, admit_node};

use crate::node::Hub;

/// The enrolled node that connects with this key.
pub(crate) fn node_of(conn: &Connection, tls_key: &[u8; 32]) -> Result<Option<Node>, StoreError> {
    SqliteHub::new(conn).node_by_tls_key(tls_key)
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
    let admitted = try_admit(hub, listener, request).await;
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
) -> Result<Joined, Option<Refusal>> {
    let tls_key = *request.client_key();
    let asked = JoinRequest::from_bytes(request.request()).map_err(|bad| Some(bad.into()))?;
    asked.verify(&hub.tls_key, &tls_key)?;
    let applicant = Applicant { token: asked.token, node_key: asked.node_key, tls_key };
    let now = hub.clock.now();
    let outcome: Result<Admission, WriteError<WorkflowError>> = hub
        .writer
        .write(move |conn, state| admit_node(conn, &mut state.author, now, &applicant))
        .await;
    let certificate = match outcome {
        Ok(Admission::Admitted(certificate, wake)) => {
            tracing::info!(site = %certificate.site_name, "a node joined");
            hub.keys.reload(hub, listener).await;
            hub.sessions.wake(&wake);
            certificate
        }
        Ok(Admission::AdmittedBefore(certificate)) => certificate,
        Ok(Admission::Refused(refusal)) => return Err(Some(refusal)),
        Err(error) => {
            tracing::error!(%error, "a node could not be enrolled");
            return Err(None);
        }
    };
    Ok(Joined { hub_node_key: hub.key.0, certificate })
}
