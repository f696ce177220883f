//! Readings from devices and people: parse, bound, deduplicate, keep.
//!
//! A body becomes a [`batch::Batch`], each of its readings is [judged](judge::judge), repeats are
//! left out ([`history::fresh`]), the rest lies in the [`tail`] until it is sealed into a
//! [`segment`]. [`intake::take_in`] does all of this for one batch; the device gets a
//! [`receipt::Receipt`]. What a reading is stands in [`reading`].

pub mod batch_id;
pub mod code;
pub mod kind;
pub mod unit_text;
pub mod value;

pub mod reading;
pub mod reason;
pub mod unit;

pub mod batch;
pub mod checksum;
pub mod judge;

pub mod cache;
pub mod erasure;
pub mod history;
pub mod intake;
pub mod quarantine;
pub mod receipt;
pub mod segment;
pub mod store;
pub mod tail;

mod columns;
mod varint;

#[cfg(test)]
mod recordings;
