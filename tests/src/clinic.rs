//! A clinic in the box: the rooms, the writer and a conversation, without programs around them.

mod bundles;
mod keys;

use std::collections::{BTreeMap, BTreeSet};

use consent::fact::ConsentEvent;
use consent::notice::{Capture, Evidence, Language, Notice};
use consent::scope::{Action, Recipient, SetOf};
use consent::{GrantTerms, RevokeScope, RevokeTerms};
use host::Random;
use patients::{NewPatient, PatientEdit, PatientForm, PersonName, Phone};
use replication::edge::EdgeDesk;
use replication::ledger::signing_keys;
use replication::streams::patient_stream;
use replication::{Author, Draft};
use store::{Connection, Group};
use sync_protocol::exchange::{EdgeExchange, EdgeOp, EdgeReply};
use sync_protocol::signature::Signer;
use sync_protocol::{EntryId, NodeId};
use vitals::batch::Batch;
use vitals::checksum::BodyDigest;
use vitals::receipt::{Outcome, Receipt};
use vocab::{Compartment, DeviceName, FactKind, PatientId, Purpose, Sensitive, SiteId, Timestamp};
use workflows::apply_fact::Rooms;
use workflows::record_batch::{Recorded, record_batch};
use workflows::{EdgeState, WorkflowError};

use crate::disk::{Database, DiskCopy, Medium};
use crate::{blank, forgery};

/// A reading that a receipt said was accepted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sent {
    /// Which patient.
    pub patient: PatientId,
    /// When.
    pub time: i64,
    /// The value as sent.
    pub value: String,
}

/// A clinic.
pub struct Clinic {
    /// Its database.
    pub conn: Database,
    /// The writing side, made anew at every start.
    pub state: EdgeState,
    /// Its id.
    pub site: SiteId,
    /// Its key.
    pub key: NodeId,
    seed: [u8; 32],
    me: Signer,
    random: Random,
    hub: NodeId,
    /// How far its wall clock is off, milliseconds.
    pub clock_off_ms: i64,
    /// Until when its storage answers nothing to the conversation.
    pub slow_until: u64,
    /// Patients registered here, ever.
    pub own: Vec<PatientId>,
    /// Readings that were acknowledged to a device, ever.
    pub acknowledged: BTreeSet<Sent>,
    /// Of those, what is on this disk.
    pub promised: Vec<Sent>,
    /// And what was lost here and somebody else had when it was lost.
    pub only_elsewhere: BTreeSet<Sent>,
    /// Payloads of kinds that only a newer version knows, by the entry's name.
    pub newer: BTreeMap<EntryId, Vec<u8>>,
    /// Bodies sent so far, to be sent again.
    pub bodies: Vec<String>,
    /// The conversation, while one is open.
    pub exchange: Option<EdgeExchange>,
}

/// A disk as it was once, with the promises that are kept on it.
pub struct Backup {
    disk: DiskCopy,
    promised: Vec<Sent>,
}

const NO_LIMIT: &str = "the box works on sound storage";

impl Clinic {
    /// A clinic that has joined; `seed` decides its keys and randomness.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    #[must_use]
    pub fn new(medium: Medium, site: SiteId, seed: u64, hub: NodeId) -> Self {
        Self::on(Database::edge(medium), site, seed, hub)
    }

    /// The same on a database of the caller's, which has an edge's tables and no row.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    #[must_use]
    pub fn on(conn: Database, site: SiteId, seed: u64, hub: NodeId) -> Self {
        let random = Random::seeded(seed);
        let key_seed = random.bytes();
        let state = start(&conn, &key_seed, &random, site);
        let key = state.author.node();
        Self {
            conn,
            state,
            site,
            key,
            seed: key_seed,
            me: Signer::from_seed(&key_seed),
            random,
            hub,
            clock_off_ms: 0,
            slow_until: 0,
            own: Vec::new(),
            acknowledged: BTreeSet::new(),
            promised: Vec::new(),
            only_elsewhere: BTreeSet::new(),
            newer: BTreeMap::new(),
            bodies: Vec::new(),
            exchange: None,
        }
    }

    /// The process is killed and started again: what was committed is there, all else is gone.
    pub fn restart(&mut self) {
        self.exchange = None;
        self.slow_until = 0;
        self.conn.crash();
        self.state = start(&self.conn, &self.seed, &self.random, self.site);
    }

    /// Copies the disk.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    #[must_use]
    pub fn backup(&self) -> Backup {
        Backup { disk: self.conn.copy(), promised: self.promised.clone() }
    }

