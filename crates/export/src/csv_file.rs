//! Writing CSV that no spreadsheet takes for a formula.

use std::borrow::Cow;
use std::io::{self, Write};

use store::StoreError;

/// Why an export is not whole.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nobody here has the number that was asked for.
    #[error("no patient with this number is known here")]
    UnknownPatient,
    /// Whoever asked does not take it.
    #[error("writing the export")]
    Write(#[source] io::Error),
}

impl From<csv::Error> for ExportError {
    fn from(error: csv::Error) -> Self {
        Self::Write(error.into())
    }
}

/// A CSV file being written: UTF-8, RFC 4180, a header line first.
pub struct Csv<W: Write>(csv::Writer<W>);

impl<W: Write> std::fmt::Debug for Csv<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Csv")
    }
}

impl<W: Write> Csv<W> {
    /// Writes a whole file to `out`.
    ///
    /// # Errors
    ///
    /// Those of `write`, and [`ExportError::Write`].
    pub fn write_with(
        out: W,
        write: impl FnOnce(&mut Self) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        let mut csv = Self(
            csv::WriterBuilder::new().terminator(csv::Terminator::Any(b'\n')).from_writer(out),
        );
        write(&mut csv)?;
        csv.0.flush().map_err(ExportError::Write)
    }

    /// Writes a row. A cell that a spreadsheet would run as a formula gets an apostrophe in front;
    /// numbers stay numbers.
    ///
    /// # Errors
    ///
    /// [`ExportError::Write`].
    pub fn row<'a>(&mut self, cells: impl IntoIterator<Item = &'a str>) -> Result<(), ExportError> {
        for cell in cells {
            self.0.write_field(guarded(cell).as_ref())?;
        }
        self.0.write_record(None::<&[u8]>)?;
        Ok(())
    }
}

/// Full-width forms count: some spreadsheets read them as the plain ones.
const STARTS: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

fn guarded(cell: &str) -> Cow<'_, str> {
    if cell.starts_with(STARTS) && !is_number(cell) {
        Cow::Owned(format!("'{cell}"))
    } else {
        Cow::Borrowed(cell)
    }
}

fn is_number(cell: &str) -> bool {
    let digits = cell.strip_prefix(['-', '+']).unwrap_or(cell);
    digits.starts_with(|first: char| first.is_ascii_digit()) && digits.parse::<f64>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_disarmed_and_numbers_stay() {
        check("=1+1", "'=1+1");
        check("@cmd", "'@cmd");
        check("＝1", "'＝1");
        check("-5.2", "-5.2");
        check("-1e3", "-1e3");
        check("-inf", "'-inf");
        check("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0");
        check("Asha", "Asha");
    }

    #[track_caller]
    fn check(cell: &str, expected: &str) {
        assert_eq!(guarded(cell), expected);
    }

    #[test]
    fn a_row_is_quoted_where_it_must_be() {
        let mut out = Vec::new();
        Csv::write_with(&mut out, |csv| csv.row(["a,b", "c\"d", "e"])).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "\"a,b\",\"c\"\"d\",e\n");
    }
}
