//! The one decision about a patient's permission, the same at a clinic and at the hub.
//!
//! The rules, in order; the first that answers ends it:
//!
//! 1. **Author.** A clinic keeps and sees what it wrote itself, to treat and to hand the patient
//!    their record; a withdrawn permission does not reach this.
//! 2. **Consent record.** What the patient allowed goes to nobody else.
//! 3. **Grants that cover** the recipient, the compartment (alerts ask for vitals), the purpose and
//!    the action are looked at; nothing else counts. Sensitive compartments stand in a grant only
//!    if somebody ticked each of them, and there is no way to write "all compartments".
//! 4. **Revocation.** A grant is closed by every revocation that reaches it and that it does not
//!    acknowledge, whichever came first and whatever the clocks said. A grant made at one clinic
//!    while another takes permission back acknowledges nothing: it is closed.
//! 5. **Time.** What is left counts from its first moment until just before its end. What a guardian
//!    granted ends when the patient comes of age, known from the birth date.
//! 6. **Default.** No grant, no permission.
//!
//! Legal holds and emergency access belong around rule 1 and are not part of this function; neither is
//! the lease under which a clinic holds a copy while it hears nothing from the hub. Roles are checked elsewhere and first: what a patient allows
//! never widens what a role may do.

use vocab::{Compartment, Purpose, SiteId, Timestamp};

use crate::grantor::OfflineTime;
use crate::id::{GrantId, RevokeId};
use crate::scope::{Action, governed_by};
use crate::state::{ConsentState, Judged};

/// What somebody asks for. Whose record it is, the [`ConsentState`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The clinic that wants it.
    pub recipient: SiteId,
    /// Which part of the record.
    pub compartment: Compartment,
    /// What for.
    pub purpose: Purpose,
    /// To do what.
    pub action: Action,
    /// When.
    pub at: Timestamp,
    /// The clinic that wrote what is asked for. A stream with entries of several clinics is asked
    /// for once per author, or with `None`: the exception for authors must not carry along what
    /// others wrote.
    pub author_site: Option<SiteId>,
}

/// The answer, with the events it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes.
    Permit {
        /// What allows it.
        because: Permission,
    },
    /// No.
    Deny {
        /// What stands against it.
        because: Denial,
    },
}

/// What allows something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// The clinic that asks wrote it.
    Author,
    /// The patient allows it. Of several grants this is the one that lasts longest, then the one
    /// with the lowest id.
    Granted {
        /// The grant.
        grant: GrantId,
        /// The first moment at which it no longer counts by itself.
        until: Option<Timestamp>,
        /// How long a copy may be opened after its holder last heard from the hub.
        offline: OfflineTime,
    },
}

/// What stands against something. Where several things do, the first of this list is named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denial {
    /// It is the consent record, which stays with its author.
    ConsentRecord,
    /// It was allowed and is taken back: each such grant with a revocation that closes it.
    Withdrawn(Vec<(GrantId, RevokeId)>),
    /// It is allowed at other times: these grants have not begun or are over.
    OutOfTime(Vec<GrantId>),
    /// Nobody ever allowed it.
    NeverGranted,
}

impl Decision {
    /// Whether the answer is yes.
    #[must_use]
    pub const fn is_permit(&self) -> bool {
        matches!(self, Self::Permit { .. })
    }
}

/// Decides `ask` about the patient of `state`. Never fails, reads no clock, and costs a look at
/// each grant of the patient.
#[must_use]
pub fn decide(state: &ConsentState, ask: &Ask) -> Decision {
    if ask.author_site == Some(ask.recipient) && is_of_author(ask.purpose, ask.action) {
        return Decision::Permit { because: Permission::Author };
    }
    let Some(compartment) = governed_by(ask.compartment) else {
        return Decision::Deny { because: Denial::ConsentRecord };
    };
    let mut best: Option<(&Judged, Option<Timestamp>)> = None;
    let (mut withdrawn, mut out_of_time) = (Vec::new(), Vec::new());
    for judged in state.judged().filter(|judged| covers(judged, ask, compartment)) {
        if let Some(revoke) = judged.closed_to(ask.recipient) {
            withdrawn.push((judged.grant.id(), revoke));
        } else if !judged.grant.is_in_time(ask.at, compartment, state.of_age()) {
            out_of_time.push(judged.grant.id());
        } else {
            let until = judged.grant.end(compartment, state.of_age());
            if best.is_none_or(|(_, best)| ends_after(until, best)) {
                best = Some((judged, until));
            }
        }
    }
    if let Some((Judged { grant, .. }, until)) = best {
        let offline = grant.offline_time();
        let because = Permission::Granted { grant: grant.id(), until, offline };
        return Decision::Permit { because };
    }
    let because = if !withdrawn.is_empty() {
        Denial::Withdrawn(withdrawn)
    } else if !out_of_time.is_empty() {
        Denial::OutOfTime(out_of_time)
    } else {
        Denial::NeverGranted
    };
    Decision::Deny { because }
}

/// What an author may do with what it wrote: care, and the duty to keep records and to hand them to
/// the patient. Research, quality work, payment and models need permission like everybody else's.
const fn is_of_author(purpose: Purpose, action: Action) -> bool {
    let of_care_or_duty = match purpose {
        Purpose::Treatment | Purpose::CareCoordination | Purpose::PatientRequest => true,
        Purpose::Payment | Purpose::Operations | Purpose::PublicHealth | Purpose::Research => false,
    };
    let keeps = match action {
        Action::View | Action::Replicate | Action::Write | Action::Export => true,
        Action::AiUse => false,
    };
    of_care_or_duty && keeps
}

fn covers(judged: &Judged, ask: &Ask, compartment: Compartment) -> bool {
    let terms = judged.grant.terms();
    terms.recipient.includes(ask.recipient)
        && terms.compartments.contains(compartment)
        && terms.purposes.contains(ask.purpose)
        && terms.actions.contains(ask.action)
}

/// Whether `a` is after `b`; what has no end lasts longest. Grants come by id, so of two that end
/// together the lower id stays.
fn ends_after(a: Option<Timestamp>, b: Option<Timestamp>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a > b,
        (None, Some(_)) => true,
        (_, None) => false,
    }
}
