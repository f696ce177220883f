//! Forgetting a patient's readings by order.

mod store;

pub use store::forget;
