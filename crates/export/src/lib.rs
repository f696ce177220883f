//! What is held, as lists that anybody can compare with what went in.

mod alerts;
mod copies;
mod csv_file;
mod emergencies;
mod erasures;
mod inspected;
mod quarantine;
mod reader;
mod refs;
mod verification;
mod vitals;

pub use self::alerts::alerts;
pub use self::copies::copies;
pub use self::csv_file::{Csv, ExportError};
pub use self::emergencies::emergencies;
pub use self::erasures::erasures;
pub use self::inspected::inspected;
pub use self::quarantine::{not_taken, quarantine, set_aside};
pub use self::reader::Reader;
pub use self::verification::{NotSound, verification};
pub use self::vitals::{Tails, vitals};
