//! Storing what an edge pushes.

mod resupply;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use ::store::Connection;
use sync_protocol::chain::NotFresh;
use sync_protocol::entry::WithheldReason;
use sync_protocol::exchange::{IngestEntry, Ingested};
use sync_protocol::lane::full;
use sync_protocol::message::{StreamState, Verdict};
use sync_protocol::{
    Entry as SignedEntry, EntryId, Epoch, Fresh, NodeId, Payload, ReplayGuard, SeqNo, StreamId,
    Verified, codec,
};
use vocab::{Compartment, SiteId, Timestamp};

use super::{Node, Outcome, access, mending, restored, store};
use crate::edge::{self, materialize};
use crate::ledger::store::{self as ledger, StreamRow};
use crate::streams::{self, Topic};
use crate::{LedgerError, Materialize, erasure, gate};

/// A stream that this batch wrote into.
struct Touched {
    row: StreamRow,
    count_before: u64,
    author_site: Option<SiteId>,
}

pub(super) use resupply::take_in;

/// Who wrote the entries of a batch.
#[derive(Clone, Copy, Debug)]
struct Writer {
    no: i64,
    key: NodeId,
    site: SiteId,
}

/// One batch under way.
struct Ingest<'a> {
    conn: &'a Connection,
    now: Timestamp,
    node: Writer,
    rooms: &'a mut dyn Materialize,
    streams: BTreeMap<StreamId, Touched>,
    starts: BTreeMap<Epoch, store::Start>,
    safe_mode: bool,
    consent_changed: BTreeSet<StreamId>,
    wake: BTreeSet<i64>,
    out: Ingested,
}

/// Stores `entries`, each once and in the order of its chain; what cannot be taken gets a verdict.
pub(super) fn ingest(
    conn: &Connection,
    now: Timestamp,
    node: &Node,
    entries: Vec<IngestEntry>,
    rooms: &mut dyn Materialize,
) -> Result<Outcome, LedgerError> {
    let writer = Writer { no: node.no, key: node.key, site: node.site };
    let mut batch = Ingest::new(conn, now, writer, rooms)?;
    for entry in entries {
        let (epoch, oseq, id) = (entry.epoch, entry.oseq, entry.id);
        match batch.one(entry)? {
            Taken::Stored => batch.received(epoch, oseq, &id)?,
            Taken::Known => {
                batch.received(epoch, oseq, &id)?;
                mending::name_place(conn, &id)?;
            }
            Taken::StoredWithout(reason) => {
                batch.received(epoch, oseq, &id)?;
                batch.out.verdicts.push((epoch, oseq, Verdict::Quarantined(reason)));
            }
            Taken::Refused(verdict) => batch.out.verdicts.push((epoch, oseq, verdict)),
        }
    }
    batch.finish(node.no)
}

enum Taken {
    Stored,
    StoredWithout(WithheldReason),
    Known,
    Refused(Verdict),
}

impl<'a> Ingest<'a> {
    fn new(
        conn: &'a Connection,
        now: Timestamp,
        node: Writer,
        rooms: &'a mut dyn Materialize,
    ) -> Result<Self, LedgerError> {
        Ok(Self {
            conn,
            now,
            node,
            rooms,
            streams: BTreeMap::new(),
            starts: BTreeMap::new(),
            safe_mode: restored::is_in_safe_mode(conn)?,
            consent_changed: BTreeSet::new(),
            wake: BTreeSet::new(),
            out: Ingested::default(),
        })
    }

