//! The figures that say how the hub stands: read once, shown everywhere the same.

use directory::store::invitations::OpenInvitation;
use host::backup::Standing;
use host::database::ReadError;
use replication::hub::{HubStatus, NodeStatus};
use store::StoreError;
use sync_status::ago;
use transport::Road;
use vocab::{SiteName, Timestamp};

use crate::node::Hub;
use crate::status_body::{BackupBody, SiteBody, StatusBody};

const RESTORED: &str = "restored    this hub came back from a backup and is in safe mode: each clinic gets \
    only what it keeps itself until all have sent what they wrote";

/// Figures of one moment.
#[derive(Clone, Debug)]
pub(crate) struct Overview {
    pub(crate) now: Timestamp,
    pub(crate) held: HubStatus,
    /// The sites, and by which road each is connected, if it is.
    pub(crate) sites: Vec<(NodeStatus, Option<Road>)>,
    pub(crate) patients: u64,
    pub(crate) alerts: alerts::store::Counts,
    pub(crate) invitations: Vec<OpenInvitation>,
    pub(crate) traffic: (u64, u64),
    pub(crate) backup: Standing,
    /// Entries that are on a second medium.
    pub(crate) durable: u64,
    /// The database came back from a backup.
    pub(crate) safe_mode: bool,
    /// Clinics that safe mode waits for.
    pub(crate) awaited: Vec<SiteName>,
    /// When and why an operator ended safe mode without waiting.
    pub(crate) overridden: Option<(Timestamp, String)>,
}

impl Overview {
    /// Reads the figures from one state of the database.
    pub(crate) async fn read(hub: &Hub) -> Result<Self, ReadError<StoreError>> {
        let now = hub.clock.now();
        let traffic = hub.traffic.totals();
        let connected = hub.sessions.connected();
        let backup = hub.backups.standing(now).await;
        hub.readers
            .read(move |conn| {
                let sites = replication::hub::node_statuses(conn)?;
                Ok(Self {
                    now,
                    held: replication::hub::status(conn)?,
                    sites: sites
                        .into_iter()
                        .map(|site| {
                            let road = connected.get(&site.key).copied();
                            (site, road)
                        })
                        .collect(),
                    patients: patients::store::count(conn)?,
                    alerts: alerts::store::counts(conn)?,
                    invitations: directory::store::invitations::open_invitations(conn, now)?,
                    traffic,
                    backup,
                    durable: replication::hub::durable::count(conn)?,
                    safe_mode: replication::hub::is_in_safe_mode(conn)?,
                    awaited: replication::hub::awaited(conn)?,
                    overridden: replication::hub::overridden(conn)?,
                })
            })
            .await
    }

    /// For programs.
    pub(crate) fn to_body(&self) -> StatusBody {
        StatusBody {
            entries: self.held.entries,
            streams: self.held.streams,
            patients: self.patients,
            quarantined: self.held.quarantined,
            taken_again: self.held.taken_again,
            discarded: self.held.discarded,
            forks: self.held.forks,
            alerts: self.alerts.all(),
            durable: self.backup.sentence(),
            durable_entries: self.durable,
            safe_mode: self.safe_mode,
            awaited: self.awaited.iter().map(ToString::to_string).collect(),
            backup: BackupBody {
                state: self.backup.state().word(),
                age_seconds: self.backup.age_seconds(),
                number: self.backup.last_good.as_ref().map(|good| good.number),
                counts: self.backup.counts(),
                last_error: self.backup.failed.as_ref().map(|failed| failed.sentence.clone()),
            },
            sent_bytes_total: self.traffic.0,
            received_bytes_total: self.traffic.1,
            sites: self.sites.iter().map(|(site, road)| site_body(site, *road)).collect(),
            open_invitations: self.invitations.iter().map(|i| i.site_name.to_string()).collect(),
        }
    }

    /// For people.
    pub(crate) fn to_text(&self) -> String {
        let mut text = format!(
            "held        {} entries in {} streams, of {} patients\n\
             durable     {} entries of clinics are on a second medium\n\
             backup      {}\n\
             quarantine  {} set aside, {} taken again, {} discarded, {} forked positions\n\
             alerts      {} ({} critical)\n",
            self.held.entries,
            self.held.streams,
            self.patients,
            self.durable,
            self.backup.sentence(),
            self.held.quarantined,
            self.held.taken_again,
            self.held.discarded,
            self.held.forks,
            self.alerts.all(),
            self.alerts.critical,
        );
        if self.safe_mode {
            let awaited: Vec<&str> = self.awaited.iter().map(|site| site.as_str()).collect();
            text.push_str(&format!(
                "{RESTORED}. Waits for: {}. If one cannot be reached, \
                 `hub leave-safe-mode --reason \"...\"` goes on without\n",
                awaited.join(", ")
            ));
        }
        if let Some((at, reason)) = &self.overridden {
            text.push_str(&format!(
                "restored    safe mode was ended by hand at {at}, before every clinic had reported: \
                 {reason}\n"
            ));
        }
        for (site, road) in &self.sites {
            let contact = match (road, site.last_seen) {
                (Some(road), _) => format!("connected {road}"),
                (None, Some(at)) => format!("last seen {}", ago(self.now.seconds_since(at))),
                (None, None) => "never seen".to_owned(),
            };
            let behind = match site.behind {
                0 => "has all it may have".to_owned(),
                streams => format!("behind in {streams} streams"),
            };
            text.push_str(&format!(
                "site        {}: {contact}; {} entries of its own here; holds {} of others, {behind}\n",
                site.site_name, site.authored, site.delivered
            ));
            if let Some(at) = site.restored_at {
                text.push_str(&format!(
                    "            {}: its disk was put back from an older copy, seen {at}; what the hub \
                     had of it was sent back\n",
                    site.site_name
                ));
            }
            if let Some(at) = site.second_copy_at {
                text.push_str(&format!(
                    "            {}: TWO COPIES of its node run, last seen {at}: stop one, and enrol \
                     it anew if it is the one to keep (`hub invite --site {}`)\n",
                    site.site_name, site.site_name
                ));
            }
        }
        for invitation in &self.invitations {
            text.push_str(&format!(
                "invited     {} until {}\n",
                invitation.site_name, invitation.expires_at
            ));
        }
        text
    }
}

fn site_body(site: &NodeStatus, road: Option<Road>) -> SiteBody {
    SiteBody {
        site: site.site_name.to_string(),
        key: site.key.short(),
        connected: road.is_some(),
        road: road.map(Road::word),
        last_seen: site.last_seen.map(|at| at.to_string()),
        delivered: site.delivered,
        behind: site.behind,
        authored: site.authored,
        restored_at: site.restored_at.map(|at| at.to_string()),
        second_copy_at: site.second_copy_at.map(|at| at.to_string()),
    }
}
