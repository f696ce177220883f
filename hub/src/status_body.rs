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
    /// Entries and frames set aside that wait for an operator.
    pub(crate) quarantined: u64,
    /// Set aside before and taken on a later try.
    pub(crate) taken_again: u64,
    /// Set aside before and given up with a reason.
    pub(crate) discarded: u64,
    /// Positions with two histories.
    pub(crate) forks: u64,
    /// Alerts held.
    pub(crate) alerts: u64,
    /// Whether entries are also on a second medium, in words.
    pub(crate) durable: String,
    /// Entries of clinics that are on a second medium.
    pub(crate) durable_entries: u64,
    /// Whether the database came back from a backup.
    pub(crate) safe_mode: bool,
    /// Clinics that it waits for.
    pub(crate) awaited: Vec<String>,
    /// How backups stand.
    pub(crate) backup: BackupBody,
    /// Bytes of conversations that are over.
    pub(crate) sent_bytes_total: u64,
    /// Bytes of conversations that are over.
    pub(crate) received_bytes_total: u64,
    /// The enrolled sites.
    pub(crate) sites: Vec<SiteBody>,
    /// Invitations that can still be used.
    pub(crate) open_invitations: Vec<String>,
}

/// How backups stand.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BackupBody {
    /// `off`, `none-yet`, `fresh`, `late` or `failing`.
    pub(crate) state: &'static str,
    /// Seconds since the last good one.
    pub(crate) age_seconds: Option<u64>,
    /// The number of the last good one.
    pub(crate) number: Option<u64>,
    /// Whether what is in it is on a second medium.
    pub(crate) counts: bool,
    /// Why the last attempt failed.
    pub(crate) last_error: Option<String>,
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
