//! What each patient allowed, to whom, for what purpose.
//!
//! A grant and a revocation are events that are only ever added. What is allowed now is computed
//! from the set of them. The absence of a grant is a refusal.

pub mod fact;
pub mod grant;
pub mod id;
pub mod notice;
pub mod revoke;
pub mod scope;

pub use grant::{Grant, GrantTerms};
pub use revoke::{Revoke, RevokeScope, RevokeTerms};
