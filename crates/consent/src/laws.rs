//! The laws of consent, checked over random histories.
//!
//! A history is drawn as steps in a world so small that everything meets everything: three clinics,
//! five compartments, two purposes, two actions, eight moments. The patient comes of age in the middle.

use std::collections::{BTreeSet, HashSet};

use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use proptest::strategy::ValueTree as _;
use vocab::{Compartment, PatientId, Purpose, SiteId, Timestamp};

use crate::fact::ConsentEvent;
use crate::id::{GrantId, RevokeId};
use crate::model::{self, Answer};
use crate::scope::{Action, Recipient, SetOf};
use crate::{
    Ask, ConsentState, Decision, Denial, Grant, GrantTerms, Grantor, Permission, Relationship,
    Revoke, RevokeScope, RevokeTerms, decide, grant, revoke,
};

const PARTS: [Compartment; 4] =
    [Compartment::Identity, Compartment::Lifesaver, Compartment::Vitals, Compartment::MentalHealth];
const ASKED_PARTS: [Compartment; 6] = [
    Compartment::Identity,
    Compartment::Lifesaver,
    Compartment::Vitals,
    Compartment::MentalHealth,
    Compartment::Alerts,
    Compartment::Consent,
];
const PURPOSES: [Purpose; 2] = [Purpose::Treatment, Purpose::Research];
const ACTIONS: [Action; 2] = [Action::Replicate, Action::AiUse];
const MOMENTS: i64 = 8;
const OF_AGE: i64 = 5;

fn patient() -> PatientId {
    grant::tests::plain().patient
}

fn site(n: u8) -> SiteId {
    SiteId::from_bytes([n; 16])
}

/// One step of a history. Indexes point into what happened before, as hashes make it in life.
#[derive(Clone, Debug)]
enum Step {
    Grant {
        to: Option<u8>,
        parts: Vec<Compartment>,
        purposes: Vec<Purpose>,
        actions: Vec<Action>,
        from: i64,
        lasts: Option<i64>,
        acks: Vec<Index>,
        grantor: Grantor,
    },
    RevokeNamed(Vec<Index>),
    RevokeSite(u8),
    RevokeAll,
}

fn step() -> impl Strategy<Value = Step> {
    let grant = (
        prop_oneof![4 => (1..=3u8).prop_map(Some), 1 => Just(None)],
        subsequence(PARTS.to_vec(), 1..=3),
        subsequence(PURPOSES.to_vec(), 1..=2),
        subsequence(ACTIONS.to_vec(), 1..=2),
        0..MOMENTS,
        prop::option::of(1..MOMENTS),
        prop::collection::vec(any::<Index>(), 0..4),
        prop_oneof![
            3 => Just(Grantor::Patient),
            2 => Just(Grantor::Guardian(Relationship::Parent)),
        ],
    )
        .prop_map(|(to, parts, purposes, actions, from, lasts, acks, grantor)| Step::Grant {
            to,
            parts,
            purposes,
            actions,
            from,
            lasts: lasts.or(grantor.is_guardian().then_some(MOMENTS)),
            acks,
            grantor,
        });
    prop_oneof![
        6 => grant,
        1 => prop::collection::vec(any::<Index>(), 1..3).prop_map(Step::RevokeNamed),
        2 => (1..=3u8).prop_map(Step::RevokeSite),
        1 => Just(Step::RevokeAll),
    ]
}

/// Events in the order they were made.
fn history() -> impl Strategy<Value = Vec<ConsentEvent>> {
    prop::collection::vec(step(), 0..12).prop_map(|steps| {
        let mut events = Vec::new();
        for (n, step) in steps.into_iter().enumerate() {
            events.extend(play(u8::try_from(n).unwrap(), step, &events));
        }
        events
    })
}

