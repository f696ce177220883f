//! Consent from the command line.

use std::collections::BTreeSet;

use consent::decide::{Ask, Decision, Denial, decide};
use consent::fact::ConsentEvent;
use consent::notice::{Capture, Evidence, Language, Notice};
use consent::scope::{Action, Recipient, SetOf};
use consent::{GrantTerms, Grantor, OfflineTime, Relationship, RevokeScope, RevokeTerms};
use host::control::{Answer, Refusal};
use serde::{Deserialize, Serialize};
use store::Connection;
use vocab::{Compartment, PatientId, Purpose, SiteId, SiteName, Timestamp};
use workflows::WorkflowError;
use workflows::grant_consent::grant_consent;
use workflows::revoke_consent::revoke_consent;

use crate::node::Node;

/// Version of the notice that the command line stands for: the text in README.
const NOTICE_VERSION: u16 = 2;

/// What a patient allows one site.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ConsentRow {
    /// The patient's number.
    pub patient_ref: String,
    /// The site's name in the hub's directory.
    pub site: String,
    /// Compartments joined by `+`, such as `identity+vitals`.
    pub compartments: String,
    /// The day, or the moment, from which it no longer counts; empty until it is taken back.
    #[serde(default)]
    pub until: String,
    /// For how many hours a copy may be opened while its clinic does not hear the hub; empty for what
    /// is usual.
    #[serde(default)]
    pub offline_hours: String,
    /// What the one who decides for a child is to it; empty where the patient decides.
    #[serde(default)]
    pub guardian: String,
}

/// A row whose every part was read.
struct Wish {
    patient_ref: String,
    site: SiteName,
    compartments: SetOf<Compartment>,
    until: Option<Timestamp>,
    offline: Option<OfflineTime>,
    grantor: Grantor,
    draw: [u8; 16],
}

/// Reads parts of a record joined by `+`.
pub(super) fn compartments(text: &str) -> Result<Vec<Compartment>, Refusal> {
    let read = |name: &str| {
        Compartment::from_name(name.trim())
            .ok_or_else(|| Refusal::new(format!("there is no compartment {name:?}")))
    };
    text.split('+').map(read).collect()
}

/// Reads `2027-03-01` or `2027-03-01T12:00:00Z`.
fn until(text: &str) -> Result<Timestamp, Refusal> {
    let midnight = format!("{text}T00:00:00Z");
    let moment = if text.len() == 10 { midnight.as_str() } else { text };
    moment.parse().map_err(|_| {
        Refusal::new(format!(
            "{text:?} is no end: write a day as 2027-03-01 or a moment as 2027-03-01T12:00:00Z"
        ))
    })
}

fn offline(text: &str) -> Result<OfflineTime, Refusal> {
    text.parse().ok().and_then(OfflineTime::from_hours).ok_or_else(|| {
        let most = OfflineTime::HOURS_MAX;
        Refusal::new(format!("{text:?} is no offline time: write whole hours from 0 to {most}"))
    })
}

fn guardian(text: &str) -> Result<Grantor, Refusal> {
    Relationship::from_word(text).map(Grantor::Guardian).ok_or_else(|| {
        let known = Relationship::ALL.map(Relationship::word).join(", ");
        Refusal::new(format!("there is no guardian {text:?}; there are {known}"))
    })
}

/// Reads what may be left out.
fn given<T>(
    text: &str,
    read: impl FnOnce(&str) -> Result<T, Refusal>,
) -> Result<Option<T>, Refusal> {
    if text.is_empty() { Ok(None) } else { read(text).map(Some) }
}

