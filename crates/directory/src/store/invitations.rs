//! The hub's invitations: issued, used once, or over.

use rusqlite::{Row, params};
use store::{Connection, StoreError};
use vocab::{SiteId, SiteName, Timestamp};

use super::sites::{self, is_known_key, name_from};
use crate::{NodeCertificate, Refusal, Token};

/// How long an invitation can be used: a day, so that whoever carries it to another town arrives in
/// time. Source: threat analysis, 3.4.
pub const VALID_SECONDS: i64 = 24 * 60 * 60;

/// When a replaced invitation ends: before any time, so that no clock brings it back.
const REPLACED_NS: i64 = i64::MIN;

const ISSUE: &str = "
    INSERT INTO invitation (
        token_sha256, site, site_name, issued_at_ns, expires_at_ns, used_at_ns, used_by
    )
    VALUES (?1, ?2, ?3, ?4, ?5, 0, x'')";

const REPLACE: &str = "
    UPDATE invitation SET expires_at_ns = ?3
    WHERE used_at_ns = 0 AND (site = ?1 OR site_name = ?2 COLLATE NOCASE)";

const IS_NAME_TAKEN: &str = "
    SELECT EXISTS (SELECT 1 FROM site WHERE site_name = ?2 COLLATE NOCASE AND site != ?1)";

const IS_NAMED_OTHERWISE: &str = "
    SELECT EXISTS (SELECT 1 FROM site WHERE site = ?1 AND site_name != ?2)";

const FIND: &str = "
    SELECT site, site_name, expires_at_ns, used_at_ns != 0 FROM invitation WHERE token_sha256 = ?1";

const USE: &str = "
    UPDATE invitation SET used_at_ns = ?2, used_by = ?3 WHERE token_sha256 = ?1 AND used_at_ns = 0";

const OPEN: &str = "
    SELECT site, site_name, issued_at_ns, expires_at_ns FROM invitation
    WHERE used_at_ns = 0 AND expires_at_ns > ?1 ORDER BY issued_at_ns, site_name";

const ANSWERED: &str = "
    SELECT node_key, tls_key, site.site, site.site_name, site.issued_at_ns, site.succeeds FROM site
    JOIN invitation ON used_by = node_key
    WHERE token_sha256 = ?1 AND node_key = ?2 AND tls_key = ?3";

/// Why no invitation was issued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// Another site has this name, perhaps with other capitals.
    #[error("another site has this name")]
    NameTaken,
    /// The site is known by another name.
    #[error("the site has another name")]
    NamedOtherwise,
    /// The database refused; trying again may succeed.
    #[error("issuing an invitation")]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for IssueError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Why an invitation let nobody in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedeemError {
    /// The one who tried is told why.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The database refused; the invitation is as good as before.
    #[error("redeeming an invitation")]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for RedeemError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// An invitation that can still be used; what it was printed with is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenInvitation {
    /// The site that its holder will stand for.
    pub site: SiteId,
    /// The name of the site.
    pub site_name: SiteName,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// From when on it cannot be used.
    pub expires_at: Timestamp,
}

/// Issues an invitation; answers from when on it cannot be used.
///
/// `site` is new for a new site. For one that gets another node it is the id that
/// [`find_site`](sites::find_site) gives; the old node is shut out when the new one joins. An
/// invitation for the same site or name that nobody used is over: two clinics never hold one each.
/// Call it inside a transaction.
///
/// # Errors
///
/// [`IssueError::NameTaken`] and [`IssueError::NamedOtherwise`].
pub fn issue(
    conn: &Connection,
    now: Timestamp,
    site: SiteId,
    site_name: &SiteName,
    token: &Token,
) -> Result<Timestamp, IssueError> {
    let named = (site.bytes(), site_name.as_str());
    if conn.prepare_cached(IS_NAME_TAKEN)?.query_row(named, |row| row.get(0))? {
        return Err(IssueError::NameTaken);
    }
    if conn.prepare_cached(IS_NAMED_OTHERWISE)?.query_row(named, |row| row.get(0))? {
        return Err(IssueError::NamedOtherwise);
    }
    conn.prepare_cached(REPLACE)?.execute((named.0, named.1, REPLACED_NS))?;
    let expires_at = now.plus_seconds(VALID_SECONDS);
    conn.prepare_cached(ISSUE)?.execute(params![
        token.digest(),
        named.0,
        named.1,
        now.nanos(),
        expires_at.nanos(),
    ])?;
    Ok(expires_at)
}

