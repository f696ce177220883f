//! The clinic's page: what arrives, what alarms, what waits, what came from elsewhere.

use std::collections::BTreeMap;
use std::sync::Arc;

use alerts::store::Kept;
use pages::board::{Shown, Source};
use pages::code_names::name_of;
use pages::metrics::Metrics;
use pages::view::{Mark, Row, Table, Tone, short_time};
use pages::{BackupHealth, Provide, SetAsideHealth, View};
use replication::edge::lease::Locks;
use replication::ledger::signing_keys;
use store::{Connection, StoreError};
use sync_protocol::NodeId;
use sync_status::SyncState;
use transport::Road;
use vocab::{Compartment, PatientId, SiteId, Timestamp};

use crate::node::Node;
use crate::overview::{Overview, durable_words};

/// Rows of each table: what fits a screen.
const ROWS: usize = 20;

const FOOTER: &str = "Cairn is not a certified medical device. Values are as devices sent them; \
    times are UTC.";

/// Fills the pages in.
pub(crate) struct EdgeView {
    node: Arc<Node>,
}

impl EdgeView {
    pub(crate) fn new(node: Arc<Node>) -> Self {
        Self { node }
    }

    async fn tables(&self) -> Option<Vec<Table>> {
        let (site, now) = (self.node.site_or_none(), self.node.clock.now());
        let (latest, recent) = (self.node.board.latest(), self.node.board.recent());
        let time = Arc::clone(&self.node.time);
        let read = self.node.readers.read(move |conn| {
            let mut names = Names::new(site, now);
            let rows = u32::try_from(ROWS).unwrap_or(u32::MAX);
            let locks = time.locks(conn, site)?;
            let mut newest = alerts::store::newest(conn, ROWS * 5)?;
            newest.retain(|kept| {
                kept.author == site || locks.of_part(kept.patient, Compartment::Alerts).is_none()
            });
            // Critical and present first; among equals the newest.
            newest.sort_by_key(|kept| {
                (kept.alert.late, std::cmp::Reverse(kept.alert.raised.severity))
            });
            newest.truncate(ROWS);
            Ok::<_, StoreError>(vec![
                alert_table(conn, &mut names, &newest)?,
                value_table(conn, &mut names, &locks, "Arriving now", "Newest first", &recent)?,
                value_table(
                    conn,
                    &mut names,
                    &locks,
                    "Latest values",
                    "One row per sign",
                    &latest,
                )?,
                quarantine_table(conn, rows)?,
            ])
        });
        read.await.ok()
    }
}

impl Provide for EdgeView {
    async fn view(&self) -> Option<View> {
        let overview = Overview::read(&self.node).await.ok()?;
        let (entries, readings) = (overview.entries, overview.readings.readings);
        let [aside, _, given_up] = overview.set_aside;
        let counted = self.node.counts.read();
        let title = overview.site.as_ref().map_or("Cairn clinic", |name| name.as_str());
        Some(View {
            title: title.to_owned(),
            state: format!(
                "{} {}",
                overview.state.symbol(),
                overview.state.sentence(&overview.facts)
            ),
            tone: match overview.state {
                SyncState::UpToDate | SyncState::Syncing => Tone::Fine,
                SyncState::Never | SyncState::Pending | SyncState::Offline => Tone::Waits,
                SyncState::Attention
                | SyncState::Clock
                | SyncState::Stale
                | SyncState::SecondCopy
                | SyncState::ShutOut => Tone::Needs,
            },
            trouble: match &overview.sync.refusal {
                Some(refusal) => refusal.clone(),
                None => overview.backup.trouble(),
            },
            figures: vec![
                ("readings accepted", readings.accepted),
                ("repeats", readings.duplicate),
                ("set aside, to be settled", readings.quarantined),
                ("set aside, given up", overview.readings.discarded),
                ("rejected", readings.rejected),
                ("readings not sealed yet", overview.open.open_readings),
                ("critical alerts, not late", overview.open_critical),
                ("alerts in all", overview.alerts.all()),
                ("patients", overview.patients),
                ("entries from other clinics", entries.foreign),
                ("of those set aside, to be settled", aside),
                ("of those set aside, given up", given_up),
                ("batches refused since start", counted.refused_batches),
                ("parts of records locked", {
                    let locked = overview.locked;
                    locked.ended + locked.not_heard + locked.time_unknown
                }),
            ],
            sum: format!(
                "{} entries written here = {} at the hub + {} waiting + {} quarantined there + {} \
                 refused or held back; {}. On a second medium at the hub: {}. Backup of this clinic: {}.",
                entries.authored,
                entries.received,
                entries.pending,
                entries.quarantined,
                entries.refused + entries.held,
                overview.link_sentence(),
                durable_words(&entries),
                overview.backup.sentence()
            ),
            tables: self.tables().await?,
            footer: FOOTER.to_owned(),
        })
    }

