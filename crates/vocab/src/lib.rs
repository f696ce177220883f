//! The words every crate speaks: who, where, when, which part of a record, for what purpose.
//!
//! Nothing here does anything; each type is a value parsed once at a boundary and trusted after.

pub mod compartment;
pub mod decision;
pub mod fact_kind;
pub mod ids;
pub mod purpose;
pub mod sensitive;
pub mod slug;
pub mod timestamp;

pub use compartment::Compartment;
pub use decision::{BadDecision, Decision};
pub use fact_kind::FactKind;
pub use ids::{PatientId, SiteId};
pub use purpose::Purpose;
pub use sensitive::Sensitive;
pub use slug::{BadSlug, DeviceName, PatientRef, SiteName};
pub use timestamp::Timestamp;
