//! The hub's page: which clinics are there, what is held, what arrives.

use std::sync::Arc;

use pages::board::{Shown, Source};
use pages::code_names::name_of;
use pages::metrics::Metrics;
use pages::view::{Mark, Row, Table, Tone, short_time};
use pages::{BackupHealth, Provide, SetAsideHealth, View};
use replication::hub::NodeStatus;
use store::{Connection, StoreError};
use sync_status::ago;
use transport::Road;
use vocab::{PatientId, SiteId, Timestamp};

use crate::node::Hub;
use crate::overview::Overview;

/// Rows of each table: what fits a screen.
const ROWS: usize = 20;

/// A second copy that called within a day counts as running.
const SECOND_COPY_SECONDS: i64 = 24 * 60 * 60;

const NO_SITE: SiteId = SiteId::from_bytes([0; 16]);

const FOOTER: &str = "Cairn is not a certified medical device. The hub can read what it holds. \
    Times are UTC.";

/// Fills the pages in.
pub(crate) struct HubView {
    hub: Arc<Hub>,
}

impl HubView {
    pub(crate) const fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }

    async fn value_tables(&self) -> Option<Vec<Table>> {
        let (latest, now) = (self.hub.board.latest(), self.hub.clock.now());
        let read = self.hub.readers.read(move |conn| {
            Ok::<_, StoreError>(vec![alert_table(conn, now)?, live_table(conn, &latest, now)?])
        });
        read.await.ok()
    }

    fn site_table(&self, overview: &Overview) -> Table {
        let rows = overview.sites.iter().map(|(site, road)| {
            let progress = self.hub.sites.of(&site.key);
            let resent = progress.map_or(0, |progress| progress.tally.resent);
            let contact = match (road, site.last_seen) {
                _ if two_copies(site, overview.now) => "two copies run".to_owned(),
                (Some(road), _) => format!("connected {road}"),
                (None, Some(at)) => ago(overview.now.seconds_since(at)),
                (None, None) => "never".to_owned(),
            };
            let behind = match site.behind {
                0 => "nothing".to_owned(),
                streams => format!("{streams} streams"),
            };
            let cells = vec![
                site.site_name.to_string(),
                contact,
                site.authored.to_string(),
                site.delivered.to_string(),
                behind,
                resent.to_string(),
            ];
            let two = two_copies(site, overview.now);
            let mark = if two { Mark::Critical } else { Mark::None };
            Row { cells, mark }
        });
        Table {
            heading: "Clinics",
            caption: "What each wrote that is here, and what each acknowledged of others"
                .to_owned(),
            columns: vec![
                "Clinic",
                "Contact",
                "#Own entries here",
                "#Holds of others",
                "Waits for",
                "#Sent again",
            ],
            rows: rows.collect(),
        }
    }
}

impl Provide for HubView {
    async fn view(&self) -> Option<View> {
        let overview = Overview::read(&self.hub).await.ok()?;
        let connected = overview.sites.iter().filter(|(_, road)| road.is_some()).count() as u64;
        let held = overview.held;
        let mut tables = vec![self.site_table(&overview)];
        tables.extend(self.value_tables().await?);
        // What forked is set aside as well.
        let review = held.quarantined.max(held.forks_open);
        Some(View {
            title: "Cairn hub".to_owned(),
            state: match (review, overview.sites.len() as u64) {
                (1, _) => "! 1 item needs review".to_owned(),
                (2.., _) => format!("! {review} items need review"),
                (0, 0) => "◌ No clinic has joined yet".to_owned(),
                (0, all) if connected == all => format!("✓ {connected} of {all} clinics connected"),
                (0, all) => format!("○ {connected} of {all} clinics connected"),
            },
            tone: match (review, overview.sites.len() as u64) {
                (1.., _) => Tone::Needs,
                (0, all) if all > 0 && connected == all => Tone::Fine,
                (0, _) => Tone::Waits,
            },
            trouble: overview.backup.trouble(),
            figures: vec![
                ("entries", held.entries),
                ("streams", held.streams),
                ("patients", overview.patients),
                ("alerts", overview.alerts.all()),
                ("critical alerts in all", overview.alerts.critical),
                ("set aside, to be settled", held.quarantined),
                ("set aside, given up", held.discarded),
                ("forked positions", held.forks),
                ("open invitations", overview.invitations.len() as u64),
            ],
            sum: format!(
                "{} entries of clinics are on a second medium. Backup: {}.",
                overview.durable,
                overview.backup.sentence()
            ),
            tables,
            footer: FOOTER.to_owned(),
        })
    }

    async fn backup(&self) -> Option<BackupHealth> {
        Some(crate::backup::health(&self.hub).await)
    }

    async fn set_aside(&self) -> Option<SetAsideHealth> {
        let held = self.hub.readers.read(replication::hub::status).await.ok()?;
        Some(SetAsideHealth { open: held.quarantined, discarded: held.discarded })
    }