/// Records grants, all or none. The person at the keyboard confirms for the patient on screen.
pub(super) async fn grant(node: &Node, rows: Vec<ConsentRow>) -> Result<Answer, Refusal> {
    let mut wishes = Vec::with_capacity(rows.len());
    for row in rows {
        let compartments = compartments(&row.compartments)?;
        wishes.push(Wish {
            patient_ref: row.patient_ref,
            site: row.site.parse().map_err(Refusal::because)?,
            compartments: SetOf::of(&compartments),
            until: given(&row.until, until)?,
            offline: given(&row.offline_hours, offline)?,
            grantor: given(&row.guardian, guardian)?.unwrap_or_default(),
            draw: node.random.bytes(),
        });
    }
    let (now, own_site, count) = (node.clock.now(), node.own_site()?, wishes.len());
    let language = Language::from_letters(*b"eng").map_err(Refusal::because)?;
    node.writer
        .write(move |conn, state| {
            for wish in &wishes {
                let patient = find(conn, own_site, &wish.patient_ref)?;
                let site = directory::store::sites::find_site(conn, &wish.site)?
                    .ok_or(WorkflowError::UnknownSite)?;
                let terms = terms(conn, patient, site, wish, language, now)?;
                grant_consent(conn, &mut state.0, now, terms)?;
            }
            Ok::<_, WorkflowError>(())
        })
        .await
        .map_err(Refusal::because)?;
    node.outbox_grew.notify_one();
    Ok(Answer::from(super::counted("recorded", count, "grant")))
}

fn terms(
    conn: &Connection,
    patient: PatientId,
    site: SiteId,
    wish: &Wish,
    language: Language,
    now: Timestamp,
) -> Result<GrantTerms, WorkflowError> {
    // The person at the keyboard sees on this screen what was taken back before, and grants it
    // knowing that.
    let recipient = Recipient::Site(site);
    let state = consent::store::state_of(conn, patient)?;
    let acks: BTreeSet<_> =
        state.revokes_to_overcome(recipient).map(|revoke| revoke.id()).collect();
    Ok(GrantTerms {
        draw: wish.draw,
        patient,
        recipient,
        compartments: wish.compartments,
        purposes: SetOf::of(&[Purpose::Treatment, Purpose::CareCoordination]),
        actions: SetOf::of(&[Action::View, Action::Replicate, Action::Write]),
        granted_at: now,
        valid_from: now,
        valid_to: wish.until,
        notice: Notice { version: NOTICE_VERSION, language },
        evidence: Evidence { capture: Capture::OnScreen, witness: None },
        acks,
        grantor: wish.grantor,
        offline: wish.offline,
    })
}

/// Records that a patient takes back what a site was allowed, or everything.
pub(super) async fn revoke(
    node: &Node,
    patient_ref: String,
    site: Option<String>,
) -> Result<Answer, Refusal> {
    let site: Option<SiteName> =
        site.map(|name| name.parse()).transpose().map_err(Refusal::because)?;
    let (now, own_site, draw) = (node.clock.now(), node.own_site()?, node.random.bytes());
    node.writer
        .write(move |conn, state| {
            let patient = find(conn, own_site, &patient_ref)?;
            let scope = match &site {
                Some(name) => RevokeScope::Site(
                    directory::store::sites::find_site(conn, name)?
                        .ok_or(WorkflowError::UnknownSite)?,
                ),
                None => RevokeScope::Everything,
            };
            let evidence = Evidence { capture: Capture::OnScreen, witness: None };
            let terms = RevokeTerms { draw, patient, scope, revoked_at: now, evidence };
            revoke_consent(conn, &mut state.0, now, terms)
        })
        .await
        .map_err(Refusal::because)?;
    node.outbox_grew.notify_one();
    Ok(Answer::from("taken back; it counts here at once and goes to the hub first\n".to_owned()))
}

/// Whether a patient allows a site to have a part of the record for a purpose now, and if not, why.
pub(super) async fn check(
    node: &Node,
    patient_ref: String,
    site: &str,
    compartment: &str,
    purpose: &str,
) -> Result<Answer, Refusal> {
    let (own_site, at) = (node.own_site()?, node.clock.now());
    let site: SiteName = site.parse().map_err(Refusal::because)?;
    let compartment = Compartment::from_name(compartment)
        .ok_or_else(|| Refusal::new(format!("there is no compartment {compartment:?}")))?;
    let purpose = Purpose::from_name(purpose).ok_or_else(|| {
        let known = Purpose::ALL.map(Purpose::name).join(", ");
        Refusal::new(format!("there is no purpose {purpose:?}; there are {known}"))
    })?;
    let decision = node
        .readers
        .read(move |conn| {
            let patient = find(conn, own_site, &patient_ref)?;
            let recipient = directory::store::sites::find_site(conn, &site)?
                .ok_or(WorkflowError::UnknownSite)?;
            let state = consent::store::state_of(conn, patient)?;
            let action = Action::Replicate;
            let ask =
                Ask { recipient, compartment, purpose, action, at, author_site: Some(own_site) };
            Ok::<_, WorkflowError>(decide(&state, &ask))
        })
        .await
        .map_err(Refusal::because)?;
    let text = match decision {
        Decision::Permit { .. } => "yes\n",
        Decision::Deny { because: Denial::NeverGranted } => "no: it was never allowed\n",
        Decision::Deny { because: Denial::Withdrawn(_) } => "no: it was taken back\n",
        Decision::Deny { because: Denial::OutOfTime(_) } => "no: not at this time\n",
        Decision::Deny { because: Denial::ConsentRecord } => "no: it goes to nobody\n",
    };
    Ok(Answer::from(text.to_owned()))
}