    async fn backup(&self) -> Option<BackupHealth> {
        Some(crate::backup::health(&self.node).await)
    }

    async fn set_aside(&self) -> Option<SetAsideHealth> {
        let read = self.node.readers.read(|conn| {
            let [open, _, discarded] = replication::ledger::quarantine::standings(conn)?;
            let totals = vitals::store::totals(conn)?;
            Ok::<_, StoreError>(SetAsideHealth {
                open: open + totals.readings.quarantined,
                discarded: discarded + totals.discarded,
            })
        });
        read.await.ok()
    }

    async fn metrics(&self) -> Option<String> {
        let overview = Overview::read(&self.node).await.ok()?;
        let (entries, readings, counted) =
            (overview.entries, overview.readings.readings, self.node.counts.read());
        let mut metrics = Metrics::default();
        metrics.figure("edge_pending_entries", "Entries that wait for the hub", entries.pending);
        metrics.figures(
            "edge_entries",
            "Entries written here by where they are",
            [
                ("at_hub", entries.received),
                ("pending", entries.pending),
                ("quarantined", entries.quarantined),
                ("refused", entries.refused),
                ("held", entries.held),
            ],
        );
        metrics.figures(
            "edge_readings",
            "Readings that devices sent, by outcome",
            [
                ("accepted", readings.accepted),
                ("duplicate", readings.duplicate),
                ("quarantined", readings.quarantined),
                ("discarded", overview.readings.discarded),
                ("rejected", readings.rejected),
            ],
        );
        let [open, taken_again, discarded] = overview.set_aside;
        metrics.figures(
            "edge_entries_set_aside",
            "Entries of others whose content was set aside here, by how they stand",
            [("open", open), ("taken-again", taken_again), ("discarded", discarded)],
        );
        metrics.figure(
            "edge_refused_batches",
            "Batches refused whole since the start",
            counted.refused_batches,
        );
        metrics.figures(
            "edge_alerts",
            "Alerts held, by severity",
            [
                ("critical", overview.alerts.critical),
                ("high", overview.alerts.high),
                ("medium", overview.alerts.medium),
                ("low", overview.alerts.low),
            ],
        );
        let locked = overview.locked;
        metrics.figures(
            "edge_locked_parts",
            "Parts of records of other clinics that may not be opened now",
            [
                ("ended", locked.ended),
                ("not_heard", locked.not_heard),
                ("time_unknown", locked.time_unknown),
            ],
        );
        metrics.figure(
            "edge_durable_entries",
            "Entries written here that are on a second medium at the hub",
            entries.durable,
        );
        metrics.figure(
            "edge_backup_last_good_timestamp_seconds",
            "When the state of the last good backup was read; 0 for none",
            overview.backup.last_good_seconds(),
        );
        metrics.figure(
            "edge_backup_failing",
            "Whether the last attempt at a backup failed",
            u64::from(overview.backup.failed.is_some()),
        );
        let last = overview.sync.last_success.map_or(0, |at| at.millis().max(0) / 1_000);
        metrics.figure(
            "edge_sync_last_success_timestamp_seconds",
            "When everything was last acknowledged by the hub",
            last.cast_unsigned(),
        );
        metrics.figures(
            "edge_link_bytes",
            "Bytes to and from the hub since the start, as UDP or TCP carried them",
            [
                ("sent", overview.sync.link_sent_bytes),
                ("received", overview.sync.link_received_bytes),
            ],
        );
        metrics.figures(
            "edge_link_road",
            "Which road to the hub is in use: 1 for at most one of them",
            [Road::Udp, Road::Tcp]
                .map(|road| (road.word(), u64::from(overview.sync.road == Some(road)))),
        );
        metrics.finish()
    }
}

