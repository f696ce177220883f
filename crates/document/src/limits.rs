//! How much one change may hold. Each limit is checked before the memory it guards is taken.

/// Bytes of a change after decompression, and of a payload as it arrives.
///
/// A full identity record is about 400 bytes; 1 MiB is the limit of every change set.
pub const RAW_BYTES_MAX: usize = 1024 * 1024;

/// Bytes of a payload around the change: version, compression and a length of at most 3 bytes.
pub(crate) const ENVELOPE_BYTES_MAX: usize = 5;

/// How many raw bytes one compressed byte may stand for. Text in records compresses 3 to 10 times;
/// zstd reaches thousands only on bombs.
pub(crate) const COMPRESSION_RATIO_MAX: usize = 200;

/// Operations of one change: one per field that it sets or clears. The largest record has tens.
pub const OPERATIONS_MAX: usize = 10_000;

/// Changes that one change names as the state it was made on. One per site that edited at the same
/// time is normal, so this is a thousand sites; 1 024 × 32 B = 32 KiB.
pub(crate) const DEPENDENCIES_MAX: usize = 1_024;
const _: () = assert!(DEPENDENCIES_MAX * crate::ChangeId::BYTES * 8 <= RAW_BYTES_MAX);

/// Authors whose values one change replaces. One per site that edited at the same time.
pub(crate) const OTHER_ACTORS_MAX: usize = 1_024;

/// Values that one change replaces: each of its fields may have been in conflict.
pub(crate) const REPLACED_MAX: usize = OPERATIONS_MAX;

/// Bytes of a field name. `ref/` and a UUID have 40.
pub const FIELD_BYTES_MAX: usize = 128;

/// Bytes of one text. A name of 200 characters has at most 800; notes stay below two pages.
pub const TEXT_BYTES_MAX: usize = 8 * 1024;

/// Columns of a change. Our own edits write at most eight; the format knows fourteen.
pub(crate) const COLUMNS_MAX: usize = 16;
