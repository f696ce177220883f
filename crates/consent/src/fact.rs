//! Consent events as bytes: what a clinic signs and every node keeps.
//!
//! One meaning has one written form. Whatever does not write back to the very bytes it was read
//! from is refused: trailing bytes, numbers written longer than needed, lists out of order.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use vocab::{FactKind, PatientId, SiteId, Timestamp};

use crate::grant::{ACKS_MAX, BadGrant, Grant, GrantTerms};
use crate::grantor::{Grantor, OfflineTime};
use crate::id::{GrantId, RevokeId};
use crate::notice::{Capture, Evidence, Language, Notice};
use crate::revoke::{BadRevoke, NAMED_MAX, Revoke, RevokeScope, RevokeTerms};
use crate::scope::{Recipient, SetOf};

/// The first written form, the first byte of every event.
const VERSION: u8 = 1;

/// The form of a grant that somebody else than the patient gave, or that names an offline time.
const VERSION_BY_OTHERS: u8 = 2;

/// Longest event in bytes: a full list of 32-byte ids, and 128 bytes are ample for everything else
/// (88 at most: version 1, draw 16, patient 16, recipient 17, sets 5 + 3 + 2, four times up to 10,
/// notice 6, evidence 7, list length 2).
pub const FACT_BYTES_MAX: usize = 32 * 1_024 + 256;
const _: () = assert!(32 * ACKS_MAX + 128 <= FACT_BYTES_MAX);
const _: () = assert!(32 * NAMED_MAX + 128 <= FACT_BYTES_MAX);

/// A grant or a revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConsentEvent {
    /// Something was allowed.
    Grant(Grant),
    /// Something was taken back.
    Revoke(Revoke),
}

impl ConsentEvent {
    /// Whose record it is about.
    #[must_use]
    pub const fn patient(&self) -> PatientId {
        match self {
            Self::Grant(grant) => grant.terms().patient,
            Self::Revoke(revoke) => revoke.terms().patient,
        }
    }

    /// The kind of entry that carries it.
    #[must_use]
    pub const fn kind(&self) -> FactKind {
        match self {
            Self::Grant(_) => FactKind::ConsentGrant,
            Self::Revoke(_) => FactKind::ConsentRevoke,
        }
    }

    /// The 32 bytes of its id, as the tables keep it.
    #[must_use]
    pub const fn id_bytes(&self) -> [u8; 32] {
        match self {
            Self::Grant(grant) => grant.id().bytes(),
            Self::Revoke(revoke) => revoke.id().bytes(),
        }
    }

    /// Its canonical bytes, at most [`FACT_BYTES_MAX`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Grant(grant) => grant_bytes(grant.terms()),
            Self::Revoke(revoke) => revoke_bytes(revoke.terms()),
        }
    }

    /// Reads the payload of an entry of `kind`.
    ///
    /// # Errors
    ///
    /// [`BadFact`]; nothing of a payload that is not understood whole counts.
    pub fn from_bytes(kind: FactKind, bytes: &[u8]) -> Result<Self, BadFact> {
        if bytes.len() > FACT_BYTES_MAX {
            return Err(BadFact::TooLong);
        }
        let (version, body) = bytes.split_first().ok_or(BadFact::Malformed)?;
        let event = match (kind, *version) {
            (FactKind::ConsentGrant, VERSION) => Self::Grant(Grant::new(read_grant(body)?)?),
            (FactKind::ConsentGrant, VERSION_BY_OTHERS) => {
                Self::Grant(Grant::new(read_grant_by_others(body)?)?)
            }
            (FactKind::ConsentRevoke, VERSION) => Self::Revoke(Revoke::new(read_revoke(body)?)?),
            (FactKind::ConsentGrant | FactKind::ConsentRevoke, newer) => {
                return Err(BadFact::Version(newer));
            }
            (
                FactKind::Segment
                | FactKind::Alerts
                | FactKind::DocumentChange
                | FactKind::NodeCertificate
                | FactKind::EraseOrder
                | FactKind::EraseReceipt
                | FactKind::EmergencyAccess,
                _,
            ) => return Err(BadFact::Kind),
        };
        if event.to_bytes() != bytes {
            return Err(BadFact::NotCanonical);
        }
        Ok(event)
    }
}

