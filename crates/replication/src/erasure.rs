//! Erasure by order of the hub: payloads, salts and chain keys go, headers stay, so that chains, counts
//! and sums are what they were.
//!
//! An order is an entry of the directory, so every node gets it, in order, once, before data, and again
//! after any restore. What it names is named for good: whatever of it comes later, from an old disk, a
//! clinic that was away or a hub that came back, is stored without its payload. A node that carried an
//! order out signs for it in a stream of its own.
//!
//! A single entry can be erased when it carries its own salt. Of a stream whose entries share a chain
//! key the whole goes: without one change a document is not complete, and with the key kept, somebody
//! could try out what a segment said.

pub(crate) mod order;
mod receipt;
pub(crate) mod store;
pub(crate) mod tombstone;
mod wire;

use ::store::{Connection, StoreError};
use sync_protocol::lane::unfold;
use sync_protocol::message::Full;
use sync_protocol::{Entry, EntryId, Flags, Header, NodeId, ReplayGuard, Verified, codec};
use vocab::{Compartment, FactKind, PatientId, Timestamp};

use crate::ledger::store::{self as ledger, StreamRow};
use crate::streams::{self, Topic};
use crate::{Author, Draft, LedgerError, Materialize, edge};

pub use order::{Cover, EraseOrder, ORDER_STREAMS_MAX, OrderId, Target};
pub use receipt::EraseReceipt;
pub use wire::Unreadable;

/// Carries an order out; answers how many payloads went, none if it is known already. `entry` is the
/// one that carries it; `answered` says that no receipt of this node is wanted.
///
/// # Errors
///
/// The database's; then nothing is erased.
pub fn carry_out(
    conn: &Connection,
    now: Timestamp,
    order: &EraseOrder,
    entry: Option<EntryId>,
    answered: bool,
    rooms: &mut dyn Materialize,
) -> Result<u64, StoreError> {
    if let Some(has_entry) = store::known(conn, order.id)? {
        if let Some(entry) = entry.filter(|_| !has_entry) {
            store::set_entry(conn, order.id, entry)?;
        }
        return Ok(0);
    }
    let no = store::insert(conn, now, order, entry, answered)?;
    let (erased, was_here) = match &order.target {
        Target::Entry(id) => {
            let erased = erase_one(conn, id, rooms)?;
            (erased, erased > 0)
        }
        Target::Streams(_) | Target::Subject(_) => erase_streams(conn, no, order, rooms)?,
    };
    store::count(conn, no, erased)?;
    // What was let go a moment before, because access ended with the erasure, is in older backups too.
    if was_here {
        store::owe(conn)?;
    }
    Ok(erased)
}

/// How many payloads went, and whether anything that the order names was ever held here.
fn erase_streams(
    conn: &Connection,
    no: i64,
    order: &EraseOrder,
    rooms: &mut dyn Materialize,
) -> Result<(u64, bool), StoreError> {
    let (mut erased, mut was_here) = (0, false);
    // Rooms may hold readings that are not in any stream yet.
    for patient in store::patients_without_vitals(conn)? {
        let vitals = streams::patient_stream(patient, Compartment::Vitals);
        if order.covers(&vitals).is_some() {
            ledger::open_stream(conn, &vitals)?;
            rooms.erase_stream(conn, &vitals)?;
        }
    }
    for (stream, id, cover, before) in store::covered(conn, order)? {
        store::mark_stream(conn, stream, no, cover)?;
        was_here = true;
        if !before {
            erased += store::drop_of_stream(conn, stream)?;
            store::bury_keys(conn, stream)?;
        }
        rooms.erase_stream(conn, &id)?;
    }
    // Whole frames of entries that were refused, of which two at one place are the likeliest.
    erased += store::blank_frames(conn, |raw| {
        let header = codec::decode::<Full>(raw).ok().and_then(|full| unfold(full).ok());
        header.is_some_and(|found| order.covers(&found.entry.unchecked().header.stream).is_some())
    })?;
    Ok((erased, was_here || erased > 0))
}