/// Puts what was stored last on the board.
pub(crate) async fn refill(node: &Arc<Node>) {
    let at = Arc::clone(node);
    let read = node.readers.read(move |conn| {
        let own = signing_keys::of_node(conn, at.key())?;
        let here =
            |author: &NodeId| Ok(if own.owns(author) { Source::Here } else { Source::Elsewhere });
        at.board.refill(conn, true, here)
    });
    if let Err(error) = read.await {
        tracing::warn!(%error, "the board could not be filled with what was stored last");
    }
}

/// Patients' numbers, looked up once each.
struct Names {
    now: Timestamp,
    site: SiteId,
    known: BTreeMap<PatientId, String>,
}

impl Names {
    const fn new(site: SiteId, now: Timestamp) -> Self {
        Self { now, site, known: BTreeMap::new() }
    }

    fn of(&mut self, conn: &Connection, patient: PatientId) -> Result<String, StoreError> {
        if let Some(known) = self.known.get(&patient) {
            return Ok(known.clone());
        }
        let name = match patients::store::number_of(conn, self.site, patient)? {
            Some((number, by)) if by == self.site => number.as_str().to_owned(),
            // Two clinics may give one number to two people.
            Some((number, by)) => {
                let clinic = directory::store::sites::site_name(conn, by)?;
                let clinic = clinic.map_or_else(|| by.to_string(), |name| name.to_string());
                format!("{} of {clinic}", number.as_str())
            }
            None => patient.to_string(),
        };
        self.known.insert(patient, name.clone());
        Ok(name)
    }
}

fn alert_table(conn: &Connection, names: &mut Names, newest: &[Kept]) -> Result<Table, StoreError> {
    let mut rows = Vec::new();
    for kept in newest {
        let alert = &kept.alert;
        let mark = match (alert.late, alert.is_urgent()) {
            (true, _) => Mark::Past,
            (false, true) => Mark::Critical,
            (false, false) => Mark::None,
        };
        let when = if alert.late { "past" } else { "" };
        rows.push(Row {
            cells: vec![
                format!("{} {}", alert.raised.severity.word(), alert.raised.direction.word()),
                names.of(conn, kept.patient)?,
                name_of(&alert.code.to_string()).to_owned(),
                format!("{} {}", alert.value, alert.unit.as_str()),
                short_time(alert.time, names.now),
                when.to_owned(),
            ],
            mark,
        });
    }
    Ok(Table {
        heading: "Alerts",
        caption: "The most severe first; those about the past came late".to_owned(),
        columns: vec!["Level", "Patient", "Sign", "#Value", "Time", ""],
        rows,
    })
}

fn value_table(
    conn: &Connection,
    names: &mut Names,
    locks: &Locks,
    heading: &'static str,
    caption: &str,
    values: &[Shown],
) -> Result<Table, StoreError> {
    let mut rows = Vec::new();
    let is_open = |shown: &&Shown| {
        shown.source == Source::Here || locks.of_part(shown.patient, Compartment::Vitals).is_none()
    };
    for shown in values.iter().filter(is_open).take(ROWS) {
        let from = match shown.source {
            Source::Here => "",
            Source::Site(_) | Source::Elsewhere => "other clinic",
        };
        rows.push(Row {
            cells: vec![
                names.of(conn, shown.patient)?,
                name_of(&shown.reading.code.to_string()).to_owned(),
                format!("{} {}", shown.reading.value, shown.reading.unit.as_str()),
                short_time(shown.reading.time, names.now),
                shown.device.to_string(),
                from.to_owned(),
            ],
            mark: Mark::None,
        });
    }
    Ok(Table {
        heading,
        caption: caption.to_owned(),
        columns: vec!["Patient", "Sign", "#Value", "Device time", "Device", ""],
        rows,
    })
}

fn quarantine_table(conn: &Connection, limit: u32) -> Result<Table, StoreError> {
    let open = vitals::quarantine::list(conn, false, limit)?.into_iter();
    let rows = open.filter_map(|mut waiting| Some((waiting.contents.take()?, waiting))).map(
        |(contents, waiting)| Row {
            cells: vec![
                contents.patient.as_str().to_owned(),
                name_of(&waiting.code.to_string()).to_owned(),
                format!("{} {}", contents.value, waiting.unit.as_str()),
                waiting.device.to_string(),
                waiting.reason.word().to_owned(),
            ],
            mark: Mark::None,
        },
    );
    Ok(Table {
        heading: "Set aside",
        caption: "Readings that could be read and were not trusted; the newest first".to_owned(),
        columns: vec!["Patient", "Sign", "#Value", "Device", "Why"],
        rows: rows.collect(),
    })
}