    async fn metrics(&self) -> Option<String> {
        let overview = Overview::read(&self.hub).await.ok()?;
        let mut metrics = Metrics::default();
        metrics.figure("hub_entries", "Entries held", overview.held.entries);
        metrics.figure("hub_streams", "Streams held", overview.held.streams);
        let held = overview.held;
        metrics.figure("hub_quarantined", "Set aside, to be settled", held.quarantined);
        metrics.figures(
            "hub_quarantine_settled",
            "Set aside before and settled by a person, by how",
            [("taken-again", held.taken_again), ("discarded", held.discarded)],
        );
        metrics.figure("hub_forks", "Positions with two histories", overview.held.forks);
        let durable = overview.durable;
        metrics.figure("hub_durable_entries", "Clinics' entries on a second medium", durable);
        metrics.figure(
            "hub_backup_last_good_timestamp_seconds",
            "When the state of the last good backup was read; 0 for none",
            overview.backup.last_good_seconds(),
        );
        metrics.figure(
            "hub_backup_failing",
            "Whether the last attempt at a backup failed",
            u64::from(overview.backup.failed.is_some()),
        );
        let lag = |site: &NodeStatus| {
            let since = site.last_seen.map_or(0, |at| overview.now.seconds_since(at).max(0));
            since.cast_unsigned()
        };
        metrics.figures(
            "hub_edge_lag_seconds",
            "Seconds since a clinic last greeted; 0 while it is connected",
            overview.sites.iter().map(|(site, road)| {
                (site.site_name.as_str(), if road.is_some() { 0 } else { lag(site) })
            }),
        );
        let over = |road| overview.sites.iter().filter(|(_, one)| *one == Some(road)).count();
        metrics.figures(
            "hub_edges_connected",
            "Clinics that are connected, by the road their links take",
            [Road::Udp, Road::Tcp].map(|road| (road.word(), over(road) as u64)),
        );
        metrics.figures(
            "hub_edge_behind_streams",
            "Streams of which a clinic has not acknowledged everything",
            overview.sites.iter().map(|(site, _)| (site.site_name.as_str(), site.behind)),
        );
        metrics.finish()
    }
}

/// Puts what was stored last on the board.
pub(crate) async fn refill(hub: &Arc<Hub>) {
    let at = Arc::clone(hub);
    let read = hub.readers.read(move |conn| {
        at.board.refill(conn, false, |author| {
            let site = directory::store::sites::site_of_node(conn, &author.0)?;
            Ok(site.map_or(Source::Elsewhere, Source::Site))
        })
    });
    if let Err(error) = read.await {
        tracing::warn!(%error, "the board could not be filled with what was stored last");
    }
}

/// A patient's number, with the clinic that gave it where that is not the one of the row: two clinics
/// may give one number to two people.
fn patient_name(
    conn: &Connection,
    patient: PatientId,
    of_row: Option<SiteId>,
) -> Result<String, StoreError> {
    match patients::store::number_of(conn, of_row.unwrap_or(NO_SITE), patient)? {
        Some((number, by)) if Some(by) == of_row => Ok(number.as_str().to_owned()),
        Some((number, by)) => Ok(format!("{} of {}", number.as_str(), site_name(conn, by)?)),
        None => Ok(patient.to_string()),
    }
}

fn site_name(conn: &Connection, site: SiteId) -> Result<String, StoreError> {
    let found = directory::store::sites::site_name(conn, site)?;
    Ok(found.map_or_else(|| site.to_string(), |name| name.to_string()))
}

fn alert_table(conn: &Connection, now: Timestamp) -> Result<Table, StoreError> {
    let mut rows = Vec::new();
    for kept in alerts::store::newest(conn, ROWS)? {
        let alert = &kept.alert;
        let mark = match (alert.late, alert.is_urgent()) {
            (true, _) => Mark::Past,
            (false, true) => Mark::Critical,
            (false, false) => Mark::None,
        };
        rows.push(Row {
            cells: vec![
                format!("{} {}", alert.raised.severity.word(), alert.raised.direction.word()),
                patient_name(conn, kept.patient, Some(kept.author))?,
                name_of(&alert.code.to_string()).to_owned(),
                format!("{} {}", alert.value, alert.unit.as_str()),
                short_time(alert.time, now),
                site_name(conn, kept.author)?,
            ],
            mark,
        });
    }
    Ok(Table {
        heading: "Alerts",
        caption: "The last that arrived; pale ones are about the past".to_owned(),
        columns: vec!["Level", "Patient", "Sign", "#Value", "Time", "Clinic"],
        rows,
    })
}

fn live_table(conn: &Connection, latest: &[Shown], now: Timestamp) -> Result<Table, StoreError> {
    let mut rows = Vec::new();
    for shown in latest.iter().take(ROWS) {
        let from = match shown.source {
            Source::Site(site) => Some(site),
            Source::Here | Source::Elsewhere => None,
        };
        let site = from.map_or_else(|| Ok(String::new()), |site| site_name(conn, site))?;
        rows.push(Row {
            cells: vec![
                patient_name(conn, shown.patient, from)?,
                name_of(&shown.reading.code.to_string()).to_owned(),
                format!("{} {}", shown.reading.value, shown.reading.unit.as_str()),
                short_time(shown.reading.time, now),
                site,
            ],
            mark: Mark::None,
        });
    }
    Ok(Table {
        heading: "Live values",
        caption: "As clinics report them, before they are sealed; not stored".to_owned(),
        columns: vec!["Patient", "Sign", "#Value", "Device time", "Clinic"],
        rows,
    })
}

/// Whether two copies of a site's node run: one that gets nothing still calls every quarter of an hour.
fn two_copies(site: &NodeStatus, now: Timestamp) -> bool {
    site.second_copy_at.is_some_and(|at| now.seconds_since(at) < SECOND_COPY_SECONDS)
}