/// Uses the invitation with this token for the node with these keys; answers which site it is now.
///
/// Call it in the transaction that also keeps the node's certificate: if that is not committed, the
/// invitation is as good as before. The caller checked the
/// [proof](crate::JoinRequest::verify) of both keys. A refusal changes nothing.
///
/// # Errors
///
/// [`Refusal::Foreign`], [`Refusal::Used`], [`Refusal::Expired`] and [`Refusal::KeyKnown`], the first
/// that holds.
pub fn redeem(
    conn: &Connection,
    now: Timestamp,
    token: &Token,
    tls_key: &[u8; 32],
    node_key: &[u8; 32],
) -> Result<(SiteId, SiteName), RedeemError> {
    debug_assert!(!conn.is_autocommit(), "used and enrolled belong into one transaction");
    let digest = token.digest();
    let found = find(conn, &digest)?.ok_or(Refusal::Foreign)?;
    if found.is_used {
        return Err(Refusal::Used.into());
    }
    if now >= found.expires_at {
        return Err(Refusal::Expired.into());
    }
    if is_known_key(conn, tls_key, node_key)? {
        return Err(Refusal::KeyKnown.into());
    }
    // Zero stands for "not used"; a clock at the epoch must not say so by accident.
    let used_at_ns = if now.nanos() == 0 { 1 } else { now.nanos() };
    let rows = conn.prepare_cached(USE)?.execute(params![digest, used_at_ns, node_key])?;
    if rows == 1 { Ok((found.site, found.site_name)) } else { Err(Refusal::Used.into()) }
}

/// The certificate of the node with these keys, if it is the one that this token let in and it still
/// stands for its site.
///
/// For a node that asks again because the answer got lost on the way: [`redeem`] refuses it as
/// [`Refusal::Used`], but it is the user. Nobody new gets in by this.
///
/// # Errors
///
/// [`StoreError::Damaged`] when the row does not read back.
pub fn answered_before(
    conn: &Connection,
    token: &Token,
    tls_key: &[u8; 32],
    node_key: &[u8; 32],
) -> Result<Option<NodeCertificate>, StoreError> {
    let mut statement = conn.prepare_cached(ANSWERED)?;
    let mut rows = statement.query(params![token.digest(), node_key, tls_key])?;
    rows.next()?.map(sites::read).transpose()
}

/// The invitations that can be used at `now`, oldest first.
///
/// # Errors
///
/// [`StoreError::Damaged`] when a row does not read back.
pub fn open_invitations(
    conn: &Connection,
    now: Timestamp,
) -> Result<Vec<OpenInvitation>, StoreError> {
    let mut statement = conn.prepare_cached(OPEN)?;
    let mut rows = statement.query([now.nanos()])?;
    let mut open = Vec::new();
    while let Some(row) = rows.next()? {
        open.push(OpenInvitation {
            site: SiteId::from_bytes(row.get(0)?),
            site_name: name_from(row, 1)?,
            issued_at: Timestamp::from_nanos(row.get(2)?),
            expires_at: Timestamp::from_nanos(row.get(3)?),
        });
    }
    Ok(open)
}

struct Found {
    site: SiteId,
    site_name: SiteName,
    expires_at: Timestamp,
    is_used: bool,
}

fn find(conn: &Connection, digest: &[u8; 32]) -> Result<Option<Found>, StoreError> {
    let mut statement = conn.prepare_cached(FIND)?;
    let mut rows = statement.query([digest])?;
    let read = |row: &Row<'_>| {
        Ok(Found {
            site: SiteId::from_bytes(row.get(0)?),
            site_name: name_from(row, 1)?,
            expires_at: Timestamp::from_nanos(row.get(2)?),
            is_used: row.get(3)?,
        })
    };
    rows.next()?.map(read).transpose()
}

#[cfg(test)]
mod tests;