fn play(draw: u8, step: Step, before: &[ConsentEvent]) -> Option<ConsentEvent> {
    let (mut grants, mut revokes): (Vec<GrantId>, Vec<RevokeId>) = (Vec::new(), Vec::new());
    for event in before {
        match event {
            ConsentEvent::Grant(grant) => grants.push(grant.id()),
            ConsentEvent::Revoke(revoke) => revokes.push(revoke.id()),
        }
    }
    let scope = match step {
        Step::Grant { to, parts, purposes, actions, from, lasts, acks, grantor } => {
            let picked = acks.iter().filter(|_| !revokes.is_empty());
            let terms = GrantTerms {
                draw: [draw; 16],
                recipient: to.map_or(Recipient::AnySite, |n| Recipient::Site(site(n))),
                compartments: SetOf::of(&parts),
                purposes: SetOf::of(&purposes),
                actions: SetOf::of(&actions),
                valid_from: Timestamp::from_nanos(from),
                valid_to: lasts.map(|lasts| Timestamp::from_nanos(from + lasts)),
                acks: picked.map(|index| *index.get(&revokes)).collect(),
                grantor,
                ..grant::tests::plain()
            };
            return Some(ConsentEvent::Grant(Grant::new(terms).unwrap()));
        }
        Step::RevokeNamed(_) if grants.is_empty() => return None,
        Step::RevokeNamed(picked) => {
            RevokeScope::Grants(picked.iter().map(|index| *index.get(&grants)).collect())
        }
        Step::RevokeSite(n) => RevokeScope::Site(site(n)),
        Step::RevokeAll => RevokeScope::Everything,
    };
    Some(ConsentEvent::Revoke(revoke_of(draw, scope)))
}

fn revoke_of(draw: u8, scope: RevokeScope) -> Revoke {
    Revoke::new(RevokeTerms { draw: [draw; 16], scope, ..revoke::tests::plain() }).unwrap()
}

/// Every question that can be asked in the small world, and the last moment there is.
fn asks() -> Vec<Ask> {
    let mut asks = Vec::new();
    for compartment in ASKED_PARTS {
        for (purpose, action) in PURPOSES.into_iter().flat_map(|p| ACTIONS.map(|a| (p, a))) {
            for nanos in (0..=2 * MOMENTS).chain([i64::MAX]) {
                for (recipient, author) in
                    [(1, None), (2, None), (3, None), (1, Some(1)), (1, Some(2))]
                {
                    asks.push(Ask {
                        recipient: site(recipient),
                        compartment,
                        purpose,
                        action,
                        at: Timestamp::from_nanos(nanos),
                        author_site: author.map(site),
                    });
                }
            }
        }
    }
    asks
}

fn state(events: &[ConsentEvent]) -> ConsentState {
    ConsentState::from_events(patient(), events.iter().cloned())
        .coming_of_age(Some(Timestamp::from_nanos(OF_AGE)))
}