    /// The disk is lost, and another copy of it put in its place. What was promised and is not on that
    /// copy is lost with it, unless somebody else has it: `elsewhere` says what.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    pub fn restore(&mut self, backup: &Backup, elsewhere: &BTreeSet<Sent>) {
        self.conn.put_back(&backup.disk);
        self.restart();
        let before = std::mem::replace(&mut self.promised, backup.promised.clone());
        self.only_elsewhere.extend(before.into_iter().filter(|sent| elsewhere.contains(sent)));
        self.bodies.clear();
    }

    /// Another disk was lost: of what was lost here before only that can come back which is among
    /// `left`, the readings that anybody has.
    pub fn others_lost(&mut self, left: &BTreeSet<Sent>) {
        self.only_elsewhere.retain(|sent| left.contains(sent));
    }

    /// The machine is gone for good, and with it what nobody else has.
    pub fn vanish(&mut self, left: &BTreeSet<Sent>) {
        let promised = std::mem::take(&mut self.promised);
        self.only_elsewhere.extend(promised);
        self.others_lost(left);
    }

    /// Its wall clock.
    #[must_use]
    pub fn wall(&self, now_ms: u64) -> Timestamp {
        let now = i64::try_from(now_ms).unwrap_or(i64::MAX);
        Timestamp::from_millis(EPOCH_MS + now + self.clock_off_ms)
    }

    /// Runs a use case in a transaction of its own.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&Connection, &mut EdgeState) -> Result<T, WorkflowError>,
    ) -> Result<T, WorkflowError> {
        let group = Group::begin(&self.conn)?;
        let done = work(&self.conn, &mut self.state);
        match done {
            Ok(done) => {
                group.commit()?;
                Ok(done)
            }
            Err(error) => {
                drop(group);
                self.state.forget();
                Err(error)
            }
        }
    }

    /// Registers a patient.
    ///
    /// # Panics
    ///
    /// When the box is built wrongly.
    pub fn register(&mut self, now_ms: u64, number: u64) -> PatientId {
        let now = self.wall(now_ms);
        let id = PatientId::from_uuid(self.random.uuid(Timestamp::from_millis(EPOCH_MS)));
        let name = format!("Patient {number}");
        let patient_ref = format!("p-{number}");
        let form = PatientForm {
            name: &name,
            birth_date: "1980",
            sex: "female",
            phone: "",
            patient_ref: &patient_ref,
        };
        let new = NewPatient::parse(form, Timestamp::from_millis(EPOCH_MS)).expect("a sound form");
        self.write(|conn, state| {
            workflows::register_patient::register_patient(conn, state, now, id, &new)
        })
        .expect("a fresh number");
        self.own.push(id);
        id
    }

    /// Edits a patient's name or phone, if the patient is known here.
    pub fn edit(&mut self, now_ms: u64, patient: PatientId, number: u64) {
        let now = self.wall(now_ms);
        let edit = if number.is_multiple_of(2) {
            let name = PersonName::parse(&format!("Name {number}")).expect("a sound name");
            PatientEdit::Name(Sensitive::new(name))
        } else {
            let phone = Phone::parse(&format!("+9198{:08}", number % 100_000_000));
            PatientEdit::Phone(Some(Sensitive::new(phone.expect("a sound number"))))
        };
        // Not known here: nothing to edit.
        let _ = self.write(|conn, state| {
            workflows::edit_patient::edit_patient(conn, state, now, patient, &[edit])
        });
    }

    /// Writes what only a newer version of the program knows.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    pub fn write_newer(&mut self, now_ms: u64, patient: PatientId, kind: u16, payload: Vec<u8>) {
        let now = self.wall(now_ms);
        let draft = Draft {
            stream: patient_stream(patient, Compartment::Vitals),
            kind: FactKind::Segment,
            payload,
            own_salt: false,
            urgent: false,
        };
        let group = Group::begin(&self.conn).expect(NO_LIMIT);
        let written = self.state.author.write_newer(&self.conn, now, &draft, (kind, NEWER_SCHEMA));
        self.newer.insert(written.expect(NO_LIMIT).id, draft.payload);
        group.commit().expect(NO_LIMIT);
    }

    /// A frame that only a broken program of this clinic would send; see [`forgery`].
    pub(crate) fn forge(&self, subject: [u8; 16]) -> Vec<u8> {
        let stream = patient_stream(PatientId::from_bytes(subject), Compartment::Vitals);
        forgery::frame(&self.seed, self.key, self.state.author.epoch(), stream)
    }

    /// Whether the patient is known here; one that a restored disk lost is not, until it comes back.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    #[must_use]
    pub fn knows(&self, patient: PatientId) -> bool {
        patients::store::get(&self.conn, patient).expect(NO_LIMIT).is_some()
    }

    /// The patient, who is known here, allows `site` their identity and vitals.
    ///
    /// # Panics
    ///
    /// When the box is built wrongly.
    pub fn grant(&mut self, now_ms: u64, patient: PatientId, site: SiteId) -> ConsentEvent {
        let now = self.wall(now_ms);
        let draw = self.random.bytes();
        let state = consent::store::state_of(&self.conn, patient).expect(NO_LIMIT);
        let recipient = Recipient::Site(site);
        let terms = GrantTerms {
            draw,
            patient,
            recipient,
            compartments: SetOf::of(&[Compartment::Identity, Compartment::Vitals]),
            purposes: SetOf::of(&[Purpose::Treatment]),
            actions: SetOf::of(&[Action::View, Action::Replicate, Action::Write]),
            granted_at: now,
            valid_from: Timestamp::from_millis(0),
            valid_to: None,
            notice: Notice {
                version: 1,
                language: Language::from_letters(*b"eng").expect("three letters"),
            },
            evidence: Evidence { capture: Capture::OnScreen, witness: None },
            acks: state.revokes_to_overcome(recipient).map(|revoke| revoke.id()).collect(),
            grantor: consent::Grantor::Patient,
            offline: None,
        };
        let grant = self
            .write(|conn, state| workflows::grant_consent::grant_consent(conn, state, now, terms))
            .expect("sound terms");
        ConsentEvent::Grant(grant)
    }

    /// The patient, who is known here, takes back what `site` was allowed.
    ///
    /// # Panics
    ///
    /// When the box is built wrongly.
    pub fn revoke(&mut self, now_ms: u64, patient: PatientId, site: SiteId) -> ConsentEvent {
        let now = self.wall(now_ms);
        let terms = RevokeTerms {
            draw: self.random.bytes(),
            patient,
            scope: RevokeScope::Site(site),
            revoked_at: now,
            evidence: Evidence { capture: Capture::OnScreen, witness: None },
        };
        let revoke = self
            .write(|conn, state| workflows::revoke_consent::revoke_consent(conn, state, now, terms))
            .expect("sound terms");
        ConsentEvent::Revoke(revoke)
    }

    /// A device sends a body; answers the receipt, if one was given.
    ///
    /// # Panics
    ///
    /// When the body is no batch.
    pub fn receive_batch(&mut self, now_ms: u64, device: &str, body: &str) -> Option<Receipt> {
        let now = self.wall(now_ms);
        let device: DeviceName = device.parse().expect("a sound name");
        let batch = Batch::parse(body.as_bytes()).expect("a sound batch");
        let digest = BodyDigest::of(body.as_bytes());
        let recorded = self
            .write(|conn, state| record_batch(conn, state, now, &device, &batch, digest))
            .expect(NO_LIMIT);
        match recorded {
            Recorded::Stored(stored) => {
                self.remember(&batch, &stored.receipt);
                Some(stored.receipt)
            }
            Recorded::Repeated(receipt) => Some(receipt),
            Recorded::Conflict => None,
        }
    }

    fn remember(&mut self, batch: &Batch, receipt: &Receipt) {
        for (reading, outcome) in batch.readings.iter().zip(receipt.outcomes.iter()) {
            if outcome == Outcome::Accepted
                && let Ok(reading) = reading
                && let Some(number) = batch.patients.get(usize::from(reading.patient))
                && let Ok(Some(patient)) =
                    patients::store::resolve(&self.conn, self.site, number.as_str())
            {
                let (time, value) = (reading.time.nanos(), reading.value.to_string());
                let sent = Sent { patient, time, value };
                self.acknowledged.insert(sent.clone());
                self.promised.push(sent);
            }
        }
    }

    /// Seals everything that is open.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    pub fn flush(&mut self, now_ms: u64) {
        let now = self.wall(now_ms);
        while self
            .write(|conn, state| workflows::seal_due::seal_due(conn, state, now, 0))
            .expect(NO_LIMIT)
            .more
        {}
    }

    /// Answers what the conversation asks, each in a transaction of its own.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    pub fn perform(&mut self, now_ms: u64, op: EdgeOp) -> EdgeReply {
        let mut rooms = Rooms { hub: self.hub, site: self.site, now: self.wall(now_ms) };
        let known = rooms;
        let group = Group::begin(&self.conn).expect(NO_LIMIT);
        if matches!(op, EdgeOp::TakeBack { .. }) {
            self.state.forget();
        }
        let reply = EdgeDesk::perform(&self.conn, rooms.now, op, &mut rooms, &known, &self.me);
        let reply = reply.expect(NO_LIMIT);
        let signed =
            workflows::answer_orders::answer_orders(&self.conn, &mut self.state, rooms.now)
                .expect(NO_LIMIT);
        group.commit().expect(NO_LIMIT);
        if signed.receipts > 0
            && let Some(exchange) = &mut self.exchange
        {
            exchange.local_change(now_ms);
        }
        reply
    }

    /// Opens a conversation.
    ///
    /// # Panics
    ///
    /// When storage fails, which it does not in the box.
    pub fn dial(&mut self, now_ms: u64) {
        let wall = u64::try_from(self.wall(now_ms).millis()).unwrap_or(0);
        let keys = signing_keys::of_node(&self.conn, self.key).expect(NO_LIMIT);
        self.exchange = Some(EdgeExchange::new(keys, self.hub, wall));
    }
}

/// Kinds of facts that this version does not know.
pub const NEWER_KINDS: std::ops::Range<u16> = 900..903;

/// A form of payloads that this version does not know.
const NEWER_SCHEMA: u16 = 2;

/// 2026-01-01: where the box's time begins.
pub const EPOCH_MS: i64 = 1_767_225_600_000;

fn start(conn: &Connection, seed: &[u8; 32], random: &Random, site: SiteId) -> EdgeState {
    let draw = random.clone();
    let fill = Box::new(move |bytes: &mut [u8]| draw.fill(bytes));
    let author = Author::start(conn, Signer::from_seed(seed), fill).expect(NO_LIMIT);
    EdgeState::new(author, Some(site), blank::rules())
}
