//! Handing a stored entry to the room it belongs to.

use store::Connection;
use sync_protocol::hlc::Hlc;
use sync_protocol::{EntryId, Epoch, NodeId, StreamId};
use vocab::SiteId;

/// An entry of somebody else that was just stored, its payload without salt.
#[derive(Clone, Copy, Debug)]
pub struct Arrived<'a> {
    /// Its name.
    pub id: EntryId,
    /// Who wrote it.
    pub origin: NodeId,
    /// Where it belongs.
    pub stream: StreamId,
    /// The author's process start under which it was written.
    pub epoch: Epoch,
    /// When its author says it happened.
    pub hlc: Hlc,
    /// What the payload is, as in the header.
    pub kind: u16,
    /// Version of that kind's form.
    pub schema: u16,
    /// The payload.
    pub payload: &'a [u8],
}

/// Why a room would not take a payload. The header stays, the payload is set aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It cannot be read as what its kind says.
    #[error("the payload cannot be read")]
    Unreadable,
    /// It can be read and must not be believed, such as an authority's statement by somebody else.
    #[error("the payload is not its author's to write")]
    NotEntitled,
    /// Reading it made a parser misbehave.
    #[error("the payload is hostile")]
    Hostile,
}

impl Refusal {
    /// One word for tables and logs.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NotEntitled => "not-entitled",
            Self::Hostile => "hostile",
        }
    }
}

/// What a room answers.
#[derive(Debug, thiserror::Error)]
pub enum MaterializeError {
    /// Keep the header, set the payload aside.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Our own storage failed; nothing of this transaction stands.
    #[error(transparent)]
    Store(#[from] store::StoreError),
}

/// The rooms of a program, as replication sees them. Called inside the transaction that stored the
/// entry; unknown kinds are answered with `Ok`, they are kept and passed on.
pub trait Materialize {
    /// Takes the payload into the tables of its room.
    ///
    /// # Errors
    ///
    /// [`MaterializeError`]; what a refused payload did to the tables is rolled back by the caller.
    fn apply(&mut self, conn: &Connection, arrived: &Arrived<'_>) -> Result<(), MaterializeError>;

    /// Whether an entry is what a subject's record begins with: its author's site is the home of it. A
    /// hub that lost the record cannot tell by who comes first.
    fn founds(&self, arrived: &Arrived<'_>) -> bool;

    /// The site that a certificate of the hub names for a node, also one that is not enrolled in this
    /// database; `None` where none is known.
    ///
    /// # Errors
    ///
    /// The database's.
    fn certified_site(
        &self,
        _conn: &Connection,
        _node: &NodeId,
    ) -> Result<Option<SiteId>, store::StoreError> {
        Ok(None)
    }

    /// Forgets what was made of entries of others in a stream; they are deleted already. What this
    /// node wrote itself is still there.
    ///
    /// # Errors
    ///
    /// The database's; then the entries are back as well.
    fn let_go(&mut self, conn: &Connection, stream: &StreamId) -> Result<(), store::StoreError>;

    /// Forgets everything that was made of a stream, whoever wrote it: its payloads are gone by order.
    ///
    /// # Errors
    ///
    /// The database's; then the payloads are back as well.
    fn erase_stream(
        &mut self,
        conn: &Connection,
        stream: &StreamId,
    ) -> Result<(), store::StoreError>;

    /// Forgets what was made of one entry whose payload is about to go by order.
    ///
    /// # Errors
    ///
    /// As [`erase_stream`](Self::erase_stream).
    fn erase_entry(
        &mut self,
        conn: &Connection,
        arrived: &Arrived<'_>,
    ) -> Result<(), store::StoreError>;
}
