//! The status as JSON. Fields are only ever added.

use replication::edge::lease::{Locked, Locks};
use serde::Serialize;

/// How the node stands.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StatusBody {
    /// The clinic's name at its hub.
    pub(crate) site: Option<String>,
    /// One word for the state of sync.
    pub(crate) state: &'static str,
    /// The same for people.
    pub(crate) sentence: String,
    /// Entries of this node; `authored = at_hub + pending + quarantined + refused + held`.
    pub(crate) entries: EntriesBody,
    /// Readings that devices sent.
    pub(crate) readings: ReadingsBody,
    /// Entries of others whose content was set aside here.
    pub(crate) set_aside: SetAsideBody,
    /// Patients known here.
    pub(crate) patients: u64,
    /// Parts of records that other clinics wrote and may not be opened now.
    pub(crate) locked: LockedBody,
    /// Alerts held, historical ones included.
    pub(crate) alerts: u64,
    /// Critical ones that are not late.
    pub(crate) alerts_critical_open: u64,
    /// When everything was last acknowledged, RFC 3339.
    pub(crate) last_success: Option<String>,
    /// Whether nothing waits, in either direction.
    pub(crate) idle: bool,
    /// Why the hub was not reached or refused, the last time.
    pub(crate) refusal: Option<String>,
    /// How far a change of keys is; nothing when none is under way.
    pub(crate) rotation: Option<String>,
    /// Copies of what is here on another medium.
    pub(crate) backup: BackupBody,
    /// The connection.
    pub(crate) link: LinkBody,
}

/// How backups of this node stand.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BackupBody {
    /// `off`, `none-yet`, `fresh`, `late` or `failing`.
    pub(crate) state: &'static str,
    /// Seconds since the last good one.
    pub(crate) age_seconds: Option<u64>,
    /// The number of the last good one.
    pub(crate) number: Option<u64>,
    /// Why the last attempt failed.
    pub(crate) last_error: Option<String>,
}

/// Parts of records that may not be opened now, by reason.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct LockedBody {
    /// Their permission ended by itself.
    pub(crate) ended: u64,
    /// The hub has not been heard for longer than they may be opened.
    pub(crate) not_heard: u64,
    /// The time is not confirmed.
    pub(crate) time_unknown: u64,
}

impl LockedBody {
    pub(crate) fn of(locks: &Locks) -> Self {
        Self {
            ended: locks.count(Locked::Ended),
            not_heard: locks.count(Locked::NotHeard),
            time_unknown: locks.count(Locked::TimeUnknown),
        }
    }

    /// For people.
    pub(crate) fn sentence(self) -> String {
        let counted = [
            (self.ended, Locked::Ended),
            (self.not_heard, Locked::NotHeard),
            (self.time_unknown, Locked::TimeUnknown),
        ];
        let said: Vec<String> = counted
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, why)| format!("{count} parts of records: {}", why.sentence()))
            .collect();
        if said.is_empty() { "nothing".to_owned() } else { said.join("; ") }
    }
}

/// Entries of this node.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct EntriesBody {
    pub(crate) authored: u64,
    pub(crate) at_hub: u64,
    pub(crate) pending: u64,
    pub(crate) quarantined: u64,
    pub(crate) refused: u64,
    pub(crate) held: u64,
    pub(crate) durable: u64,
    pub(crate) foreign: u64,
}

/// Readings that devices sent: `sent = accepted + duplicate + quarantined + discarded + rejected`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ReadingsBody {
    pub(crate) batches: u64,
    pub(crate) accepted: u64,
    pub(crate) duplicate: u64,
    /// Set aside and waiting for a person.
    pub(crate) quarantined: u64,
    /// Set aside and given up by a person.
    pub(crate) discarded: u64,
    pub(crate) rejected: u64,
    /// Of those accepted, how many were set aside before.
    pub(crate) taken_again: u64,
    pub(crate) open: u64,
    pub(crate) sealed: u64,
}

/// Entries of others whose content was set aside here.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct SetAsideBody {
    /// Waiting for a person.
    pub(crate) open: u64,
    pub(crate) taken_again: u64,
    pub(crate) discarded: u64,
}

/// The connection to the hub since this process started.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LinkBody {
    pub(crate) open: bool,
    /// `udp`, or `tcp` where UDP got no answer; nothing while it is not open.
    pub(crate) road: Option<&'static str>,
    pub(crate) sent_bytes_total: u64,
    pub(crate) received_bytes_total: u64,
    pub(crate) entries_sent: u64,
    pub(crate) entries_stored: u64,
    pub(crate) resent: u64,
    pub(crate) divergences: u64,
}
