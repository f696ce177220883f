//! What each patient allowed, to whom, for what purpose.
//!
//! A grant and a revocation are events that are only ever added. What is allowed now is computed
//! from the set of them ([`ConsentState`]) by one function, [`decide()`], the same at a clinic and
//! at the hub. The absence of a grant is a refusal.

pub mod decide;
pub mod emergency;
pub mod fact;
pub mod grant;
pub mod grantor;
pub mod id;
pub mod notice;
pub mod revoke;
pub mod scope;
pub mod state;
pub mod store;

#[cfg(test)]
mod laws;
#[cfg(test)]
mod model;

pub use decide::{Ask, Decision, Denial, Permission, decide};
pub use emergency::EmergencyAccess;
pub use grant::{Grant, GrantTerms};
pub use grantor::{Grantor, OfflineTime, Relationship};
pub use revoke::{Revoke, RevokeScope, RevokeTerms};
pub use state::ConsentState;
