//! The sites as certificates name them, at the hub and at every clinic.

use rusqlite::{Row, params};
use store::{Connection, StoreError};
use vocab::{SiteId, SiteName, Timestamp};

use crate::NodeCertificate;

/// An older certificate that comes late changes nothing.
const KEEP: &str = "
    INSERT INTO node (node_key, tls_key, site, site_name, issued_at_ns, succeeds)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (node_key) DO UPDATE SET
        tls_key = excluded.tls_key,
        site = excluded.site,
        site_name = excluded.site_name,
        issued_at_ns = excluded.issued_at_ns,
        succeeds = excluded.succeeds
    WHERE excluded.issued_at_ns > node.issued_at_ns";

const SITES: &str = "
    SELECT node_key, tls_key, site, site_name, issued_at_ns, succeeds FROM site ORDER BY site_name, site";

const BY_TLS_KEY: &str = "
    SELECT node_key, tls_key, site, site_name, issued_at_ns, succeeds FROM site WHERE tls_key = ?1
    ORDER BY issued_at_ns DESC LIMIT 1";

const BY_NODE_KEY: &str = "
    SELECT node_key, tls_key, site, site_name, issued_at_ns, succeeds FROM site WHERE node_key = ?1";

const BY_NAME: &str = "
    SELECT site FROM site WHERE site_name = ?1 ORDER BY issued_at_ns DESC LIMIT 1";

const OF_NODE: &str = "SELECT site FROM node WHERE node_key = ?1";

const NAME_OF: &str = "SELECT site_name FROM site WHERE site = ?1";

const IS_KEY: &str = "
    SELECT EXISTS (SELECT 1 FROM node WHERE node_key IN (?1, ?2))
        OR EXISTS (SELECT 1 FROM node WHERE tls_key IN (?1, ?2))";

/// Keeps what the hub says about a node; answers whether it was news.
///
/// Applying certificates again, or an older one after a newer one of the same node, changes nothing.
/// The caller checked that the hub said so.
///
/// # Errors
///
/// [`StoreError`] as the database reports it.
pub fn apply_certificate(
    conn: &Connection,
    certificate: &NodeCertificate,
) -> Result<bool, StoreError> {
    let rows = conn.prepare_cached(KEEP)?.execute(params![
        certificate.node_key,
        certificate.tls_key,
        certificate.site.bytes(),
        certificate.site_name.as_str(),
        certificate.issued_at.nanos(),
        certificate.succeeds,
    ])?;
    Ok(rows == 1)
}

/// Every site, by name, each with the certificate of the node that stands for it now.
///
/// # Errors
///
/// [`StoreError::Damaged`] when a row does not read back.
pub fn sites(conn: &Connection) -> Result<Vec<NodeCertificate>, StoreError> {
    let mut statement = conn.prepare_cached(SITES)?;
    let mut rows = statement.query([])?;
    let mut sites = Vec::new();
    while let Some(row) = rows.next()? {
        sites.push(read(row)?);
    }
    Ok(sites)
}

/// The site with this name; the one last named so, if a name went from one to another.
///
/// # Errors
///
/// [`StoreError`] as the database reports it.
pub fn find_site(conn: &Connection, name: &SiteName) -> Result<Option<SiteId>, StoreError> {
    let mut statement = conn.prepare_cached(BY_NAME)?;
    let mut rows = statement.query([name.as_str()])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?.map(SiteId::from_bytes))
}

/// What the hub's operator calls this site.
///
/// # Errors
///
/// [`StoreError::Damaged`] when the row does not read back.
pub fn site_name(conn: &Connection, site: SiteId) -> Result<Option<SiteName>, StoreError> {
    let mut statement = conn.prepare_cached(NAME_OF)?;
    let mut rows = statement.query([site.bytes()])?;
    rows.next()?.map(|row| name_from(row, 0)).transpose()
}

/// Which site signs, or once signed, its entries with this key.
///
/// # Errors
///
/// [`StoreError`] as the database reports it.
pub fn site_of_node(conn: &Connection, node_key: &[u8; 32]) -> Result<Option<SiteId>, StoreError> {
    let mut statement = conn.prepare_cached(OF_NODE)?;
    let mut rows = statement.query([node_key])?;
    Ok(rows.next()?.map(|row| row.get(0)).transpose()?.map(SiteId::from_bytes))
}

/// Whether some site signs, or once signed, its entries with this key. Entries of a node that was
/// replaced stay what they are.
///
/// # Errors
///
/// [`StoreError`] as the database reports it.
pub fn is_known_node(conn: &Connection, node_key: &[u8; 32]) -> Result<bool, StoreError> {
    Ok(site_of_node(conn, node_key)?.is_some())
}

/// The node that may connect with this key: the one that stands for its site now. A node that was
/// replaced may not.
///
/// # Errors
///
/// [`StoreError::Damaged`] when the row does not read back.
pub fn find_tls_key(
    conn: &Connection,
    tls_key: &[u8; 32],
) -> Result<Option<NodeCertificate>, StoreError> {
    let mut statement = conn.prepare_cached(BY_TLS_KEY)?;
    let mut rows = statement.query([tls_key])?;
    rows.next()?.map(read).transpose()
}

