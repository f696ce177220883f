//! SQL of nodes, their epochs and their subscriptions.

use std::collections::BTreeSet;

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use store::StoreError;
use sync_protocol::exchange::{Run, RunEntry};
use sync_protocol::lease::LeaseTerms;
use sync_protocol::ranges::Ranges;
use sync_protocol::{Class, EntryId, Epoch, NodeId, SetDigest, StreamId, codec, limits};
use vocab::{PatientId, SiteId, SiteName, Timestamp};

use super::{NewNode, Node};
use crate::ledger::signing_keys;
use crate::ledger::store::{digest_from, entry_columns, entry_from};

const INCARNATION: &str = "SELECT incarnation FROM hub_meta";
const BEGIN_INCARNATION: &str = "INSERT OR IGNORE INTO hub_meta (one, incarnation) VALUES (1, ?1)";
const NODE_BY_TLS_KEY: &str = "
    SELECT no, key, tls_key, site, site_name FROM enrolled_node AS node WHERE tls_key = ?1 AND revoked_at IS NULL";
const NODES: &str = "
    SELECT no, key, tls_key, site, site_name FROM enrolled_node AS node WHERE revoked_at IS NULL ORDER BY no";
const NODES_AT: &str = "
    SELECT no, key, tls_key, site, site_name FROM enrolled_node AS node
    WHERE site = ?1 AND revoked_at IS NULL ORDER BY no";
const SUBSCRIBERS: &str = "
    SELECT node.no, node.key, node.tls_key, node.site, node.site_name
    FROM sub JOIN enrolled_node AS node ON node.no = sub.node
    WHERE sub.stream = ?1 AND sub.state = 1 AND node.revoked_at IS NULL";
const IS_ENROLLED: &str = "SELECT 1 FROM enrolled_node AS node WHERE key = ?1";
const KEY_OF: &str = "SELECT key FROM enrolled_node AS node WHERE no = ?1";
const ENROL: &str = "
    INSERT INTO enrolled_node (key, tls_key, site, site_name, joined_at, feed_sum)
    VALUES (?1, ?2, ?3, ?4, ?5, zeroblob(32))";
const REPLACE_NODE: &str =
    "UPDATE enrolled_node SET revoked_at = ?2 WHERE site = ?1 AND revoked_at IS NULL";
const NOTE_CONTACT: &str = "UPDATE enrolled_node SET last_seen = ?2 WHERE key = ?1";
const RECEIVED: &str = "SELECT received FROM origin_epoch WHERE node = ?1 AND epoch = ?2";
const SET_RECEIVED: &str = "
    INSERT INTO origin_epoch (node, epoch, received, sum) VALUES (?1, ?2, ?3, ?4)
    ON CONFLICT (node, epoch) DO UPDATE SET received = excluded.received, sum = excluded.sum";
const RECEIVED_SUM: &str = "SELECT received, sum FROM origin_epoch WHERE node = ?1 AND epoch = ?2";
const COUNT_OWN: &str = "UPDATE enrolled_node SET own_count = own_count + ?2 WHERE no = ?1";
const NODE_FEED: &str = "SELECT feed_count, feed_sum FROM enrolled_node AS node WHERE no = ?1";
const SET_NODE_FEED: &str = "UPDATE enrolled_node SET feed_count = ?2, feed_sum = ?3 WHERE no = ?1";
const SET_AUTHOR_SITE: &str = "UPDATE stream SET author_site = ?2 WHERE no = ?1";
const AUTHOR_SITE: &str = "SELECT author_site FROM stream WHERE no = ?1";
const STREAM: &str = "SELECT no, id, author_site, class, count FROM stream WHERE id = ?1";
const STREAMS_OF_SUBJECT: &str = "
    SELECT no, id, author_site, class, count FROM stream WHERE substr(id, 1, 17) = ?1";
const STREAMS_OF_SITE: &str = "
    SELECT no, id, author_site, class, count FROM stream WHERE author_site = ?1";