fn erase_one(
    conn: &Connection,
    id: &EntryId,
    rooms: &mut dyn Materialize,
) -> Result<u64, StoreError> {
    store::name_entry(conn, id)?;
    let Some((no, held)) = store::held(conn, id)? else { return store::blank_one(conn, id) };
    let header = &held.entry.header;
    if !is_erasable(header) {
        return Ok(0);
    }
    let Some(payload) = held.entry.payload.bytes() else {
        return store::drop_one(conn, no, id);
    };
    rooms.erase_entry(conn, &edge::arrived(header, *id, payload))?;
    Ok(1 + store::drop_one(conn, no, id)?)
}

/// Whether an entry can be erased alone.
fn is_erasable(header: &Header) -> bool {
    matches!(streams::topic(&header.stream), Topic::Patient(..))
        && header.flags.has(Flags::OWN_SALT)
        && header.kind != FactKind::ConsentRevoke.number()
}

/// An entry on its way into the ledger, without its payload if an order names it.
pub(crate) fn shed(
    conn: &Connection,
    stream: &StreamRow,
    entry: Verified<Entry>,
) -> Result<Verified<Entry>, StoreError> {
    let named = stream.erased.is_some()
        || is_erasable(&entry.get().header) && store::names_entry(conn, &entry.id())?;
    Ok(if named { entry.without_payload() } else { entry })
}

/// Why an entry is not erased alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAlone {
    /// Nothing of that name is here.
    #[error(
        "no entry with this id is held here; ids are the 64 digits that hub quarantine and hub erase list show"
    )]
    Unknown,
    /// Its payload is gone already.
    #[error("the payload of this entry is gone already")]
    Gone,
    /// It shares a chain key with others.
    #[error(
        "this entry shares its key with others of its author, so that it cannot be erased alone: one \
         change of a document is needed by those after it, and while the key is there what a segment \
         said could be tried out. Erase the whole part of the record: \
         hub erase --patient PATIENT --compartment PART"
    )]
    SharesKey,
    /// Without it somebody would be allowed what the patient took back.
    #[error(
        "this entry takes a permission back; without it the permission would hold again. Erase the \
         whole part of the record: hub erase --patient PATIENT --compartment consent"
    )]
    Revocation,
    /// It belongs to the network and says nothing of a patient.
    #[error("this entry is not part of a patient's record")]
    NotOfAPatient,
}

/// Whether an entry that is held can be erased alone; answers whose it is.
///
/// # Errors
///
/// The database's; the inner one says why it cannot.
pub fn alone(conn: &Connection, id: &EntryId) -> Result<Result<PatientId, NotAlone>, StoreError> {
    let Some((_, held)) = store::held(conn, id)? else { return Ok(Err(NotAlone::Unknown)) };
    let header = &held.entry.header;
    let Topic::Patient(patient, _) = streams::topic(&header.stream) else {
        return Ok(Err(NotAlone::NotOfAPatient));
    };
    Ok(if held.entry.payload == sync_protocol::Payload::Erased {
        Err(NotAlone::Gone)
    } else if !header.flags.has(Flags::OWN_SALT) {
        Err(NotAlone::SharesKey)
    } else if header.kind == FactKind::ConsentRevoke.number() {
        Err(NotAlone::Revocation)
    } else {
        Ok(patient)
    })
}

/// Writes this node's receipts for the orders that it carried out and has not signed for, into the
/// stream of `site`; answers the patients whose records changed by them, and how many payloads went.
///
/// # Errors
///
/// [`LedgerError`].
pub fn sign_receipts(
    conn: &Connection,
    author: &mut Author,
    site: vocab::SiteId,
    now: Timestamp,
) -> Result<Signed, LedgerError> {
    let mut signed = Signed::default();
    for order in store::unanswered(conn)? {
        let Some((_, held)) = store::held(conn, &order.entry)? else { continue };
        let receipt = EraseReceipt::new(order.id, order.erased, &held);
        let draft = Draft {
            stream: streams::site_stream(site),
            kind: FactKind::EraseReceipt,
            payload: receipt.to_bytes(),
            own_salt: true,
            urgent: false,
        };
        author.write(conn, now, draft)?;
        store::answer(conn, order.no)?;
        signed.receipts += 1;
        signed.erased += order.erased;
        signed.patients.extend(store::patients_of(conn, order.no)?);
    }
    Ok(signed)
}

/// What a node signed for at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signed {
    /// Receipts that were written.
    pub receipts: u64,
    /// Payloads that went.
    pub erased: u64,
    /// Whose records changed.
    pub patients: Vec<PatientId>,
}

