//! A hub's database that came back from a backup: another life, which clinics must notice, and a
//! mark that it may lack what was decided since.

mod store;

pub use store::{begin_again, is_in_safe_mode};
