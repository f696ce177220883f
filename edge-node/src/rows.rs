//! Tables that people bring: devices, patients and consents, one row each.

use serde::de::DeserializeOwned;

/// Longest table that is read, in bytes: some hundred thousand rows.
pub const TABLE_BYTES_MAX: usize = 25 * 1024 * 1024;

/// Why a table is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTable {
    /// More than [`TABLE_BYTES_MAX`].
    #[error("the table has more than {} MiB; bring it in parts", TABLE_BYTES_MAX >> 20)]
    TooLarge,
    /// A row does not have what it should.
    #[error(
        "line {line}: a column is missing or does not fit; the first line names {columns}, and \
         --help says which are needed"
    )]
    Row {
        /// Where, counted from 1.
        line: u64,
        /// What the first line names.
        columns: String,
    },
    /// There is a header line and nothing else.
    #[error("there is no row below the header line")]
    NoRows,
}

/// Reads the rows below a header line that names their columns, in any order. No row is taken if
/// one of them is bad.
///
/// # Errors
///
/// As [`BadTable`].
pub fn read_rows<T: DeserializeOwned>(table: &[u8]) -> Result<Vec<T>, BadTable> {
    if table.len() > TABLE_BYTES_MAX {
        return Err(BadTable::TooLarge);
    }
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(table);
    let columns = reader.headers().map(|names| names.iter().collect::<Vec<_>>().join(","));
    let columns = columns.unwrap_or_default();
    let rows = reader.deserialize().enumerate().map(|(row, read)| {
        read.map_err(|_| BadTable::Row { line: row as u64 + 2, columns: columns.clone() })
    });
    let rows: Vec<T> = rows.collect::<Result<_, _>>()?;
    if rows.is_empty() { Err(BadTable::NoRows) } else { Ok(rows) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::DeviceRow;

    #[test]
    fn a_table_is_taken_whole_or_not_at_all() {
        let rows = read_rows::<DeviceRow>(b"kind,device_id\nmonitor, ward-01 \nmeter,ward-02\n");
        let names: Vec<_> = rows.unwrap().into_iter().map(|row| row.device_id).collect();
        assert_eq!(names, ["ward-01", "ward-02"], "columns in any order, blanks cut");
        check(b"device_id,kind\n", BadTable::NoRows);
        check(b"", BadTable::NoRows);
        let columns = "device_id,kind".to_owned();
        check(b"device_id,kind\na,b\nc\n", BadTable::Row { line: 3, columns });
        check(&vec![b'\n'; TABLE_BYTES_MAX + 1], BadTable::TooLarge);
    }

    #[track_caller]
    fn check(table: &[u8], expected: BadTable) {
        assert_eq!(read_rows::<DeviceRow>(table).err(), Some(expected));
    }
}