const HOME: &str = "
    SELECT author_site FROM stream
    WHERE substr(id, 1, 17) = ?1 AND author_site IS NOT NULL ORDER BY no LIMIT 1";
const SUB_STATE: &str = "SELECT state FROM sub WHERE stream = ?1 AND node = ?2";
const OPEN_SUB: &str = "
    INSERT INTO sub (node, stream, version, state, acked_idx, foreign_sum, priority, dirty, lease_s,
        lease_until)
    VALUES (?1, ?2, coalesce((SELECT base_version FROM hub_meta), 1), 1, 0, zeroblob(32), ?3, ?4,
        ?5, ?6)";
const REOPEN_SUB: &str = "
    UPDATE sub SET state = 1, version = version + 1, ended_at = NULL, lease_s = ?3,
        lease_until = ?4, lease_told = 0,
        dirty = (acked_idx < (SELECT count FROM stream WHERE no = ?1))
    WHERE stream = ?1 AND node = ?2";
/// Other terms than before.
const CHANGE_LEASE: &str = "
    UPDATE sub SET lease_s = ?3, lease_until = ?4, lease_told = 0
    WHERE stream = ?1 AND node = ?2 AND (lease_s IS NOT ?3 OR lease_until IS NOT ?4)";
const CLOSE_SUB: &str = "
    UPDATE sub SET state = 2, version = version + 1, ended_at = ?3 WHERE stream = ?1 AND node = ?2";
const ADVANCE_AUTHOR: &str = "
    UPDATE sub SET acked_idx = ?4 WHERE stream = ?1 AND node = ?2 AND acked_idx = ?3";
const MARK_DIRTY: &str = "
    UPDATE sub SET dirty = 1 WHERE stream = ?1 AND acked_idx < ?2 AND dirty = 0 RETURNING node";
const WAITING: &str = "SELECT node FROM sub WHERE stream = ?1 AND dirty = 1 AND state = 1";
const MARK_ALL: &str = "
    UPDATE sub SET dirty = 1 WHERE stream = (SELECT no FROM stream WHERE id = ?1) RETURNING node";
const DIRTY: &str = "
    SELECT stream.no, stream.id, stream.author_site, stream.class, stream.count, stream.sum,
           sub.version, sub.acked_idx
    FROM sub JOIN stream ON stream.no = sub.stream
    WHERE sub.node = ?1 AND sub.dirty = 1 AND sub.state = 1 ORDER BY sub.priority, sub.stream";
const DIRTY_STREAM: &str = "
    SELECT stream.no, stream.id, stream.author_site, stream.class, stream.count, stream.sum,
           sub.version, sub.acked_idx
    FROM sub JOIN stream ON stream.no = sub.stream
    WHERE sub.node = ?1 AND sub.stream = ?2 AND sub.dirty = 1 AND sub.state = 1";
const ENTRIES_AFTER: &str = concat!(
    "SELECT entry.idx, ",
    entry_columns!(),
    " FROM entry JOIN chain ON chain.no = entry.chain JOIN stream ON stream.no = entry.stream
      WHERE entry.stream = ?1 AND entry.idx > ?2 ORDER BY entry.idx"
);
const STATUS: &str = "
    SELECT (SELECT count(*) FROM entry), (SELECT count(*) FROM stream),
           (SELECT count(*) FROM quarantine WHERE state = 0), (SELECT count(*) FROM fork_alarm),
           (SELECT count(*) FROM quarantine WHERE state = 1),
           (SELECT count(*) FROM quarantine WHERE state = 2),
           (SELECT count(*) FROM fork_alarm WHERE NOT EXISTS (
               SELECT 1 FROM quarantine WHERE entry_id = fork_alarm.offered_id AND state <> 0))";
const NODE_STATUS: &str = "
    SELECT node.site_name, node.key, node.last_seen, node.joined_at, node.feed_count,
           (SELECT count(*) FROM sub WHERE sub.node = node.no AND dirty = 1 AND state = 1),
           node.own_count, node.restored_at, node.second_copy_at
    FROM enrolled_node AS node WHERE revoked_at IS NULL ORDER BY site_name";

