//! Turns readings into alerts a person must see.
//!
//! The rules are data with a version ([`RuleTable`]). A reading raises at most one alert, the most
//! severe that applies, when it is stored; one that is known already is not judged again, so the same
//! reading never alarms twice. A late reading raises an alert that is kept and shown but never paged.

pub mod alert;
pub mod fact;
pub mod rules;
pub mod severity;
pub mod store;

pub use alert::Alert;
pub use fact::AlertsRaised;
pub use rules::{BadRules, Raised, Rule, RuleNo, RuleTable};
pub use severity::{Direction, Severity};