/// The real answer in the model's words. `until` must be the end of the grant it names.
fn plain(state: &ConsentState, ask: &Ask, decision: Decision) -> Answer {
    match decision {
        Decision::Permit { because: Permission::Author } => Answer::Author,
        Decision::Permit { because: Permission::Granted { grant, until, offline } } => {
            let named = state.judged().find(|judged| judged.grant.id() == grant).unwrap();
            let end = model::end(&named.grant, ask, OF_AGE);
            assert_eq!(until.map(|until| i128::from(until.nanos())), end);
            assert_eq!(offline, named.grant.offline_time());
            Answer::Granted(grant)
        }
        Decision::Deny { because: Denial::ConsentRecord } => Answer::ConsentRecord,
        Decision::Deny { because: Denial::Withdrawn(pairs) } => {
            Answer::Withdrawn(pairs.into_iter().collect())
        }
        Decision::Deny { because: Denial::OutOfTime(grants) } => {
            Answer::OutOfTime(grants.into_iter().collect())
        }
        Decision::Deny { because: Denial::NeverGranted } => Answer::NeverGranted,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_024))]

    /// Both readings of the rules give the same answer, and for the same reason.
    #[test]
    fn the_decision_is_what_a_plain_reading_of_the_rules_gives(events in history()) {
        let state = state(&events);
        for ask in asks() {
            let real = plain(&state, &ask, decide(&state, &ask));
            prop_assert_eq!(real, model::answer(&events, &ask, OF_AGE), "{:?}", ask);
        }
    }

    /// Nodes that know the same events are in the same state, whatever came first or twice.
    #[test]
    fn the_state_depends_on_the_set_of_events_only(
        (events, delivered) in history().prop_flat_map(|events| {
            let twice = [events.clone(), events.clone()].concat();
            (Just(events), Just(twice).prop_shuffle())
        }),
    ) {
        prop_assert_eq!(state(&events), state(&delivered));
    }

    /// Knowing of two sets of events is knowing of their union, however they are put together.
    #[test]
    fn states_of_parts_add_up(events in history(), cut in any::<Index>()) {
        let (left, right) = events.split_at(cut.index(events.len() + 1));
        let joined = |a: &[ConsentEvent], b: &[ConsentEvent]| {
            let both: Vec<_> = state(a).events().chain(state(b).events()).collect();
            state(&both)
        };
        prop_assert_eq!(joined(left, right), state(&events));
        prop_assert_eq!(joined(right, left), state(&events));
        prop_assert_eq!(joined(&events, left), state(&events));
    }

    /// One more revocation takes access away or leaves it; it never gives any.
    #[test]
    fn a_revocation_never_opens_anything(
        events in history(),
        late in step().prop_filter("a revocation", |s| !matches!(s, Step::Grant { .. })),
    ) {
        let Some(revoke) = play(200, late, &events) else { return Ok(()) };
        let (before, mut after) = (state(&events), state(&events));
        after.insert(revoke);
        for ask in asks() {
            let (before, after) = (decide(&before, &ask), decide(&after, &ask));
            prop_assert!(before.is_permit() || !after.is_permit(), "{:?}", ask);
        }
    }

    /// After everything was taken back, no grant that was made before opens anything again, whether
    /// it is sent again or arrives only now.
    #[test]
    fn old_grants_never_reopen(events in history()) {
        let mut state = ConsentState::new(patient());
        state.insert(ConsentEvent::Revoke(revoke_of(200, RevokeScope::Everything)));
        for event in &events {
            state.insert(event.clone());
        }
        for ask in asks().into_iter().filter(|ask| ask.author_site != Some(ask.recipient)) {
            prop_assert!(!decide(&state, &ask).is_permit(), "{:?}", ask);
        }
    }

    /// A clinic that lost its permission gets it back only from a grant that names the revocation.
    #[test]
    fn a_new_grant_counts_only_with_its_acknowledgement(events in history(), n in 1..=3u8) {
        let mut state = state(&events);
        let revoke = revoke_of(200, RevokeScope::Site(site(n)));
        state.insert(ConsentEvent::Revoke(revoke.clone()));
        let ask = Ask {
            recipient: site(n),
            compartment: Compartment::Vitals,
            purpose: Purpose::Treatment,
            action: Action::Replicate,
            at: Timestamp::from_nanos(3),
            author_site: None,
        };
        let again = |acks: BTreeSet<RevokeId>| {
            ConsentEvent::Grant(Grant::new(GrantTerms {
                draw: [201; 16],
                recipient: Recipient::Site(site(n)),
                valid_from: Timestamp::from_nanos(3),
                valid_to: None,
                acks,
                ..grant::tests::plain()
            }).unwrap())
        };
        let all: BTreeSet<_> =
            state.revokes_to_overcome(Recipient::Site(site(n))).map(Revoke::id).collect();
        let mut without = state.clone();
        without.insert(again(all.iter().copied().filter(|id| *id != revoke.id()).collect()));
        prop_assert!(!decide(&without, &ask).is_permit());
        state.insert(again(all));
        prop_assert!(decide(&state, &ask).is_permit());
    }

    /// Between two changes that the state announces, time alone changes no answer.
    #[test]
    fn answers_change_with_time_only_when_announced(events in history()) {
        let state = state(&events);
        for ask in asks() {
            let later = Ask { at: Timestamp::from_nanos(ask.at.nanos().saturating_add(1)), ..ask };
            if decide(&state, &ask) != decide(&state, &later) {
                prop_assert_eq!(state.next_change(ask.at), Some(later.at));
            }
        }
    }
}

/// The small world does contain every kind of answer; a law that never meets one proves little.
#[test]
fn random_histories_meet_every_answer() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut met = HashSet::new();
    for _ in 0..64 {
        let events = history().new_tree(&mut runner).unwrap().current();
        let state = state(&events);
        for ask in asks() {
            met.insert(std::mem::discriminant(&model::answer(&events, &ask, OF_AGE)));
            let _ = decide(&state, &ask);
        }
    }
    assert_eq!(met.len(), 6);
}