/// What a patient allowed, the newest first.
pub(super) async fn list(node: &Node, patient_ref: String) -> Result<Answer, Refusal> {
    let (own_site, now) = (node.own_site()?, node.clock.now());
    let text = node
        .readers
        .read(move |conn| {
            let patient = find(conn, own_site, &patient_ref)?;
            let state = consent::store::state_of(conn, patient)?;
            let mut text = String::new();
            let mut events: Vec<ConsentEvent> =
                consent::store::list(conn, patient)?.into_iter().map(|kept| kept.event).collect();
            // What came from elsewhere was stored later than it was said.
            events.sort_by_key(|event| std::cmp::Reverse(said_at(event)));
            for event in &events {
                text.push_str(&line(conn, &state, event, now)?);
            }
            Ok::<_, WorkflowError>(text)
        })
        .await
        .map_err(Refusal::because)?;
    let text = if text.is_empty() { "nothing was allowed to anybody\n".to_owned() } else { text };
    Ok(Answer::from(text))
}

const fn said_at(event: &ConsentEvent) -> Timestamp {
    match event {
        ConsentEvent::Grant(grant) => grant.terms().granted_at,
        ConsentEvent::Revoke(revoke) => revoke.terms().revoked_at,
    }
}

fn line(
    conn: &Connection,
    state: &consent::ConsentState,
    event: &ConsentEvent,
    now: Timestamp,
) -> Result<String, WorkflowError> {
    let line = match event {
        ConsentEvent::Grant(grant) => {
            let terms = grant.terms();
            let recipient = match terms.recipient {
                Recipient::AnySite => "every clinic".to_owned(),
                Recipient::Site(site) => name_of(conn, site)?,
            };
            let parts: Vec<&str> = terms.compartments.iter().map(|part| part.name()).collect();
            let standing = state.standing(grant.id(), now);
            format!(
                "{} grant to {recipient}: {}{}{} ({})\n",
                terms.granted_at,
                parts.join(", "),
                terms.valid_to.map(|end| format!(", until {end}")).unwrap_or_default(),
                if terms.grantor.is_guardian() { ", by a guardian" } else { "" },
                standing.map_or("unknown", word)
            )
        }
        ConsentEvent::Revoke(revoke) => {
            let terms = revoke.terms();
            let reach = match &terms.scope {
                RevokeScope::Grants(named) => format!("{} named grants", named.len()),
                RevokeScope::Site(site) => format!("everything for {}", name_of(conn, *site)?),
                RevokeScope::Everything => "everything".to_owned(),
            };
            format!("{} taken back: {reach}\n", terms.revoked_at)
        }
    };
    Ok(line)
}

fn name_of(conn: &Connection, site: SiteId) -> Result<String, WorkflowError> {
    let name = directory::store::sites::site_name(conn, site)?;
    Ok(name.map_or_else(|| site.to_string(), |name| name.to_string()))
}

const fn word(standing: consent::state::Standing) -> &'static str {
    match standing {
        consent::state::Standing::InForce => "in force",
        consent::state::Standing::NotYet => "not yet",
        consent::state::Standing::Over => "over",
        consent::state::Standing::Withdrawn(_) => "withdrawn",
    }
}

fn find(conn: &Connection, site: SiteId, text: &str) -> Result<PatientId, WorkflowError> {
    patients::store::resolve(conn, site, text)?.ok_or(WorkflowError::UnknownPatient)
}
