//! The only place that knows automerge: records that several sites edit and that merge by field.
//!
//! A [`Document`] is a flat map from field names to text or whole numbers. Each edit gives one
//! [`Change`], whose bytes are signed and sent like any other payload; each replica that holds the
//! same changes shows the same fields, the same conflicts and the same winner. There are no nested
//! maps on purpose: two sites that create the same inner map at the same time would hide each
//! other's fields, while `ref/<site>` as a plain field name cannot.
//!
//! Bytes from elsewhere are hostile until shown otherwise. What arrives goes through, in order:
//! [`payload`] (sizes, compression), `chunk` (exactly one uncompressed change chunk), `rle` (how
//! many operations are claimed, counted before anything is expanded), `gate` (only what our own
//! edits can produce), `judge` (only what the author could have seen), and then automerge itself,
//! on a copy, with panics caught (`contain`). Only a copy that saved and loaded again replaces the
//! document.

mod actor;
mod chunk;
mod contain;
mod document;
mod edit;
mod gate;
mod judge;
mod limits;
pub mod payload;
mod reader;
mod refused;
mod rle;
mod value;

pub use actor::{ActorSeed, ChangeId};
pub use document::{Applied, Change, Document, LoadError, begins_document};
pub use edit::{Edit, EditError};
pub use limits::{FIELD_BYTES_MAX, OPERATIONS_MAX, RAW_BYTES_MAX, TEXT_BYTES_MAX};
pub use refused::Refused;
pub use value::{FieldChange, Value, Written};
