//! Writing: a fact of this node becomes a signed entry in the same transaction as everything else
//! the use case does.

use store::Connection;
use sync_protocol::hlc::Hlc;
use sync_protocol::signature::Signer;
use sync_protocol::{
    ChainKey, EntryId, Epoch, Flags, Header, NodeId, ReplayGuard, SeqNo, StreamId, commitment,
    limits,
};
use vocab::{FactKind, Timestamp};

use crate::edge::store as edge_store;
use crate::erasure::Cover;
use crate::ledger::store::{self as ledger, StreamRow};
use crate::{LedgerError, streams};

/// Fills a slice with random bytes.
pub type Fill = Box<dyn FnMut(&mut [u8]) + Send>;

/// The writing side of a node: its key and the epoch of this process.
pub struct Author {
    signer: Signer,
    epoch: Epoch,
    fill: Fill,
}

impl std::fmt::Debug for Author {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Author({}, {:?})", self.signer.node().short(), self.epoch)
    }
}

/// What to write.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Where it belongs.
    pub stream: StreamId,
    /// What it is.
    pub kind: FactKind,
    /// The payload, without salt.
    pub payload: Vec<u8>,
    /// Whether it carries a salt of its own, so that it can be erased alone.
    pub own_salt: bool,
    /// Whether it goes before everything else that waits.
    pub urgent: bool,
}

/// What was written.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Its name.
    pub id: EntryId,
}

/// Version of the payload forms that this program writes.
const SCHEMA: u16 = 1;

impl Author {
    /// Opens the writing side for a process that just started: draws an epoch that this node never
    /// used and records it.
    ///
    /// # Errors
    ///
    /// The database's.
    pub fn start(conn: &Connection, signer: Signer, mut fill: Fill) -> Result<Self, LedgerError> {
        let epoch = loop {
            let mut bytes = [0; 8];
            fill(&mut bytes);
            let epoch = Epoch(u64::from_le_bytes(bytes));
            if ledger::begin_start(conn, epoch)? {
                break epoch;
            }
        };
        Ok(Self { signer, epoch, fill })
    }

    /// This node's name.
    #[must_use]
    pub const fn node(&self) -> NodeId {
        self.signer.node()
    }

    /// The epoch of this process.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// What a document library calls this node under this epoch.
    #[must_use]
    pub fn actor(&self) -> [u8; 16] {
        actor(self.signer.node(), self.epoch)
    }

    /// Signs a draft, stores it as the next entry of this node's chain in its stream, and queues it
    /// for the hub.
    ///
    /// # Errors
    ///
    /// [`LedgerError`]; the caller's transaction must then be rolled back.
    pub fn write(
        &mut self,
        conn: &Connection,
        now: Timestamp,
        draft: Draft,
    ) -> Result<Written, LedgerError> {
        self.write_newer(conn, now, &draft, (draft.kind.number(), SCHEMA))
    }

    /// As [`write`](Self::write), of a kind and in a form that only a newer version knows, whatever
    /// the draft says: by this, simulations find out what becomes of it where nobody knows it.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_newer(
        &mut self,
        conn: &Connection,
        now: Timestamp,
        draft: &Draft,
        form: (u16, u16),
    ) -> Result<Written, LedgerError> {
        let (entry, id, stream) = self.append(conn, now, draft, form)?;
        edge_store::enqueue(
            conn,
            self.epoch,
            (entry, id),
            stream,
            streams::class(&draft.stream),
            draft.urgent,
        )?;
        Ok(Written { id })
    }

    /// As [`write`](Self::write), without a queue: the hub's own entries are offered from its
    /// ledger like everybody else's.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn write_at_hub(
        &mut self,
        conn: &Connection,
        now: Timestamp,
        draft: &Draft,
    ) -> Result<Written, LedgerError> {
        let (_, id, _) = self.append(conn, now, draft, (draft.kind.number(), SCHEMA))?;
        Ok(Written { id })
    }

    fn append(
        &mut self,
        conn: &Connection,
        now: Timestamp,
        draft: &Draft,
        (kind, schema): (u16, u16),
    ) -> Result<(i64, EntryId, i64), LedgerError> {
        let payload = self.salted(draft);
        if payload.len() > limits::PAYLOAD_BYTES_MAX {
            return Err(LedgerError::TooLong);
        }
        let (stream, id) = open_generation(conn, draft.stream)?;
        let fill = &mut self.fill;
        let me = self.signer.node();
        let (chain, head) = ledger::own_chain(conn, stream.no, &me, self.epoch, || {
            let mut key = [0; 32];
            fill(&mut key);
            ChainKey(key)
        })?;
        let sseq = match head {
            Some(head) => head.sseq.next().ok_or(LedgerError::ChainFull)?,
            None => SeqNo(1),
        };
        let flags = if draft.own_salt { Flags::OWN_SALT } else { Flags::default() };
        let urgent = if draft.urgent { Flags::URGENT } else { Flags::default() };
        let header = Header {
            origin: me,
            epoch: self.epoch,
            stream: id,
            sseq,
            sprev: head.map_or(EntryId::NONE, |head| head.id),
            hlc: ledger::tick(conn, self.epoch, now)?,
            kind,
            schema,
            actor: [0; 16],
            flags: flags.with(urgent),
            payload_len: 0,
            commitment: [0; 32],
        };
        let entry = self.signer.sign(header, &chain.key, payload).ok_or(LedgerError::TooLong)?;
        let id = entry.id();
        // Our own entry passes the same guard as everybody's.
        let past = ledger::past(conn, &chain, &entry.get().header)?;
        let fresh = ReplayGuard::admit(entry, &past).map_err(|_| LedgerError::ChainFull)?;
        let (no, _) = ledger::insert(conn, &stream, &chain, fresh, id, now)?;
        Ok((no, id, stream.no))
    }

    fn salted(&mut self, draft: &Draft) -> Vec<u8> {
        if !draft.own_salt {
            return draft.payload.clone();
        }
        let mut payload = vec![0; commitment::OWN_SALT_BYTES];
        (self.fill)(&mut payload);
        payload.extend_from_slice(&draft.payload);
        payload
    }
}

/// The stream that is written into: where an order erased it, its next generation, because what the
/// order covers stays erased whenever it comes.
fn open_generation(
    conn: &Connection,
    mut id: StreamId,
) -> Result<(StreamRow, StreamId), LedgerError> {
    loop {
        let (row, _) = ledger::open_stream(conn, &id)?;
        match row.erased {
            None => return Ok((row, id)),
            Some(Cover::Subject) => return Err(LedgerError::Erased),
            Some(Cover::Stream) => {
                id.generation = id.generation.checked_add(1).ok_or(LedgerError::ChainFull)?;
            }
        }
    }
}

/// Sixteen bytes that name a node under an epoch to a document library: fresh at every start.
#[must_use]
pub fn actor(node: NodeId, epoch: Epoch) -> [u8; 16] {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"actor");
    hasher.update(&node.0);
    hasher.update(&epoch.0.to_be_bytes());
    hasher.finalize().as_bytes().first_chunk::<16>().copied().unwrap_or_default()
}

/// The content of a payload, behind its own salt if it has one.
pub(crate) fn without_salt(flags: Flags, payload: &[u8]) -> &[u8] {
    if flags.has(Flags::OWN_SALT) {
        payload.get(commitment::OWN_SALT_BYTES..).unwrap_or_default()
    } else {
        payload
    }
}

/// The next clock value after `last` at `now`.
pub(crate) fn next_hlc(last: Hlc, now: Timestamp) -> Hlc {
    last.tick(u64::try_from(now.millis()).unwrap_or(0))
}
