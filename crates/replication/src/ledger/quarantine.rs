//! What was set aside, and its way out: a person looks at it, has it tried again, or discards it.

mod store;

use ::store::{Connection, StoreError};
use sync_protocol::{ChainKey, Entry, EntryId, Epoch, NodeId, Payload, Signed};
use vocab::{Decision, Timestamp};

use super::LedgerError;
use crate::edge::arrived;
use crate::materialize::MaterializeError;
use crate::{Materialize, Refusal};

pub use store::{ever_quarantined, quarantined};

/// How a thing that was set aside stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It waits for a person.
    Open,
    /// Its payload is back in the ledger and in its room.
    Taken,
    /// Somebody gave it up, with a reason; its bytes are deleted.
    Discarded,
}

impl Standing {
    /// One word for lists.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Taken => "taken-again",
            Self::Discarded => "discarded",
        }
    }

    const fn number(self) -> i64 {
        match self {
            Self::Open => 0,
            Self::Taken => 1,
            Self::Discarded => 2,
        }
    }
}

/// Something that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Its number, by which a person names it.
    pub no: i64,
    /// When.
    pub at: Timestamp,
    /// Who wrote it, or sent it.
    pub origin: NodeId,
    /// The author's process start.
    pub epoch: Epoch,
    /// Position there, 0 where it is not known.
    pub oseq: u64,
    /// Its name, if it is an entry.
    pub id: Option<EntryId>,
    /// Why, in one word.
    pub reason: String,
    /// How long it is, or was.
    pub bytes: u64,
    /// How it stands.
    pub standing: Standing,
    /// When it was taken again or discarded.
    pub settled_at: Option<Timestamp>,
    /// Who discarded it.
    pub settled_by: String,
    /// Why it was discarded, in the words of who did.
    pub settled_why: String,
}

impl SetAside {
    /// The reason as a sentence for who looks at it.
    #[must_use]
    pub fn sentence(&self) -> &'static str {
        match self.reason.as_str() {
            "unreadable" => "The payload cannot be read as what its header says it is.",
            "not-entitled" => "The payload says what its author may not say.",
            "hostile" => "Reading the payload made a parser misbehave.",
            "no-access" => "The author's clinic was not allowed to write into this stream.",
            "fork" => "Its author had written something else at the same place.",
            "foreign" => "Only the hub writes into this stream.",
            "not-authentic" => "It is not what its author signed.",
            _ => "It did not follow what was there.",
        }
    }
}

/// A thing that was set aside, as a person inspects it.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// What the list says of it.
    pub aside: SetAside,
    /// The bytes as they came; empty once it is settled.
    pub raw: Vec<u8>,
    /// BLAKE3 of the bytes, also when they are gone.
    pub hash: [u8; 32],
    /// Its header, where the ledger holds that: then it can be tried again.
    pub held: Option<Waiting>,
}

/// An entry that is held without its payload.
#[derive(Clone, Debug)]
pub struct Waiting {
    pub(crate) entry_no: i64,
    pub(crate) stream_no: i64,
    pub(crate) idx: u64,
    pub(crate) key: ChainKey,
    /// Its name.
    pub id: EntryId,
    /// The entry without its payload.
    pub entry: Entry,
}

/// Why a thing that was set aside stays as it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AsideError {
    /// There is none of this number.
    #[error("nothing that was set aside has the number {0}; quarantine list shows what there is")]
    Unknown(i64),
    /// It was settled before.
    #[error("number {0} is {word} already; nothing is left to do", word = .1.word())]
    Settled(i64, Standing),
    /// There is no place in a stream that it could be put back to.
    #[error(
        "number {0} ({1}) cannot be tried again: no stream holds its header. Look at it with \
             quarantine show, and give it up with quarantine discard"
    )]
    NoPlace(i64, String),
    /// The bytes are not what the author signed.
    #[error("number {0} was changed on this disk: its bytes are not what their author signed")]
    Damaged(i64),
    /// The author's clinic may still not write there.
    #[error("number {0} stays set aside: its author's clinic may still not write into that stream")]
    NoAccess(i64),
    /// The room refused it again.
    #[error("number {0} stays set aside: {1}")]
    Refused(i64, Refusal),
    /// The ledger or its database.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

impl From<StoreError> for AsideError {
    fn from(error: StoreError) -> Self {
        Self::Ledger(error.into())
    }
}

/// How many things that were set aside are open, were taken again, were discarded.
///
/// # Errors
///
/// The database's.
pub fn standings(conn: &Connection) -> Result<[u64; 3], StoreError> {
    store::counts(conn)
}

