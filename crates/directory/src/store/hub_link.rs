//! The one hub that a clinic joined.

use rusqlite::{Row, params};
use store::{Connection, StoreError};
use vocab::{SiteId, SiteName, Timestamp};

use super::sites::name_from;
use crate::{HubAddress, Invitation, Joined};

const JOIN: &str = "
    INSERT INTO hub_link (
        one, hub_address, hub_tls_key, hub_node_key, site, site_name, joined_at_ns
    )
    VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (one) DO NOTHING";

const LINK: &str = "
    SELECT hub_address, hub_tls_key, hub_node_key, site, site_name, joined_at_ns FROM hub_link";

/// The hub of this clinic, and what the clinic is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubLink {
    /// Where the hub listens.
    pub hub_address: HubAddress,
    /// The ed25519 key that the hub proves when it is called.
    pub hub_tls_key: [u8; 32],
    /// The ed25519 key that the hub signs its own entries with.
    pub hub_node_key: [u8; 32],
    /// This clinic's id.
    pub site: SiteId,
    /// What the hub's operator calls this clinic; certificates may later say otherwise.
    pub site_name: SiteName,
    /// When it joined.
    pub joined_at: Timestamp,
}

/// Why the hub was not noted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubLinkError {
    /// The clinic has a hub; for another one it is set up anew.
    #[error("this node has joined a hub already")]
    AlreadyJoined,
    /// The database refused; trying again may succeed.
    #[error("noting the hub")]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for HubLinkError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

impl HubLink {
    /// What a node knows when it was let in with `invitation`.
    #[must_use]
    pub fn new(invitation: &Invitation, joined: &Joined, now: Timestamp) -> Self {
        Self {
            hub_address: invitation.hub_address.clone(),
            hub_tls_key: invitation.hub_tls_key,
            hub_node_key: joined.hub_node_key,
            site: joined.certificate.site,
            site_name: joined.certificate.site_name.clone(),
            joined_at: now,
        }
    }
}

/// Notes the hub, once.
///
/// # Errors
///
/// [`HubLinkError::AlreadyJoined`]; the first hub stays.
pub fn set_hub_link(conn: &Connection, link: &HubLink) -> Result<(), HubLinkError> {
    let rows = conn.prepare_cached(JOIN)?.execute(params![
        link.hub_address.as_str(),
        link.hub_tls_key,
        link.hub_node_key,
        link.site.bytes(),
        link.site_name.as_str(),
        link.joined_at.nanos(),
    ])?;
    if rows == 1 { Ok(()) } else { Err(HubLinkError::AlreadyJoined) }
}

/// The hub of this clinic; `None` until it joined one.
///
/// # Errors
///
/// [`StoreError::Damaged`] when the row does not read back.
pub fn hub_link(conn: &Connection) -> Result<Option<HubLink>, StoreError> {
    let mut statement = conn.prepare_cached(LINK)?;
    let mut rows = statement.query([])?;
    rows.next()?.map(read).transpose()
}

fn read(row: &Row<'_>) -> Result<HubLink, StoreError> {
    let address = row.get_ref(0)?.as_str().ok().and_then(|text| text.parse().ok());
    Ok(HubLink {
        hub_address: address.ok_or(StoreError::Damaged { what: "hub address" })?,
        hub_tls_key: row.get(1)?,
        hub_node_key: row.get(2)?,
        site: SiteId::from_bytes(row.get(3)?),
        site_name: name_from(row, 4)?,
        joined_at: Timestamp::from_nanos(row.get(5)?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Token;
    use crate::store::tests::{at, certificate, database, site};

    fn link(address: &str) -> HubLink {
        let invitation = Invitation {
            hub_address: address.parse().unwrap(),
            hub_tls_key: [1; 32],
            token: Token::new([2; 16]),
        };
        let joined = Joined { hub_node_key: [3; 32], certificate: certificate(4, "north", 5, 6) };
        HubLink::new(&invitation, &joined, at(7))
    }

    #[test]
    fn a_clinic_has_one_hub_for_good() {
        let conn = database();
        assert_eq!(hub_link(&conn).unwrap(), None);
        set_hub_link(&conn, &link("hub.example.org:4433")).unwrap();
        let again = set_hub_link(&conn, &link("192.0.2.7:4433"));
        assert!(matches!(again, Err(HubLinkError::AlreadyJoined)));
        let expected = HubLink {
            hub_address: "hub.example.org:4433".parse().unwrap(),
            hub_tls_key: [1; 32],
            hub_node_key: [3; 32],
            site: site(4),
            site_name: "north".parse().unwrap(),
            joined_at: at(7),
        };
        assert_eq!(hub_link(&conn).unwrap(), Some(expected));
    }

    #[test]
    fn a_damaged_address_is_noticed() {
        let conn = database();
        set_hub_link(&conn, &link("hub.example.org:4433")).unwrap();
        conn.execute("UPDATE hub_link SET hub_address = 'nowhere'", []).unwrap();
        assert!(matches!(hub_link(&conn), Err(StoreError::Damaged { what: "hub address" })));
    }
}
