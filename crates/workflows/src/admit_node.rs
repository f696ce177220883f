//! A node uses its invitation at the hub.

use directory::store::invitations::{self, RedeemError};
use directory::{NodeCertificate, Refusal, Token};
use replication::hub::{HubStore as _, NewNode, SqliteHub};
use replication::streams::policy_stream;
use replication::{Author, Draft};
use store::Connection;
use sync_protocol::NodeId;
use vocab::{FactKind, Timestamp};

use crate::WorkflowError;

/// Who asks to be let in. The proof that both keys are its own was checked.
#[derive(Clone, Debug)]
pub struct Applicant {
    /// From the invitation.
    pub token: Token,
    /// The key it will sign with.
    pub node_key: [u8; 32],
    /// The key it connects with.
    pub tls_key: [u8; 32],
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum Admission {
    /// It stands for a site now; these nodes have the news to fetch.
    Admitted(NodeCertificate, Vec<NodeId>),
    /// It asked before and the answer was lost: the same answer again.
    AdmittedBefore(NodeCertificate),
    /// It is told why not.
    Refused(Refusal),
}

/// Uses the invitation, enrols the node and writes its certificate for everybody, all or nothing.
///
/// # Errors
///
/// [`WorkflowError::Store`]; the invitation is as good as before.
pub fn admit_node(
    conn: &Connection,
    author: &mut Author,
    now: Timestamp,
    applicant: &Applicant,
) -> Result<Admission, WorkflowError> {
    let Applicant { token, node_key, tls_key } = applicant;
    if let Some(certificate) = invitations::answered_before(conn, token, tls_key, node_key)? {
        return Ok(Admission::AdmittedBefore(certificate));
    }
    let (site, site_name) = match invitations::redeem(conn, now, token, tls_key, node_key) {
        Ok(named) => named,
        Err(RedeemError::Refused(refusal)) => return Ok(Admission::Refused(refusal)),
        Err(RedeemError::Store(error)) => return Err(error.into()),
        Err(_) => return Ok(Admission::Refused(Refusal::Malformed)),
    };
    let certificate = NodeCertificate {
        site,
        site_name: site_name.clone(),
        node_key: *node_key,
        tls_key: *tls_key,
        issued_at: now,
        succeeds: None,
    };
    directory::store::sites::apply_certificate(conn, &certificate)?;
    let draft = Draft {
        stream: policy_stream(),
        kind: FactKind::NodeCertificate,
        payload: certificate.to_bytes(),
        own_salt: true,
        urgent: false,
    };
    author.write_at_hub(conn, now, &draft)?;
    let hub = SqliteHub::new(conn);
    hub.enrol(now, &NewNode { key: NodeId(*node_key), tls_key: *tls_key, site, site_name })?;
    let wake = hub.offer(now, &policy_stream())?;
    Ok(Admission::Admitted(certificate, wake))
}
