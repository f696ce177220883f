//! What a check of everything says while it runs and at its end.

use std::io::{self, Write};

use replication::ledger::{Checked, VerifyError};
use store::{Connection, StoreError};

/// Streams between two lines: some seconds of work, so that whoever waits sees that it goes on.
const STREAMS_PER_LINE: u64 = 1_000;

/// Why not everything holds.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotSound {
    /// The database file, or a question to it.
    #[error(transparent)]
    File(#[from] StoreError),
    /// An entry, a stream or a sum.
    #[error(transparent)]
    Ledger(#[from] VerifyError),
    /// Whoever asked does not listen.
    #[error("writing the result")]
    Write(#[from] io::Error),
}

/// Checks the file and then, with `check`, everything in it. The caller holds one state of the
/// database open.
///
/// # Errors
///
/// [`NotSound`] with the first thing that is wrong.
pub fn verification(
    conn: &Connection,
    out: &mut impl Write,
    check: impl FnOnce(&Connection, &mut dyn FnMut(Checked)) -> Result<Checked, VerifyError>,
) -> Result<(), NotSound> {
    store::check_file(conn)?;
    writeln!(out, "the database file is whole")?;
    out.flush()?;
    let mut told = Ok(());
    let checked = check(conn, &mut |checked: Checked| {
        if checked.streams.is_multiple_of(STREAMS_PER_LINE) && told.is_ok() {
            told = writeln!(out, "{} streams, {} entries", checked.streams, checked.entries)
                .and_then(|()| out.flush());
        }
    })?;
    told?;
    let Checked { streams, entries, payloads } = checked;
    writeln!(
        out,
        "everything holds: {entries} entries in {streams} streams, {payloads} of them with their content"
    )?;
    Ok(out.flush()?)
}