    fn one(&mut self, ingest: IngestEntry) -> Result<Taken, LedgerError> {
        let IngestEntry { epoch, oseq, entry, id, key } = ingest;
        let header = entry.get().header;
        if streams::topic(&header.stream) == Topic::Policy {
            // Only the hub's authority writes there.
            self.set_aside(
                (epoch, oseq),
                id,
                "foreign",
                entry.get().payload.bytes().unwrap_or_default(),
            )?;
            return Ok(Taken::Refused(Verdict::Foreign));
        }
        if self.safe_mode && !self.may_open(&entry)? {
            // Whoever keeps the record sends its beginning, and this comes again.
            return Ok(Taken::Refused(Verdict::Gap(SeqNo(0))));
        }
        let (row, author_site) = self.stream(&header.stream)?;
        if self.safe_mode && !self.may_write(&header.stream, author_site)? {
            // The patient's permission may be on its way here.
            return Ok(Taken::Refused(Verdict::Gap(SeqNo(0))));
        }
        let (entry, key) = (erasure::shed(self.conn, &row, entry)?, row.key_of(key));
        let chain = ledger::open_chain(self.conn, row.no, &header.origin, key)?;
        if chain.last.is_none() && ledger::is_held(self.conn, &id)? {
            // Under another key: what carries its own salt does not depend on the chain's.
            return Ok(Taken::Known);
        }
        let past = ledger::past(self.conn, &chain, &header)?;
        let fresh = match ReplayGuard::admit(entry, &past) {
            Ok(fresh) => fresh,
            Err((NotFresh::Known, _)) => return Ok(Taken::Known),
            Err((NotFresh::Gap { have }, _)) => return Ok(Taken::Refused(Verdict::Gap(have))),
            Err((NotFresh::Fork, entry)) => {
                ledger::raise_fork(self.conn, self.now, &header, &past, id)?;
                // Both histories are kept: this one with its header and signature.
                let raw = codec::encode(&full(entry.get(), &key, oseq));
                self.set_aside((epoch, oseq), id, "fork", &raw)?;
                return Ok(Taken::Refused(Verdict::Fork));
            }
        };
        if self.start(epoch)?.received.contains(oseq) {
            // Two entries for one place in the order of one process: two processes ran.
            ledger::raise_fork(self.conn, self.now, &header, &past, id)?;
            let raw = codec::encode(&full(fresh.get(), &key, oseq));
            self.set_aside((epoch, oseq), id, "fork", &raw)?;
            return Ok(Taken::Refused(Verdict::Fork));
        }
        let (taken, _) = self.insert(&row, &chain, fresh, id, (author_site, oseq))?;
        Ok(taken)
    }

    /// Stores what is next in its chain, with its payload if its writer may write there; answers its
    /// row too.
    fn insert(
        &mut self,
        row: &StreamRow,
        chain: &ledger::ChainRow,
        fresh: Fresh<SignedEntry>,
        id: EntryId,
        (author_site, oseq): (Option<SiteId>, u64),
    ) -> Result<(Taken, i64), LedgerError> {
        let header = fresh.get().header;
        let payload = fresh.get().payload.bytes().map(<[u8]>::to_vec);
        let (no, grown) = ledger::insert(self.conn, row, chain, fresh, id, self.now)?;
        if let Some(touched) = self.streams.get_mut(&header.stream) {
            touched.row = grown;
        }
        self.out.fresh += 1;
        let Some(payload) = payload else { return Ok((Taken::Stored, no)) };
        if !self.may_write(&header.stream, author_site)? {
            ledger::withhold(self.conn, no, WithheldReason::NoAccess)?;
            self.set_aside(
                (header.epoch, oseq),
                id,
                Verdict::Quarantined(WithheldReason::NoAccess).word(),
                &payload,
            )?;
            return Ok((Taken::StoredWithout(WithheldReason::NoAccess), no));
        }
        let topic = streams::topic(&header.stream);
        let of_age = self.of_age(topic)?;
        let taken = materialize(self.conn, self.now, self.rooms, &header, id, no, &payload)?;
        if matches!(topic, Topic::Patient(_, Compartment::Consent))
            || of_age != self.of_age(topic)?
        {
            self.consent_changed.insert(header.stream);
        }
        let without = Taken::StoredWithout(WithheldReason::Quarantined);
        Ok((if taken { Taken::Stored } else { without }, no))
    }

    /// When the patient of an identity stream comes of age, by what is known now.
    fn of_age(&self, topic: Topic) -> Result<Option<Timestamp>, LedgerError> {
        let Topic::Patient(patient, Compartment::Identity) = topic else { return Ok(None) };
        Ok(consent::store::of_age(self.conn, patient)?)
    }

    fn start(&mut self, epoch: Epoch) -> Result<&mut store::Start, LedgerError> {
        match self.starts.entry(epoch) {
            Entry::Occupied(found) => Ok(found.into_mut()),
            Entry::Vacant(place) => Ok(place.insert(store::start(self.conn, self.node.no, epoch)?)),
        }
    }

