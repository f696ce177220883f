//! The figures that say how this node stands: read once, shown everywhere the same.

use std::sync::Arc;

use host::backup::Standing;
use host::database::ReadError;
use replication::edge::EdgeStatus;
use store::StoreError;
use sync_status::{Facts, SyncState};
use transport::Road;
use vitals::store::Totals;
use vocab::SiteName;

use crate::node::Node;
use crate::status_body::{
    BackupBody, EntriesBody, LinkBody, LockedBody, ReadingsBody, SetAsideBody, StatusBody,
};
use crate::sync_board::SyncFacts;

/// Figures of one moment.
#[derive(Clone, Debug)]
pub(crate) struct Overview {
    pub(crate) site: Option<SiteName>,
    pub(crate) entries: EdgeStatus,
    pub(crate) readings: Totals,
    /// Entries of others set aside here: open, taken again, discarded.
    pub(crate) set_aside: [u64; 3],
    pub(crate) open: vitals::tail::Counts,
    pub(crate) patients: u64,
    /// Copies of what others wrote that may not be opened now.
    pub(crate) locked: LockedBody,
    pub(crate) alerts: alerts::store::Counts,
    pub(crate) open_critical: u64,
    pub(crate) sync: SyncFacts,
    pub(crate) facts: Facts,
    pub(crate) state: SyncState,
    pub(crate) backup: Standing,
    /// How far a change of keys is, if one is under way.
    pub(crate) rotation: Option<String>,
}

impl Overview {
    /// Reads the figures from one state of the database.
    pub(crate) async fn read(node: &Node) -> Result<Self, ReadError<StoreError>> {
        let now = node.clock.now();
        let sync = node.sync.facts(now);
        let backup = node.backups.standing(now).await;
        let (site, time) = (node.site_or_none(), Arc::clone(&node.time));
        let rotation = crate::rotation::standing(node);
        node.readers
            .read(move |conn| {
                let hub = directory::store::hub_link::hub_link(conn)?;
                let entries = replication::edge::status(conn)?;
                let set_aside = replication::ledger::quarantine::standings(conn)?;
                let facts = Facts {
                    now,
                    joined: hub.is_some(),
                    last_success: sync.last_success,
                    last_attempt_failed: sync.last_attempt_failed,
                    session_open: sync.session_open,
                    pending: entries.pending,
                    attention: entries.quarantined + entries.refused + entries.held + set_aside[0],
                    shut_out: sync.shut_out,
                    second_copy: sync.second_copy,
                    clock_ahead_ms: sync.hub_clock_ahead_ms,
                };
                Ok(Self {
                    site: hub.map(|hub| hub.site_name),
                    entries,
                    readings: vitals::store::totals(conn)?,
                    set_aside,
                    open: vitals::tail::counts(conn)?,
                    patients: patients::store::count(conn)?,
                    locked: LockedBody::of(&time.locks(conn, site)?),
                    alerts: alerts::store::counts(conn)?,
                    open_critical: alerts::store::open_critical(conn)?,
                    state: SyncState::of(&facts),
                    facts,
                    sync,
                    backup,
                    rotation,
                })
            })
            .await
    }