/// A stream as access to it is decided.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StreamAccess {
    pub(crate) no: i64,
    pub(crate) id: StreamId,
    pub(crate) author_site: Option<SiteId>,
    class: u8,
    count: u64,
}

/// A stream of which a node has not acknowledged everything.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dirty {
    no: i64,
    pub(super) id: StreamId,
    pub(super) author_site: Option<SiteId>,
    class: Class,
    pub(super) head: SetDigest,
    version: u32,
    pub(super) acked: u64,
}

/// What the hub holds, in figures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct HubStatus {
    /// Entries held, of all authors.
    pub entries: u64,
    /// Streams held.
    pub streams: u64,
    /// Entries and frames set aside that wait for an operator.
    pub quarantined: u64,
    /// Of those set aside before, taken on a later try.
    pub taken_again: u64,
    /// Of those set aside before, given up with a reason.
    pub discarded: u64,
    /// Positions with two histories.
    pub forks: u64,
    /// Of those, the ones whose second history no person has settled yet.
    pub forks_open: u64,
}

/// How one site stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeStatus {
    /// What the operator calls it.
    pub site_name: SiteName,
    /// Its key.
    pub key: NodeId,
    /// When it last greeted, or was there.
    pub last_seen: Option<Timestamp>,
    /// When it joined.
    pub joined_at: Timestamp,
    /// Entries of others that it holds.
    pub delivered: u64,
    /// Streams of which it has not acknowledged everything.
    pub behind: u64,
    /// Entries of its own that are held here.
    pub authored: u64,
    /// When it was last seen to be put back from an older copy of its disk.
    pub restored_at: Option<Timestamp>,
    /// When a second copy of it last called: it gets nothing until it is enrolled anew.
    pub second_copy_at: Option<Timestamp>,
}

pub(super) fn incarnation(conn: &Connection) -> Result<u64, StoreError> {
    let value: i64 = conn.prepare_cached(INCARNATION)?.query_row([], |row| row.get(0))?;
    Ok(value.cast_unsigned())
}

pub(super) fn begin_incarnation(conn: &Connection, incarnation: u64) -> Result<(), StoreError> {
    conn.prepare_cached(BEGIN_INCARNATION)?.execute([incarnation.cast_signed()])?;
    Ok(())
}

pub(super) fn node_by_tls_key(
    conn: &Connection,
    tls_key: &[u8; 32],
) -> Result<Option<Node>, StoreError> {
    Ok(conn.prepare_cached(NODE_BY_TLS_KEY)?.query_row([tls_key], node_from).optional()?)
}

pub(super) fn nodes(conn: &Connection) -> Result<Vec<Node>, StoreError> {
    let mut statement = conn.prepare_cached(NODES)?;
    let nodes = statement.query_map([], node_from)?;
    Ok(nodes.collect::<Result<_, _>>()?)
}

pub(super) fn nodes_at(
    conn: &Connection,
    sites: &BTreeSet<SiteId>,
) -> Result<Vec<Node>, StoreError> {
    let mut found = Vec::new();
    let mut statement = conn.prepare_cached(NODES_AT)?;
    for site in sites {
        let nodes = statement.query_map([site.bytes()], node_from)?;
        for node in nodes {
            found.push(node?);
        }
    }
    Ok(found)
}

pub(super) fn subscribers(conn: &Connection, stream: i64) -> Result<Vec<Node>, StoreError> {
    let mut statement = conn.prepare_cached(SUBSCRIBERS)?;
    let nodes = statement.query_map([stream], node_from)?;
    Ok(nodes.collect::<Result<_, _>>()?)
}

fn node_from(row: &Row<'_>) -> rusqlite::Result<Node> {
    let name: String = row.get(4)?;
    Ok(Node {
        no: row.get(0)?,
        key: NodeId(row.get(1)?),
        tls_key: row.get(2)?,
        site: SiteId::from_bytes(row.get(3)?),
        site_name: site_name(4, &name)?,
    })
}