/// The certificate of the node that signs with this key, if it stands for its site now.
///
/// # Errors
///
/// [`StoreError::Damaged`] when the row does not read back.
pub fn standing_node(
    conn: &Connection,
    node_key: &[u8; 32],
) -> Result<Option<NodeCertificate>, StoreError> {
    let mut statement = conn.prepare_cached(BY_NODE_KEY)?;
    let mut rows = statement.query([node_key])?;
    rows.next()?.map(read).transpose()
}

/// Whether one of the keys is in a certificate, for either purpose, now or once.
///
/// # Errors
///
/// [`StoreError`] as the database reports it.
pub fn is_known_key(
    conn: &Connection,
    one: &[u8; 32],
    other: &[u8; 32],
) -> Result<bool, StoreError> {
    Ok(conn.prepare_cached(IS_KEY)?.query_row([one, other], |row| row.get(0))?)
}

/// Reads the columns of a certificate in the order of the queries above.
pub(super) fn read(row: &Row<'_>) -> Result<NodeCertificate, StoreError> {
    Ok(NodeCertificate {
        node_key: row.get(0)?,
        tls_key: row.get(1)?,
        site: SiteId::from_bytes(row.get(2)?),
        site_name: name_from(row, 3)?,
        issued_at: Timestamp::from_nanos(row.get(4)?),
        succeeds: row.get(5)?,
    })
}

pub(super) fn name_from(row: &Row<'_>, column: usize) -> Result<SiteName, StoreError> {
    let damaged = StoreError::Damaged { what: "site name" };
    row.get_ref(column)?.as_str().ok().and_then(|text| text.parse().ok()).ok_or(damaged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tests::{certificate, database, site};

    fn apply(conn: &Connection, certificates: &[&NodeCertificate]) -> Vec<bool> {
        certificates.iter().map(|one| apply_certificate(conn, one).unwrap()).collect()
    }

    #[test]
    fn a_certificate_makes_a_site_known_by_each_of_its_names() {
        let conn = database();
        let (north, south) = (certificate(1, "north", 1, 10), certificate(2, "south", 2, 20));
        assert_eq!(apply(&conn, &[&south, &north, &north]), [true, true, false]);
        assert_eq!(sites(&conn).unwrap(), [north.clone(), south]);
        assert_eq!(find_site(&conn, &north.site_name).unwrap(), Some(site(1)));
        assert_eq!(find_site(&conn, &"east".parse().unwrap()).unwrap(), None);
        assert_eq!(site_name(&conn, site(1)).unwrap(), Some(north.site_name.clone()));
        assert_eq!(site_name(&conn, site(3)).unwrap(), None);
        assert_eq!(site_of_node(&conn, &[1; 32]).unwrap(), Some(site(1)));
        assert_eq!(find_tls_key(&conn, &[101; 32]).unwrap(), Some(north));
        check_node(&conn, 1, true, true);
    }

    #[test]
    fn a_key_serves_one_purpose() {
        let conn = database();
        apply(&conn, &[&certificate(1, "north", 1, 10)]);
        assert!(!is_known_node(&conn, &[101; 32]).unwrap());
        assert_eq!(find_tls_key(&conn, &[1; 32]).unwrap(), None);
        assert!(is_known_key(&conn, &[9; 32], &[1; 32]).unwrap());
        assert!(is_known_key(&conn, &[101; 32], &[9; 32]).unwrap());
        assert!(!is_known_key(&conn, &[8; 32], &[9; 32]).unwrap());
    }

    #[test]
    fn a_replaced_node_may_not_connect_but_its_entries_stay_known() {
        let (old, new) = (certificate(1, "north", 1, 10), certificate(1, "north", 2, 20));
        for order in [[&old, &new], [&new, &old]] {
            let conn = database();
            apply(&conn, &order);
            assert_eq!(sites(&conn).unwrap(), std::slice::from_ref(&new));
            check_node(&conn, 1, true, false);
            check_node(&conn, 2, true, true);
            check_node(&conn, 3, false, false);
        }
    }

    #[track_caller]
    fn check_node(conn: &Connection, key: u8, known: bool, may_connect: bool) {
        assert_eq!(is_known_node(conn, &[key; 32]).unwrap(), known, "node {key}");
        let found = find_tls_key(conn, &[key + 100; 32]).unwrap();
        assert_eq!(found.is_some(), may_connect, "node {key}");
    }

    #[test]
    fn a_later_certificate_of_the_same_node_replaces_the_earlier_one() {
        let old = certificate(1, "north", 1, 10);
        let new = NodeCertificate { tls_key: [77; 32], ..certificate(1, "north-ward", 1, 20) };
        let same_time = NodeCertificate { tls_key: [78; 32], ..new.clone() };
        let conn = database();
        assert_eq!(apply(&conn, &[&old, &new, &same_time, &old]), [true, true, false, false]);
        assert_eq!(sites(&conn).unwrap(), std::slice::from_ref(&new));
        assert_eq!(find_tls_key(&conn, &old.tls_key).unwrap(), None);
        assert_eq!(find_site(&conn, &old.site_name).unwrap(), None);
        assert_eq!(find_site(&conn, &new.site_name).unwrap(), Some(site(1)));
    }
}
