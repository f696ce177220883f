//! The status as JSON. Fields are only ever added.

use serde::Serialize;

/// How the hub stands.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StatusBody {
    /// Entries held, of all authors.
    pub(crate) entries: u64,
    /// Streams held.
    pub(crate) streams: u64,
    /// Patients whose identity is held.
    pub(crate) patients: u64,
    /// Entries and frames set aside for an operator.
    pub(crate) quarantined: u64,
    /// Positions with two histories.
    pub(crate) forks: u64,
    /// Alerts held.
    pub(crate) alerts: u64,
    /// Whether entries are also on a second medium; none is configured in this version.
    pub(crate) durable: &'static str,
    /// Bytes of conversations that are over.
    pub(crate) sent_bytes_total: u64,
    /// Bytes of conversations that are over.
    pub(crate) received_bytes_total: u64,
    /// The enrolled sites.
    pub(crate) sites: Vec<SiteBody>,
    /// Invitations that can still be used.
    pub(crate) open_invitations: Vec<String>,
}

/// How one site stands.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SiteBody {
    /// What the operator calls it.
    pub(crate) site: String,
    /// The first digits of its key.
    pub(crate) key: String,
    /// Whether a conversation is open.
    pub(crate) connected: bool,
    /// `udp`, or `tcp` where UDP got no answer; nothing while it is not connected.
    pub(crate) road: Option<&'static str>,
    /// When it last greeted, RFC 3339.
    pub(crate) last_seen: Option<String>,
    /// Entries of others that it acknowledged.
    pub(crate) delivered: u64,
    /// Streams of which it has not acknowledged everything it may have.
    pub(crate) behind: u64,
    /// Entries of its own that the hub holds.
    pub(crate) authored: u64,
    /// When its disk was last seen to be put back from an older copy, RFC 3339.
    pub(crate) restored_at: Option<String>,
    /// When a second copy of its node last called, RFC 3339.
    pub(crate) second_copy_at: Option<String>,
}