/// Why a payload is no consent event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadFact {
    /// The entry is of another kind.
    #[error("the entry is neither a grant nor a revocation")]
    Kind,
    /// More than [`FACT_BYTES_MAX`].
    #[error("the consent event is longer than {FACT_BYTES_MAX} bytes")]
    TooLong,
    /// Written by a newer program.
    #[error("the consent event has version {0}, which this program does not know")]
    Version(u8),
    /// The bytes cannot be read.
    #[error("the consent event cannot be read")]
    Malformed,
    /// The bytes can be read but are not the one form of what they say.
    #[error("the consent event is not written in its one form")]
    NotCanonical,
    /// A number stands for nothing that this program knows.
    #[error("the consent event has an unknown {0}")]
    Unknown(&'static str),
    /// It can be read but is no grant.
    #[error(transparent)]
    Grant(#[from] BadGrant),
    /// It can be read but is no revocation.
    #[error(transparent)]
    Revoke(#[from] BadRevoke),
}

#[derive(Serialize, Deserialize)]
struct GrantWire {
    draw: [u8; 16],
    patient: [u8; 16],
    recipient: RecipientWire,
    compartments: u32,
    purposes: u32,
    actions: u32,
    granted_at: i64,
    valid_from: i64,
    valid_to: Option<i64>,
    notice: u16,
    language: [u8; 3],
    evidence: EvidenceWire,
    acks: Vec<[u8; 32]>,
}

/// What follows a grant in its second form.
#[derive(Serialize, Deserialize)]
struct ByOthersWire {
    grantor: u8,
    relationship: u8,
    offline_hours: Option<u16>,
}

#[derive(Serialize, Deserialize)]
enum RecipientWire {
    Site([u8; 16]),
    AnySite,
}

#[derive(Serialize, Deserialize)]
struct EvidenceWire {
    capture: u8,
    witness: Option<u32>,
}

#[derive(Serialize, Deserialize)]
struct RevokeWire {
    draw: [u8; 16],
    patient: [u8; 16],
    scope: ScopeWire,
    revoked_at: i64,
    evidence: EvidenceWire,
}

#[derive(Serialize, Deserialize)]
enum ScopeWire {
    Grants(Vec<[u8; 32]>),
    Site([u8; 16]),
    Everything,
}

/// The canonical bytes of a grant with these terms.
pub(crate) fn grant_bytes(terms: &GrantTerms) -> Vec<u8> {
    let grant = grant_wire(terms);
    if terms.grantor == Grantor::Patient && terms.offline.is_none() {
        return write(VERSION, &grant);
    }
    let (grantor, relationship) = terms.grantor.numbers();
    let offline_hours = terms.offline.map(OfflineTime::hours);
    write(VERSION_BY_OTHERS, &(grant, ByOthersWire { grantor, relationship, offline_hours }))
}

fn grant_wire(terms: &GrantTerms) -> GrantWire {
    GrantWire {
        draw: terms.draw,
        patient: terms.patient.bytes(),
        recipient: match terms.recipient {
            Recipient::Site(site) => RecipientWire::Site(site.bytes()),
            Recipient::AnySite => RecipientWire::AnySite,
        },
        compartments: terms.compartments.bits(),
        purposes: terms.purposes.bits(),
        actions: terms.actions.bits(),
        granted_at: terms.granted_at.nanos(),
        valid_from: terms.valid_from.nanos(),
        valid_to: terms.valid_to.map(Timestamp::nanos),
        notice: terms.notice.version,
        language: terms.notice.language.letters(),
        evidence: evidence_wire(terms.evidence),
        acks: terms.acks.iter().map(|id| id.bytes()).collect(),
    }
}

/// The canonical bytes of a revocation with these terms.
pub(crate) fn revoke_bytes(terms: &RevokeTerms) -> Vec<u8> {
    write(
        VERSION,
        &RevokeWire {
            draw: terms.draw,
            patient: terms.patient.bytes(),
            scope: match &terms.scope {
                RevokeScope::Grants(ids) => {
                    ScopeWire::Grants(ids.iter().map(|id| id.bytes()).collect())
                }
                RevokeScope::Site(site) => ScopeWire::Site(site.bytes()),
                RevokeScope::Everything => ScopeWire::Everything,
            },
            revoked_at: terms.revoked_at.nanos(),
            evidence: evidence_wire(terms.evidence),
        },
    )
}

const fn evidence_wire(evidence: Evidence) -> EvidenceWire {
    EvidenceWire { capture: evidence.capture.number(), witness: evidence.witness }
}

/// Writing into memory cannot fail: postcard refuses a full buffer and a sequence of unknown length,
/// and neither exists here. An empty result would be refused by every reader.
fn write(version: u8, wire: &impl Serialize) -> Vec<u8> {
    let written = postcard::to_extend(wire, vec![version]);
    debug_assert!(written.is_ok(), "writing into memory failed");
    written.unwrap_or_default()
}

fn read_grant(body: &[u8]) -> Result<GrantTerms, BadFact> {
    terms(postcard::from_bytes(body).map_err(|_| BadFact::Malformed)?)
}

fn read_grant_by_others(body: &[u8]) -> Result<GrantTerms, BadFact> {
    let (grant, by): (GrantWire, ByOthersWire) =
        postcard::from_bytes(body).map_err(|_| BadFact::Malformed)?;
    let numbers = (by.grantor, by.relationship);
    let grantor = Grantor::from_numbers(numbers).ok_or(BadFact::Unknown("grantor"))?;
    let hours = |hours| OfflineTime::from_hours(hours).ok_or(BadFact::Unknown("offline time"));
    let offline = by.offline_hours.map(hours).transpose()?;
    Ok(GrantTerms { grantor, offline, ..terms(grant)? })
}

fn terms(wire: GrantWire) -> Result<GrantTerms, BadFact> {
    let language =
        Language::from_letters(wire.language).map_err(|_| BadFact::Unknown("language"))?;
    Ok(GrantTerms {
        draw: wire.draw,
        patient: PatientId::from_bytes(wire.patient),
        recipient: match wire.recipient {
            RecipientWire::Site(site) => Recipient::Site(SiteId::from_bytes(site)),
            RecipientWire::AnySite => Recipient::AnySite,
        },
        compartments: SetOf::from_bits(wire.compartments).ok_or(BadFact::Unknown("compartment"))?,
        purposes: SetOf::from_bits(wire.purposes).ok_or(BadFact::Unknown("purpose"))?,
        actions: SetOf::from_bits(wire.actions).ok_or(BadFact::Unknown("action"))?,
        granted_at: Timestamp::from_nanos(wire.granted_at),
        valid_from: Timestamp::from_nanos(wire.valid_from),
        valid_to: wire.valid_to.map(Timestamp::from_nanos),
        notice: Notice { version: wire.notice, language },
        evidence: read_evidence(&wire.evidence)?,
        acks: wire.acks.into_iter().map(RevokeId::from_bytes).collect(),
        grantor: Grantor::Patient,
        offline: None,
    })
}

fn read_revoke(body: &[u8]) -> Result<RevokeTerms, BadFact> {
    let wire: RevokeWire = postcard::from_bytes(body).map_err(|_| BadFact::Malformed)?;
    Ok(RevokeTerms {
        draw: wire.draw,
        patient: PatientId::from_bytes(wire.patient),
        scope: match wire.scope {
            ScopeWire::Grants(ids) => RevokeScope::Grants(
                ids.into_iter().map(GrantId::from_bytes).collect::<BTreeSet<_>>(),
            ),
            ScopeWire::Site(site) => RevokeScope::Site(SiteId::from_bytes(site)),
            ScopeWire::Everything => RevokeScope::Everything,
        },
        revoked_at: Timestamp::from_nanos(wire.revoked_at),
        evidence: read_evidence(&wire.evidence)?,
    })
}

fn read_evidence(wire: &EvidenceWire) -> Result<Evidence, BadFact> {
    let capture = Capture::from_number(wire.capture).ok_or(BadFact::Unknown("way of capture"))?;
    Ok(Evidence { capture, witness: wire.witness })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::grantor::Relationship;
    use crate::scope::Action;
    use crate::{grant, revoke};
    use vocab::{Compartment, Purpose};

    fn event() -> impl Strategy<Value = ConsentEvent> {
        prop_oneof![
            grant_terms().prop_map(|terms| ConsentEvent::Grant(Grant::new(terms).unwrap())),
            revoke_terms().prop_map(|terms| ConsentEvent::Revoke(Revoke::new(terms).unwrap())),
        ]
    }

    fn evidence() -> impl Strategy<Value = Evidence> {
        (prop::sample::select(&Capture::ALL[..3]), any::<Option<u32>>())
            .prop_map(|(capture, witness)| Evidence { capture, witness })
    }

    prop_compose! {
        fn grant_terms()(
            (draw, patient) in any::<([u8; 16], [u8; 16])>(),
            site in any::<Option<[u8; 16]>>(),
            compartments in prop::sample::subsequence(&Compartment::ALL[..16], 1..=16),
            purposes in prop::sample::subsequence(&Purpose::ALL[..], 1..=7),
            actions in prop::sample::subsequence(vec![Action::View, Action::AiUse], 1..=2),
            (granted_at, valid_from) in (any::<i64>(), any::<i64>().prop_map(|n| n / 2)),
            lasts in prop::option::of(1..i64::MAX / 2),
            (version, letters) in (any::<u16>(), prop::array::uniform3(b'a'..=b'z')),
            evidence in evidence(),
            acks in prop::collection::btree_set(any::<[u8; 32]>(), 0..4),
            (grantor, hours) in (0..5_u8, prop::option::of(0..=OfflineTime::HOURS_MAX)),
        ) -> GrantTerms {
            let guardian = Grantor::Guardian(Relationship::Parent);
            let grantor =
                [Grantor::Patient, Grantor::Nominee, Grantor::Court, guardian, Grantor::Patient]
                    [usize::from(grantor)];
            let lasts = lasts.or(grantor.is_guardian().then_some(1));
            GrantTerms {
                draw,
                patient: PatientId::from_bytes(patient),
                recipient: site.map_or(Recipient::AnySite, |site| {
                    Recipient::Site(SiteId::from_bytes(site))
                }),
                compartments: SetOf::of(&compartments),
                purposes: SetOf::of(&purposes),
                actions: SetOf::of(&actions),
                granted_at: Timestamp::from_nanos(granted_at),
                valid_from: Timestamp::from_nanos(valid_from),
                valid_to: lasts.map(|lasts| Timestamp::from_nanos(valid_from + lasts)),
                notice: Notice { version, language: Language::from_letters(letters).unwrap() },
                evidence,
                acks: acks.into_iter().map(RevokeId::from_bytes).collect(),
                grantor,
                offline: hours.and_then(OfflineTime::from_hours),
            }
        }
    }

    prop_compose! {
        fn revoke_terms()(
            (draw, patient) in any::<([u8; 16], [u8; 16])>(),
            scope in prop_oneof![
                Just(RevokeScope::Everything),
                any::<[u8; 16]>().prop_map(|site| RevokeScope::Site(SiteId::from_bytes(site))),
                prop::collection::btree_set(any::<[u8; 32]>(), 1..4).prop_map(|ids| {
                    RevokeScope::Grants(ids.into_iter().map(GrantId::from_bytes).collect())
                }),
            ],
            revoked_at in any::<i64>(),
            evidence in evidence(),
        ) -> RevokeTerms {
            let (patient, revoked_at) =
                (PatientId::from_bytes(patient), Timestamp::from_nanos(revoked_at));
            RevokeTerms { draw, patient, scope, revoked_at, evidence }
        }
    }

    proptest! {
        #[test]
        fn an_event_reads_back_as_itself(event in event()) {
            let bytes = event.to_bytes();
            prop_assert_eq!(ConsentEvent::from_bytes(event.kind(), &bytes), Ok(event));
        }

        #[test]
        fn what_was_read_writes_back_to_the_same_bytes(
            event in event(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = event.to_bytes();
            *at.get_mut(&mut bytes) = byte;
            if let Ok(read) = ConsentEvent::from_bytes(event.kind(), &bytes) {
                prop_assert_eq!(read.to_bytes(), bytes);
            }
        }

        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            for kind in FactKind::ALL {
                let _ = ConsentEvent::from_bytes(kind, &bytes);
            }
        }

        #[test]
        fn a_cut_or_lengthened_event_is_refused(event in event(), more in any::<u8>()) {
            let mut bytes = event.to_bytes();
            bytes.push(more);
            prop_assert!(ConsentEvent::from_bytes(event.kind(), &bytes).is_err());
            bytes.truncate(bytes.len() - 2);
            prop_assert!(ConsentEvent::from_bytes(event.kind(), &bytes).is_err());
        }
    }

    #[test]
    fn every_departure_from_the_one_form_is_refused() {
        let bytes = grant_bytes(&grant::tests::plain());
        // Version, draw, patient, recipient tag, recipient.
        let compartments = 1 + 16 + 16 + 1 + 16;
        assert_eq!(bytes[compartments], 1 << Compartment::Vitals.number());
        check(FactKind::ConsentGrant, &bytes, None);
        check(FactKind::ConsentRevoke, &bytes, Some(BadFact::Malformed));
        check(FactKind::Alerts, &bytes, Some(BadFact::Kind));
        check(FactKind::ConsentGrant, &[], Some(BadFact::Malformed));
        check(FactKind::ConsentGrant, &[&[3], &bytes[1..]].concat(), Some(BadFact::Version(3)));
        let second = |more: &[u8]| [&[2], &bytes[1..], more].concat();
        check(FactKind::ConsentGrant, &second(&[]), Some(BadFact::Malformed));
        check(FactKind::ConsentGrant, &second(&[3, 0, 0]), None);
        check(FactKind::ConsentGrant, &second(&[1, 0, 1, 24]), None);
        // The patient's own, with nothing to add, has the first form only.
        check(FactKind::ConsentGrant, &second(&[1, 0, 0]), Some(BadFact::NotCanonical));
        check(FactKind::ConsentGrant, &second(&[9, 0, 0]), Some(BadFact::Unknown("grantor")));
        let too_long = second(&[3, 0, 1, 0xff, 0xff, 3]);
        check(FactKind::ConsentGrant, &too_long, Some(BadFact::Unknown("offline time")));
        check(FactKind::ConsentGrant, &[&bytes[..], &[0]].concat(), Some(BadFact::NotCanonical));
        let longer_number =
            [&bytes[..compartments], &[0x88, 0], &bytes[compartments + 1..]].concat();
        check(FactKind::ConsentGrant, &longer_number, Some(BadFact::NotCanonical));
        let mut unknown = bytes;
        unknown[compartments] = 1;
        check(FactKind::ConsentGrant, &unknown, Some(BadFact::Unknown("compartment")));
        unknown[compartments] = 0;
        check(FactKind::ConsentGrant, &unknown, Some(BadFact::Grant(BadGrant::Empty)));
        let longest = vec![VERSION; FACT_BYTES_MAX];
        check(FactKind::ConsentGrant, &longest, Some(BadFact::Unknown("language")));
        let too_long = vec![VERSION; FACT_BYTES_MAX + 1];
        check(FactKind::ConsentGrant, &too_long, Some(BadFact::TooLong));
    }

    #[test]
    fn lists_out_of_order_are_refused() {
        let (first, second) = ([1; 32], [2; 32]);
        let scope = RevokeScope::Grants([first, second].map(GrantId::from_bytes).into());
        let bytes = revoke_bytes(&RevokeTerms { scope, ..revoke::tests::plain() });
        check(FactKind::ConsentRevoke, &bytes, None);
        // Version, draw, patient, scope tag, count.
        let list = 1 + 16 + 16 + 1 + 1;
        for swapped in [[second, first], [first, first]] {
            let mut bytes = bytes.clone();
            bytes[list..list + 64].copy_from_slice(swapped.as_flattened());
            check(FactKind::ConsentRevoke, &bytes, Some(BadFact::NotCanonical));
        }
    }

    #[track_caller]
    fn check(kind: FactKind, bytes: &[u8], expected: Option<BadFact>) {
        assert_eq!(ConsentEvent::from_bytes(kind, bytes).err(), expected);
    }

    /// The signed form must not move: a change here makes every kept grant unreadable.
    #[test]
    fn the_bytes_of_version_1_stay_as_they_are() {
        let grant = Grant::new(grant::tests::plain()).unwrap();
        let revoke = Revoke::new(revoke::tests::plain()).unwrap();
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        assert_eq!(
            hex(&grant_bytes(grant.terms())),
            "0100000000000000000000000000000000010101010101010101010101010101010002020202020202020202020202020202080206121401280168696e010000"
        );
        assert_eq!(
            grant.id().to_string(),
            "303881a1931b71077a8b0e642c1c573455c95f8b4fca122bccab4ec5ab7d8914"
        );
        assert_eq!(
            hex(&revoke_bytes(revoke.terms())),
            "010000000000000000000000000000000001010101010101010101010101010101021e0400"
        );
        assert_eq!(
            revoke.id().to_string(),
            "fcb57fa2e4e87ce4a2188d9d0e77e9bc73ff04ca519c039b418db2c79f1ac9cf"
        );
    }
}
