//! The verbs: each file is one use case across rooms, run inside one savepoint of the writer.
//!
//! A use case takes the time and randomness it needs, changes the tables of several rooms, and
//! signs what the hub must hear of, all or nothing. Whoever calls it answers after the commit.

pub mod add_device;
pub mod admit_node;
pub mod adopt_hub;
pub mod answer_orders;
pub mod apply_fact;
pub mod edit_patient;
pub mod erase;
pub mod error;
pub mod grant_consent;
mod of_age;
pub mod open_record;
mod queue;
mod raise;
pub mod record_batch;
pub mod register_patient;
pub mod retry_readings;
pub mod revoke_consent;
pub mod rotate_node;
pub mod schema;
mod seal;
pub mod seal_due;
mod seal_full;
pub mod state;
pub mod tend_orders;

pub use error::WorkflowError;
pub use state::EdgeState;