    /// For programs.
    pub(crate) fn to_body(&self) -> StatusBody {
        let EdgeStatus {
            authored,
            pending,
            received,
            quarantined,
            refused,
            held,
            durable,
            foreign,
        } = self.entries;
        StatusBody {
            site: self.site.as_ref().map(ToString::to_string),
            state: self.state.word(),
            sentence: self.state.sentence(&self.facts),
            entries: EntriesBody {
                authored,
                at_hub: received,
                pending,
                quarantined,
                refused,
                held,
                durable,
                foreign,
            },
            readings: ReadingsBody {
                batches: self.readings.batches,
                accepted: self.readings.readings.accepted,
                duplicate: self.readings.readings.duplicate,
                quarantined: self.readings.readings.quarantined,
                discarded: self.readings.discarded,
                rejected: self.readings.readings.rejected,
                taken_again: self.readings.taken_again,
                open: self.open.open_readings,
                sealed: self.open.sealed_readings,
            },
            set_aside: SetAsideBody {
                open: self.set_aside[0],
                taken_again: self.set_aside[1],
                discarded: self.set_aside[2],
            },
            patients: self.patients,
            locked: self.locked,
            alerts: self.alerts.all(),
            alerts_critical_open: self.open_critical,
            last_success: self.sync.last_success.map(|at| at.to_string()),
            idle: self.sync.idle,
            refusal: self.sync.refusal.clone(),
            rotation: self.rotation.clone(),
            backup: BackupBody {
                state: self.backup.state().word(),
                age_seconds: self.backup.age_seconds(),
                number: self.backup.last_good.as_ref().map(|good| good.number),
                last_error: self.backup.failed.as_ref().map(|failed| failed.sentence.clone()),
            },
            link: LinkBody {
                open: self.sync.session_open,
                road: self.sync.road.map(Road::word),
                sent_bytes_total: self.sync.link_sent_bytes,
                received_bytes_total: self.sync.link_received_bytes,
                entries_sent: self.sync.tally.entries_sent,
                entries_stored: self.sync.tally.entries_stored,
                resent: self.sync.tally.resent,
                divergences: self.sync.tally.divergences,
            },
        }
    }

    /// Whether the hub is reached, and by which road.
    pub(crate) fn link_sentence(&self) -> String {
        self.sync
            .road
            .map_or_else(|| "not connected".to_owned(), |road| format!("connected {road}"))
    }

    /// For people.
    pub(crate) fn to_text(&self) -> String {
        let site = self.site.as_ref().map_or("not joined to a hub", |name| name.as_str());
        let durable = durable_words(&self.entries);
        let link = self.link_sentence();
        let refusal = self.sync.refusal.as_deref().unwrap_or("-");
        let rotation =
            self.rotation.as_ref().map_or_else(String::new, |said| format!("keys       {said}\n"));
        let e = &self.entries;
        let r = &self.readings.readings;
        let [open, taken_again, discarded] = self.set_aside;
        format!(
            "clinic     {site}\n\
             sync       {} {}\n\
             link       {link}\n\
             entries    {} authored = {} at the hub + {} pending + {} quarantined + {} refused or held\n\
             durable    {durable}\n\
             from others {} entries; {open} set aside here, {taken_again} taken again, {discarded} discarded\n\
             readings   {} sent = {} accepted + {} duplicate + {} quarantined + {} discarded + {} rejected, in {} batches\n\
             segments   {} readings sealed in {} segments, {} still open\n\
             patients   {}\n\
             locked     {}\n\
             alerts     {} ({} critical and open)\n\
             backup     {}\n\
             {rotation}last error {refusal}\n",
            self.state.symbol(),
            self.state.sentence(&self.facts),
            e.authored,
            e.received,
            e.pending,
            e.quarantined,
            e.refused + e.held,
            e.foreign,
            self.readings.sent(),
            r.accepted,
            r.duplicate,
            r.quarantined,
            self.readings.discarded,
            r.rejected,
            self.readings.batches,
            self.open.sealed_readings,
            self.open.segments,
            self.open.open_readings,
            self.patients,
            self.locked.sentence(),
            self.alerts.all(),
            self.open_critical,
            self.backup.sentence(),
        )
    }
}

/// How much of what is at the hub is on a second medium there. Whether the hub has a backup at all is
/// known here only by what it says of its entries.
pub(crate) fn durable_words(entries: &EdgeStatus) -> String {
    match (entries.received, entries.durable) {
        (0, _) => "0: nothing is at the hub yet".to_owned(),
        (_, 0) => "0: at the hub, not yet on a second medium; the hub has told of no backup of it"
            .to_owned(),
        (received, durable) if durable < received => {
            format!("{durable} of {received} at the hub; the others wait for its next backup")
        }
        (_, durable) => format!("{durable}: all that is at the hub"),
    }
}