fn site_name(column: usize, text: &str) -> rusqlite::Result<SiteName> {
    text.parse().map_err(|error: vocab::BadSlug| {
        rusqlite::Error::FromSqlConversionFailure(
            column,
            rusqlite::types::Type::Text,
            Box::new(error),
        )
    })
}

pub(super) fn is_enrolled(conn: &Connection, node: &NodeId) -> Result<bool, StoreError> {
    Ok(conn.prepare_cached(IS_ENROLLED)?.exists([node.0])?)
}

pub(super) fn keys_of(conn: &Connection, nodes: &BTreeSet<i64>) -> Result<Vec<NodeId>, StoreError> {
    let mut keys = Vec::with_capacity(nodes.len());
    for no in nodes {
        keys.push(conn.prepare_cached(KEY_OF)?.query_row([no], |row| Ok(NodeId(row.get(0)?)))?);
    }
    Ok(keys)
}

/// Lets the nodes of a site in no more; answers how many.
pub(super) fn shut_out(
    conn: &Connection,
    now: Timestamp,
    site: SiteId,
) -> Result<usize, StoreError> {
    Ok(conn.prepare_cached(REPLACE_NODE)?.execute(params![site.bytes(), now.millis()])?)
}

pub(super) fn enrol(conn: &Connection, now: Timestamp, node: &NewNode) -> Result<(), StoreError> {
    // A site has one node: the one before it, if any, is let in no more.
    conn.prepare_cached(REPLACE_NODE)?.execute(params![node.site.bytes(), now.millis()])?;
    conn.prepare_cached(ENROL)?.execute(params![
        node.key.0,
        node.tls_key,
        node.site.bytes(),
        node.site_name.as_str(),
        now.millis()
    ])?;
    Ok(())
}

/// Records that a node was there until now.
///
/// # Errors
///
/// The database's.
pub fn note_contact(conn: &Connection, node: &NodeId, now: Timestamp) -> Result<(), StoreError> {
    conn.prepare_cached(NOTE_CONTACT)?.execute(params![node.0, now.millis()])?;
    Ok(())
}

/// Positions held of one process start of a node.
pub(super) fn received(conn: &Connection, node: i64, epoch: Epoch) -> Result<Ranges, StoreError> {
    let bytes: Option<Vec<u8>> = conn
        .prepare_cached(RECEIVED)?
        .query_row(params![node, epoch.0.cast_signed()], |row| row.get(0))
        .optional()?;
    let Some(bytes) = bytes else { return Ok(Ranges::new()) };
    codec::decode(&bytes).map_err(|_| StoreError::Damaged { what: "list of received positions" })
}

/// What is on record as received of one process start, while a batch is stored.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) received: Ranges,
    /// Sum of the ids; `None` where it was not kept from the beginning.
    sum: Option<SetDigest>,
}

impl Start {
    /// The entry with this name came at this position.
    pub(super) fn note(&mut self, oseq: u64, id: &EntryId) {
        if self.received.insert(oseq)
            && let Some(sum) = &mut self.sum
        {
            sum.insert(id);
        }
    }
}

