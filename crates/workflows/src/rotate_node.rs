//! A node that is in goes over to new keys.

use directory::store::sites;
use directory::{NodeCertificate, Refusal};
use replication::hub::SqliteHub;
use replication::streams::policy_stream;
use replication::{Author, Draft};
use store::Connection;
use sync_protocol::NodeId;
use vocab::{FactKind, Timestamp};

use crate::WorkflowError;

/// Which keys take the place of which. Both node keys signed for it, and the connection that it came
/// over was made with the TLS key.
#[derive(Clone, Debug)]
pub struct Succession {
    /// The key that the node signed with so far.
    pub old_node_key: [u8; 32],
    /// The one it signs with from now on.
    pub new_node_key: [u8; 32],
    /// The one it connects with from now on.
    pub new_tls_key: [u8; 32],
}

/// What became of it.
#[derive(Clone, Debug)]
pub enum Rotation {
    /// The new keys are in; these nodes have the news to fetch.
    Rotated(NodeCertificate, Vec<NodeId>),
    /// It asked before and the answer was lost: the same answer again.
    RotatedBefore(NodeCertificate),
    /// It is told why not.
    Refused(Refusal),
}

/// Lets the node in under its new keys only and writes their certificate, which names the key it
/// succeeds, for everybody; all or nothing.
///
/// # Errors
///
/// [`WorkflowError::Store`]; the old keys are as good as before.
pub fn rotate_node(
    conn: &Connection,
    author: &mut Author,
    now: Timestamp,
    succession: &Succession,
) -> Result<Rotation, WorkflowError> {
    let Succession { old_node_key, new_node_key, new_tls_key } = succession;
    if let Some(standing) = sites::find_tls_key(conn, new_tls_key)?
        && standing.node_key == *new_node_key
        && standing.succeeds == Some(*old_node_key)
    {
        return Ok(Rotation::RotatedBefore(standing));
    }
    if sites::is_known_key(conn, new_tls_key, new_node_key)? {
        return Ok(Rotation::Refused(Refusal::KeyKnown));
    }
    let Some(old) = sites::standing_node(conn, old_node_key)? else {
        return Ok(Rotation::Refused(Refusal::NotCurrent));
    };
    let (before, after) = (NodeId(*old_node_key), NodeId(*new_node_key));
    if !replication::hub::rotate(conn, &before, &after, new_tls_key)? {
        return Ok(Rotation::Refused(Refusal::NotCurrent));
    }
    let certificate = NodeCertificate {
        site: old.site,
        site_name: old.site_name,
        node_key: *new_node_key,
        tls_key: *new_tls_key,
        // The later one names the node, also where the clock was put back.
        issued_at: now.max(Timestamp::from_nanos(old.issued_at.nanos().saturating_add(1))),
        succeeds: Some(*old_node_key),
    };
    sites::apply_certificate(conn, &certificate)?;
    let draft = Draft {
        stream: policy_stream(),
        kind: FactKind::NodeCertificate,
        payload: certificate.to_bytes(),
        own_salt: true,
        urgent: false,
    };
    author.write_at_hub(conn, now, &draft)?;
    let wake = SqliteHub::new(conn).offer(now, &policy_stream())?;
    Ok(Rotation::Rotated(certificate, wake))
}