/// Everything about one thing that was set aside.
///
/// # Errors
///
/// [`AsideError::Unknown`], or the database's.
pub fn inspect(conn: &Connection, no: i64) -> Result<Inspected, AsideError> {
    let store::Found { aside, raw, hash } =
        store::find(conn, no)?.ok_or(AsideError::Unknown(no))?;
    let hash = hash.unwrap_or_else(|| *blake3::hash(&raw).as_bytes());
    let held = match &aside.id {
        Some(id) => store::withheld(conn, id)?,
        None => None,
    };
    Ok(Inspected { aside, raw, hash, held })
}

/// Deletes the bytes of what was set aside; who, when and why stay as evidence.
///
/// # Errors
///
/// [`AsideError`]; then nothing changed.
pub fn discard(
    conn: &Connection,
    now: Timestamp,
    no: i64,
    decision: &Decision,
) -> Result<(), AsideError> {
    let found = open(conn, no)?;
    settle(conn, &found, Standing::Discarded, now, Some(decision))
}

fn open(conn: &Connection, no: i64) -> Result<Inspected, AsideError> {
    let found = inspect(conn, no)?;
    match found.aside.standing {
        Standing::Open => Ok(found),
        settled @ (Standing::Taken | Standing::Discarded) => Err(AsideError::Settled(no, settled)),
    }
}

fn settle(
    conn: &Connection,
    found: &Inspected,
    standing: Standing,
    now: Timestamp,
    decision: Option<&Decision>,
) -> Result<(), AsideError> {
    let stamp = (found.aside.bytes, found.hash);
    Ok(store::settle(conn, found.aside.no, standing, now, decision, stamp)?)
}

/// Hands a payload to its room once more. When the room takes it, it is back in the ledger and the
/// thing is settled; `may` says beforehand whether the author may write there.
pub(crate) fn take_again(
    conn: &Connection,
    now: Timestamp,
    no: i64,
    rooms: &mut dyn Materialize,
    may: impl FnOnce(&Waiting) -> Result<bool, StoreError>,
) -> Result<Waiting, AsideError> {
    let mut found = open(conn, no)?;
    let Some(waiting) = found.held.clone() else {
        return Err(AsideError::NoPlace(no, found.aside.reason));
    };
    let payload = Payload::Present(std::mem::take(&mut found.raw));
    let entry = Entry { payload, ..waiting.entry };
    let Ok(entry) = Signed::new(entry).verify(&waiting.key) else {
        return Err(AsideError::Damaged(no));
    };
    let payload = entry.get().payload.bytes().unwrap_or_default();
    if !may(&waiting)? {
        return Err(AsideError::NoAccess(no));
    }
    ::store::savepoint(conn, |conn| {
        // First, because a room may read its stream from the ledger.
        store::put_back(conn, waiting.entry_no, payload)?;
        let arrived = arrived(&waiting.entry.header, waiting.id, payload);
        rooms.apply(conn, &arrived).map_err(|error| match error {
            MaterializeError::Refused(refusal) => AsideError::Refused(no, refusal),
            MaterializeError::Store(error) => error.into(),
        })?;
        settle(conn, &found, Standing::Taken, now, None)
    })?;
    Ok(waiting)
}

/// Puts the payload of an entry that came again, checked, to the entry that was held without it;
/// answers its row, or `None` where the entry has its payload or was discarded here. The caller hands
/// it to its room.
pub(crate) fn fill(
    conn: &Connection,
    id: &EntryId,
    payload: &[u8],
) -> Result<Option<i64>, StoreError> {
    let Some(waiting) = store::withheld(conn, id)? else { return Ok(None) };
    if let Some((_, Standing::Discarded)) = store::number_of(conn, id)? {
        return Ok(None);
    }
    store::put_back(conn, waiting.entry_no, payload)?;
    Ok(Some(waiting.entry_no))
}

/// The room took what had been set aside of this entry, if anything had.
pub(crate) fn taken(conn: &Connection, now: Timestamp, id: &EntryId) -> Result<(), LedgerError> {
    let Some((no, Standing::Open)) = store::number_of(conn, id)? else { return Ok(()) };
    let Some(store::Found { aside, raw, .. }) = store::find(conn, no)? else { return Ok(()) };
    let stamp = (aside.bytes, *blake3::hash(&raw).as_bytes());
    Ok(store::settle(conn, no, Standing::Taken, now, None, stamp)?)
}
