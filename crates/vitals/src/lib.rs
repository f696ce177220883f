//! Readings from devices and people: parse, bound, deduplicate, keep.

pub mod batch;
pub mod batch_id;
pub mod checksum;
pub mod code;
pub mod judge;
pub mod kind;
pub mod reading;
pub mod reason;
pub mod receipt;
pub mod segment;
pub mod unit;
pub mod unit_text;
pub mod value;

mod columns;
#[cfg(test)]
mod recordings;
mod varint;