pub(super) fn start(conn: &Connection, node: i64, epoch: Epoch) -> Result<Start, StoreError> {
    let found: Option<(Vec<u8>, Option<[u8; 32]>)> = conn
        .prepare_cached(RECEIVED_SUM)?
        .query_row(params![node, epoch.0.cast_signed()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((bytes, sum)) = found else {
        return Ok(Start { received: Ranges::new(), sum: Some(SetDigest::EMPTY) });
    };
    let received = codec::decode(&bytes)
        .map_err(|_| StoreError::Damaged { what: "list of received positions" })?;
    // Its count is that of the positions, and is not asked for.
    Ok(Start { received, sum: sum.map(|sum| SetDigest::from_parts(0, &sum)) })
}

pub(super) fn record_start(
    conn: &Connection,
    node: i64,
    epoch: Epoch,
    start: &Start,
) -> Result<(), StoreError> {
    conn.prepare_cached(SET_RECEIVED)?.execute(params![
        node,
        epoch.0.cast_signed(),
        codec::encode(&start.received),
        start.sum.as_ref().map(SetDigest::sum_bytes)
    ])?;
    Ok(())
}

/// So many more entries of the node's own are held.
pub(super) fn count_own(conn: &Connection, node: i64, fresh: u32) -> Result<(), StoreError> {
    conn.prepare_cached(COUNT_OWN)?.execute(params![node, fresh])?;
    Ok(())
}

pub(super) fn node_feed(conn: &Connection, node: i64) -> Result<SetDigest, StoreError> {
    Ok(conn.prepare_cached(NODE_FEED)?.query_row([node], |row| digest_from(row, 0, 1))?)
}

pub(super) fn set_node_feed(
    conn: &Connection,
    node: i64,
    feed: &SetDigest,
) -> Result<(), StoreError> {
    conn.prepare_cached(SET_NODE_FEED)?.execute(params![
        node,
        feed.count.cast_signed(),
        feed.sum_bytes()
    ])?;
    Ok(())
}

pub(super) fn set_author_site(
    conn: &Connection,
    stream: i64,
    site: SiteId,
) -> Result<(), StoreError> {
    conn.prepare_cached(SET_AUTHOR_SITE)?.execute(params![stream, site.bytes()])?;
    Ok(())
}

/// The site that first wrote about the subject of a stream.
pub(super) fn home_of(conn: &Connection, id: &StreamId) -> Result<Option<SiteId>, StoreError> {
    let bytes = id.bytes();
    let subject = bytes.first_chunk::<17>().copied().unwrap_or_default();
    let site: Option<[u8; 16]> =
        conn.prepare_cached(HOME)?.query_row([subject], |row| row.get(0)).optional()?;
    Ok(site.map(SiteId::from_bytes))
}

pub(super) fn author_site(conn: &Connection, stream: i64) -> Result<Option<SiteId>, StoreError> {
    let site: Option<[u8; 16]> =
        conn.prepare_cached(AUTHOR_SITE)?.query_row([stream], |row| row.get(0))?;
    Ok(site.map(SiteId::from_bytes))
}

pub(super) fn stream_access(
    conn: &Connection,
    id: &StreamId,
) -> Result<Option<StreamAccess>, StoreError> {
    Ok(conn.prepare_cached(STREAM)?.query_row([id.bytes()], access_from).optional()?)
}

pub(super) fn streams_of_patient(
    conn: &Connection,
    patient: PatientId,
) -> Result<Vec<StreamAccess>, StoreError> {
    let any = crate::streams::patient_stream(patient, vocab::Compartment::Identity).bytes();
    let subject = any.first_chunk::<17>().copied().unwrap_or_default();
    let mut statement = conn.prepare_cached(STREAMS_OF_SUBJECT)?;
    let streams = statement.query_map([subject], access_from)?;
    Ok(streams.collect::<Result<_, _>>()?)
}

/// The streams that a site keeps.
pub(super) fn streams_of_site(
    conn: &Connection,
    site: SiteId,
) -> Result<Vec<StreamAccess>, StoreError> {
    let mut statement = conn.prepare_cached(STREAMS_OF_SITE)?;
    let streams = statement.query_map([site.bytes()], access_from)?;
    Ok(streams.collect::<Result<_, _>>()?)
}

fn access_from(row: &Row<'_>) -> rusqlite::Result<StreamAccess> {
    Ok(StreamAccess {
        no: row.get(0)?,
        id: StreamId::from_bytes(&row.get(1)?),
        author_site: row.get::<_, Option<[u8; 16]>>(2)?.map(SiteId::from_bytes),
        class: row.get(3)?,
        count: row.get::<_, i64>(4)?.cast_unsigned(),
    })
}

/// Opens a node's subscription under `terms`, changes them, or closes it where there are none; answers
/// whether the node now has something to fetch, to let go or to be told. A row that already says so is
/// left alone.
pub(super) fn set_access(
    conn: &Connection,
    node: i64,
    stream: &StreamAccess,
    terms: Option<LeaseTerms>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let state: Option<i64> = conn
        .prepare_cached(SUB_STATE)?
        .query_row(params![stream.no, node], |row| row.get(0))
        .optional()?;
    let until = |lease: &LeaseTerms| lease.until_ms.map(|at| i64::try_from(at).unwrap_or(i64::MAX));
    match (state, terms) {
        (None, Some(lease)) => {
            conn.prepare_cached(OPEN_SUB)?.execute(params![
                node,
                stream.no,
                stream.class,
                stream.count > 0,
                lease.offline_s,
                until(&lease)
            ])?;
            Ok(stream.count > 0)
        }
        (Some(1), None) => {
            conn.prepare_cached(CLOSE_SUB)?.execute(params![stream.no, node, now.millis()])?;
            Ok(true)
        }
        (Some(2..), Some(lease)) => {
            let row = params![stream.no, node, lease.offline_s, until(&lease)];
            conn.prepare_cached(REOPEN_SUB)?.execute(row)?;
            Ok(true)
        }
        (Some(1), Some(lease)) => {
            let row = params![stream.no, node, lease.offline_s, until(&lease)];
            Ok(conn.prepare_cached(CHANGE_LEASE)?.execute(row)? > 0)
        }
        (None, None) | (Some(_), _) => Ok(false),
    }
}

/// Marks the subscriptions of a stream that grew; the author, if it held all of it, still does.
/// Answers the nodes with something to fetch.
pub(super) fn mark_dirty(
    conn: &Connection,
    stream: i64,
    author: i64,
    count_before: u64,
    count: u64,
) -> Result<Vec<i64>, StoreError> {
    conn.prepare_cached(ADVANCE_AUTHOR)?.execute(params![
        stream,
        author,
        count_before.cast_signed(),
        count.cast_signed()
    ])?;
    {
        let mut statement = conn.prepare_cached(MARK_DIRTY)?;
        let mut rows = statement.query(params![stream, count.cast_signed()])?;
        while rows.next()?.is_some() {}
    }
    let mut statement = conn.prepare_cached(WAITING)?;
    let nodes = statement.query_map([stream], |row| row.get(0))?;
    Ok(nodes.collect::<Result<_, _>>()?)
}

pub(super) fn mark_all_dirty(
    conn: &Connection,
    stream: &StreamId,
) -> Result<BTreeSet<i64>, StoreError> {
    let mut statement = conn.prepare_cached(MARK_ALL)?;
    let nodes = statement.query_map([stream.bytes()], |row| row.get(0))?;
    Ok(nodes.collect::<Result<_, _>>()?)
}

/// Visits the streams a node has not acknowledged in full, most urgent first, until told to stop.
pub(super) fn for_each_dirty(
    conn: &Connection,
    node: i64,
    mut visit: impl FnMut(&Dirty) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    let mut statement = conn.prepare_cached(DIRTY)?;
    let mut rows = statement.query([node])?;
    while let Some(row) = rows.next()? {
        if !visit(&dirty_from(row)?)? {
            break;
        }
    }
    Ok(())
}

/// As [`for_each_dirty`] gives it, one stream.
pub(super) fn dirty(
    conn: &Connection,
    node: i64,
    stream: i64,
) -> Result<Option<Dirty>, StoreError> {
    let mut statement = conn.prepare_cached(DIRTY_STREAM)?;
    Ok(statement.query_row(params![node, stream], dirty_from).optional()?)
}

fn dirty_from(row: &Row<'_>) -> rusqlite::Result<Dirty> {
    Ok(Dirty {
        no: row.get(0)?,
        id: StreamId::from_bytes(&row.get(1)?),
        author_site: row.get::<_, Option<[u8; 16]>>(2)?.map(SiteId::from_bytes),
        class: Class::from_number(row.get(3)?).unwrap_or(Class::Backfill),
        head: digest_from(row, 4, 5)?,
        version: row.get(6)?,
        acked: row.get::<_, i64>(7)?.cast_unsigned(),
    })
}

/// Reads a stream after `from`, cut into runs that fill a frame each, without `node`'s own entries.
pub(super) fn runs(
    conn: &Connection,
    node: &Node,
    dirty: &Dirty,
    from: u64,
    bytes_max: usize,
) -> Result<Vec<Run>, StoreError> {
    let own = signing_keys::of_node(conn, node.key)?;
    let mut statement = conn.prepare_cached(ENTRIES_AFTER)?;
    let mut rows = statement.query(params![dirty.no, from.cast_signed()])?;
    let mut runs = Vec::new();
    let mut run = empty_run(dirty, from);
    let (mut in_run, mut in_all) = (0, 0);
    while let Some(row) = rows.next()? {
        let stored = entry_from(row, 1)?;
        run.to_idx = row.get::<_, i64>(0)?.cast_unsigned();
        if !own.owns(&stored.entry.header.origin) {
            let bytes = stored.entry.payload.bytes().map_or(0, <[u8]>::len) + 128;
            in_run += bytes;
            in_all += bytes;
            run.entries.push(RunEntry { id: stored.id, entry: stored.entry, key: stored.key });
        }
        let full =
            in_run >= limits::FRAME_BYTES_TARGET || run.entries.len() >= limits::FRAME_ENTRIES_MAX;
        if full {
            let next = empty_run(dirty, run.to_idx);
            runs.push(std::mem::replace(&mut run, next));
            in_run = 0;
        }
        if in_all >= bytes_max {
            break;
        }
    }
    if run.to_idx > run.from_idx {
        runs.push(run);
    }
    if let Some(last) = runs.last_mut()
        && last.to_idx == dirty.head.count
    {
        last.head_sum = Some(dirty.head.short());
    }
    Ok(runs)
}

const fn empty_run(dirty: &Dirty, from: u64) -> Run {
    Run {
        stream: dirty.id,
        class: dirty.class,
        version: dirty.version,
        from_idx: from,
        to_idx: from,
        head_sum: None,
        entries: Vec::new(),
    }
}

/// What the hub holds.
///
/// # Errors
///
/// The database's.
pub fn status(conn: &Connection) -> Result<HubStatus, StoreError> {
    let status = conn.prepare_cached(STATUS)?.query_row([], |row| {
        let at = |column: usize| row.get::<_, i64>(column).map(i64::cast_unsigned);
        Ok(HubStatus {
            entries: at(0)?,
            streams: at(1)?,
            quarantined: at(2)?,
            forks: at(3)?,
            taken_again: at(4)?,
            discarded: at(5)?,
            forks_open: at(6)?,
        })
    })?;
    Ok(status)
}

/// How each site stands.
///
/// # Errors
///
/// The database's.
pub fn node_statuses(conn: &Connection) -> Result<Vec<NodeStatus>, StoreError> {
    let mut statement = conn.prepare_cached(NODE_STATUS)?;
    let nodes = statement.query_map([], |row| {
        let name: String = row.get(0)?;
        Ok(NodeStatus {
            site_name: site_name(0, &name)?,
            key: NodeId(row.get(1)?),
            last_seen: row.get::<_, Option<i64>>(2)?.map(Timestamp::from_millis),
            joined_at: Timestamp::from_millis(row.get(3)?),
            delivered: row.get::<_, i64>(4)?.cast_unsigned(),
            behind: row.get::<_, i64>(5)?.cast_unsigned(),
            authored: row.get::<_, i64>(6)?.cast_unsigned(),
            restored_at: row.get::<_, Option<i64>>(7)?.map(Timestamp::from_millis),
            second_copy_at: row.get::<_, Option<i64>>(8)?.map(Timestamp::from_millis),
        })
    })?;
    Ok(nodes.collect::<Result<_, _>>()?)
}
