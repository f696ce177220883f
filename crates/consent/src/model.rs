//! A second, plain reading of the rules, to compare [`decide`](crate::decide()) with.
//!
//! It keeps the events as they came, derives nothing ahead of time and takes every rule as a
//! sentence about the whole list. It shares no code with the real thing but the words.

use std::collections::BTreeSet;

use vocab::{Compartment, Purpose};

use crate::fact::ConsentEvent;
use crate::id::{GrantId, RevokeId};
use crate::scope::{Action, Recipient};
use crate::{Ask, Grant, Grantor, Revoke, RevokeScope};

/// What the model answers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Author,
    Granted(GrantId),
    ConsentRecord,
    Withdrawn(BTreeSet<(GrantId, RevokeId)>),
    OutOfTime(BTreeSet<GrantId>),
    NeverGranted,
}

/// Answers `ask` from the list of events, which may hold repeats in any order, about a patient who
/// comes of age at `of_age`.
pub(crate) fn answer(events: &[ConsentEvent], ask: &Ask, of_age: i64) -> Answer {
    let care = [Purpose::Treatment, Purpose::CareCoordination, Purpose::PatientRequest];
    let own = ask.author_site.is_some_and(|author| author == ask.recipient);
    if own && care.contains(&ask.purpose) && ask.action != Action::AiUse {
        return Answer::Author;
    }
    if ask.compartment == Compartment::Consent {
        return Answer::ConsentRecord;
    }
    let covering: Vec<&Grant> = grants(events).filter(|grant| mentions(grant, ask)).collect();
    let closers = |grant: &Grant| -> Vec<RevokeId> {
        let reaching = revokes(events).filter(|revoke| reaches(revoke, grant, ask));
        reaching.map(Revoke::id).filter(|id| !grant.terms().acks.contains(id)).collect()
    };
    let (open, closed): (Vec<&Grant>, Vec<&Grant>) =
        covering.into_iter().partition(|grant| closers(grant).is_empty());
    let (timely, untimely): (Vec<&Grant>, Vec<&Grant>) =
        open.into_iter().partition(|grant| is_now(grant, ask, of_age));
    if !timely.is_empty() {
        return Answer::Granted(longest(&timely, ask, of_age));
    }
    if !closed.is_empty() {
        let first = |grant: &Grant| closers(grant).into_iter().min().unwrap();
        return Answer::Withdrawn(closed.into_iter().map(|g| (g.id(), first(g))).collect());
    }
    if !untimely.is_empty() {
        return Answer::OutOfTime(untimely.into_iter().map(Grant::id).collect());
    }
    Answer::NeverGranted
}

fn grants(events: &[ConsentEvent]) -> impl Iterator<Item = &Grant> {
    events.iter().filter_map(|event| match event {
        ConsentEvent::Grant(grant) => Some(grant),
        ConsentEvent::Revoke(_) => None,
    })
}

fn revokes(events: &[ConsentEvent]) -> impl Iterator<Item = &Revoke> {
    events.iter().filter_map(|event| match event {
        ConsentEvent::Revoke(revoke) => Some(revoke),
        ConsentEvent::Grant(_) => None,
    })
}

fn mentions(grant: &Grant, ask: &Ask) -> bool {
    let terms = grant.terms();
    let to_them = match terms.recipient {
        Recipient::AnySite => true,
        Recipient::Site(site) => site == ask.recipient,
    };
    let part = terms.compartments.iter().any(|named| {
        let alerts_ride_along =
            named == Compartment::Vitals && ask.compartment == Compartment::Alerts;
        named == ask.compartment || alerts_ride_along
    });
    let purpose = terms.purposes.iter().any(|named| named == ask.purpose);
    let action = terms.actions.iter().any(|named| named == ask.action);
    [to_them, part, purpose, action] == [true; 4]
}

fn reaches(revoke: &Revoke, grant: &Grant, ask: &Ask) -> bool {
    match &revoke.terms().scope {
        RevokeScope::Everything => true,
        RevokeScope::Site(site) => *site == ask.recipient,
        RevokeScope::Grants(named) => named.iter().any(|id| *id == grant.id()),
    }
}

fn is_now(grant: &Grant, ask: &Ask, of_age: i64) -> bool {
    let begin = i128::from(grant.terms().valid_from.nanos());
    (begin..end(grant, ask, of_age).unwrap_or(i128::MAX)).contains(&i128::from(ask.at.nanos()))
}

/// When the grant ends: as it says, and a guardian's with childhood, or a month later for what a
/// treatment needs.
pub(crate) fn end(grant: &Grant, ask: &Ask, of_age: i64) -> Option<i128> {
    let named = grant.terms().valid_to.map(|end| i128::from(end.nanos()));
    if let Grantor::Guardian(_) = grant.terms().grantor {
        let month = 30 * 24 * 60 * 60 * 1_000_000_000;
        let needed = [Compartment::Lifesaver, Compartment::Clinical].contains(&ask.compartment);
        let of_age = i128::from(of_age);
        let childhood = if needed { of_age + month } else { of_age };
        return if named < Some(of_age) { named } else { Some(childhood) };
    }
    named
}

/// The grant that ends last; of those that end together, the lowest id.
fn longest(grants: &[&Grant], ask: &Ask, of_age: i64) -> GrantId {
    let key = |grant: &&&Grant| {
        let end = end(grant, ask, of_age).unwrap_or(i128::MAX);
        (std::cmp::Reverse(end), grant.id())
    };
    grants.iter().min_by_key(key).unwrap().id()
}