    fn received(&mut self, epoch: Epoch, oseq: u64, id: &EntryId) -> Result<(), LedgerError> {
        self.start(epoch)?.note(oseq, id);
        self.out.received.push((epoch, oseq));
        Ok(())
    }

    fn may_write(
        &self,
        stream: &StreamId,
        author_site: Option<SiteId>,
    ) -> Result<bool, LedgerError> {
        Ok(gate::may_have(self.conn, stream, author_site, self.node.site, self.now)?)
    }

    /// Whether an entry may open the record of its subject in a database that came back from a backup:
    /// the site that sends first need not be the one that wrote first.
    fn may_open(&self, entry: &Verified<SignedEntry>) -> Result<bool, LedgerError> {
        let header = entry.get().header;
        // Whose account a site's is, its name says.
        if matches!(streams::topic(&header.stream), Topic::Emergencies(_))
            || store::home_of(self.conn, &header.stream)?.is_some()
        {
            return Ok(true);
        }
        let Some(payload) = entry.get().payload.bytes() else {
            // Erased at its author already: nobody can tell any more what it was the beginning of.
            return Ok(entry.get().payload == Payload::Erased);
        };
        let arrived = edge::arrived(&header, entry.id(), payload);
        Ok(self.rooms.founds(&arrived))
    }

    /// The stream's row and the site that keeps it. All streams of a patient are kept by the site
    /// that first wrote about them: nobody else can open the consent record of a patient and allow
    /// itself the rest.
    fn stream(&mut self, id: &StreamId) -> Result<(StreamRow, Option<SiteId>), LedgerError> {
        if let Some(touched) = self.streams.get(id) {
            return Ok((touched.row, touched.author_site));
        }
        let (row, _) = ledger::open_stream(self.conn, id)?;
        let mut author_site = store::author_site(self.conn, row.no)?;
        // New, or so far only what a node said it holds.
        if author_site.is_none() {
            let home = match streams::topic(id) {
                Topic::Site(site) | Topic::Emergencies(site) => site,
                Topic::Patient(..) | Topic::Policy | Topic::Unknown => {
                    store::home_of(self.conn, id)?.unwrap_or(self.node.site)
                }
            };
            store::set_author_site(self.conn, row.no, home)?;
            access::refresh_stream(self.conn, id, self.now)?;
            author_site = Some(home);
        }
        let touched = Touched { row, count_before: row.digest.count, author_site };
        self.streams.insert(*id, touched);
        Ok((row, author_site))
    }

    fn set_aside(
        &self,
        (epoch, oseq): (Epoch, u64),
        id: EntryId,
        reason: &'static str,
        raw: &[u8],
    ) -> Result<(), LedgerError> {
        let aside = ledger::Aside {
            at: self.now,
            origin: self.node.key,
            epoch,
            oseq,
            id: Some(id),
            reason,
            raw,
        };
        Ok(ledger::set_aside(self.conn, &aside)?)
    }

    /// Tells who has to know; `author` holds what it wrote.
    fn finish(mut self, author: i64) -> Result<Outcome, LedgerError> {
        store::count_own(self.conn, self.node.no, self.out.fresh)?;
        for (epoch, start) in &self.starts {
            store::record_start(self.conn, self.node.no, *epoch, start)?;
        }
        for (id, touched) in &self.streams {
            if touched.row.digest.count == touched.count_before {
                continue;
            }
            let (count, sum) = (touched.row.digest.count, touched.row.digest.short());
            self.out.streams.push(StreamState { stream: *id, count, sum });
            let marked =
                store::mark_dirty(self.conn, touched.row.no, author, touched.count_before, count)?;
            self.wake.extend(marked);
        }
        for stream in &self.consent_changed {
            if let Topic::Patient(patient, _) = streams::topic(stream) {
                self.wake.extend(access::refresh_patient(self.conn, patient, self.now)?);
            }
        }
        let wake = store::keys_of(self.conn, &self.wake)?;
        Ok(Outcome { ingested: self.out, wake })
    }
}