/// A receipt came to the hub with key `hub`: an order that this database lost is carried out again, and
/// takes its old place in the directory where what was before it is there.
///
/// # Errors
///
/// The database's; `None` for a receipt whose order this hub never gave.
pub fn learn_order(
    conn: &Connection,
    now: Timestamp,
    hub: &NodeId,
    receipt: &EraseReceipt,
    rooms: &mut dyn Materialize,
) -> Result<Option<OrderId>, StoreError> {
    let Some((order, entry, key)) = receipt.order_of(hub) else { return Ok(None) };
    if store::known(conn, order.id)?.is_none() {
        let id = file_again(conn, now, entry, key)?;
        carry_out(conn, now, &order, id, true, rooms)?;
        tracing::info!("an order to erase that this hub had lost is known again");
    }
    Ok(Some(order.id))
}

/// Files an own entry of the hub that its database lost; `None` where others are missing before it.
fn file_again(
    conn: &Connection,
    now: Timestamp,
    entry: Verified<Entry>,
    key: sync_protocol::ChainKey,
) -> Result<Option<EntryId>, StoreError> {
    let (header, id) = (entry.get().header, entry.id());
    if ledger::is_held(conn, &id)? {
        return Ok(Some(id));
    }
    let (stream, _) = ledger::open_stream(conn, &header.stream)?;
    let chain = ledger::open_chain(conn, stream.no, &header.origin, key)?;
    let past = ledger::past(conn, &chain, &header)?;
    let Ok(fresh) = ReplayGuard::admit(entry, &past) else { return Ok(None) };
    ledger::insert(conn, &stream, &chain, fresh, id, now)?;
    Ok(Some(id))
}

/// Writes orders anew whose entry this hub lost and could not file again; answers how many.
///
/// # Errors
///
/// [`LedgerError`].
pub fn write_lost(
    conn: &Connection,
    author: &mut Author,
    now: Timestamp,
) -> Result<u64, LedgerError> {
    let mut written = 0;
    for (id, payload) in store::lost(conn)? {
        let entry = author.write_at_hub(conn, now, &draft_of(payload))?;
        store::set_entry(conn, id, entry.id)?;
        written += 1;
    }
    Ok(written)
}

/// How many orders are known here.
///
/// # Errors
///
/// The database's.
pub fn orders(conn: &Connection) -> Result<u64, StoreError> {
    store::orders(conn)
}

/// The patients of whom the orders after the first `before` erased a stream.
///
/// # Errors
///
/// The database's.
pub fn erased_since(conn: &Connection, before: u64) -> Result<Vec<PatientId>, StoreError> {
    store::erased_since(conn, before)
}

/// Payloads that are here although an order covers their stream: none, unless something is wrong.
///
/// # Errors
///
/// The database's.
pub fn payloads_left(conn: &Connection) -> Result<u64, StoreError> {
    store::payloads_left(conn)
}

/// An order on its way into the directory.
#[must_use]
pub fn draft_of(payload: Vec<u8>) -> Draft {
    Draft {
        stream: streams::policy_stream(),
        kind: FactKind::EraseOrder,
        payload,
        own_salt: true,
        urgent: false,
    }
}

/// Whether something was erased here that backups made before still hold; a number to be given to
/// [`backups_replaced`].
///
/// # Errors
///
/// The database's.
pub fn backups_to_replace(conn: &Connection) -> Result<Option<i64>, StoreError> {
    let (owed, paid, _) = store::debt(conn)?;
    Ok((owed > paid).then_some(owed))
}

/// Whether something was erased here after the database file was last written anew; a number to be given
/// to [`file_rewritten`].
///
/// # Errors
///
/// The database's.
pub fn file_to_rewrite(conn: &Connection) -> Result<Option<i64>, StoreError> {
    let (owed, _, rewritten) = store::debt(conn)?;
    Ok((owed > rewritten).then_some(owed))
}

/// The file was written anew after what `owed` stands for.
///
/// # Errors
///
/// The database's.
pub fn file_rewritten(conn: &Connection, owed: i64) -> Result<(), StoreError> {
    store::rewritten(conn, owed)
}

/// No backup is left that was made before what `owed` stands for.
///
/// # Errors
///
/// The database's.
pub fn backups_replaced(conn: &Connection, owed: i64) -> Result<(), StoreError> {
    store::pay(conn, owed)
}
