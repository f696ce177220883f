//! Everything that stands in the tables, for whoever looks for what must not be there.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::StoreError;

const TABLES: &str = "
    SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";

/// The bytes of every text and blob of every table, one after the other.
///
/// # Errors
///
/// The database's.
pub fn all_values(conn: &Connection) -> Result<Vec<u8>, StoreError> {
    let mut statement = conn.prepare(TABLES)?;
    let tables = statement
        .query_map([], |row| row.get::<_, String>(0))?
        .collect::<Result<Vec<String>, _>>()?;
    let mut bytes = Vec::new();
    for table in tables {
        // The name is the schema's own.
        let mut statement = conn.prepare(&format!("SELECT * FROM \"{table}\""))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                if let ValueRef::Text(value) | ValueRef::Blob(value) = row.get_ref(column)? {
                    bytes.extend_from_slice(value);
                    bytes.push(0);
                }
            }
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_and_blob_is_among_them() {
        let conn = crate::open_in_memory().unwrap();
        conn.execute_batch(
            "CREATE TABLE a (x TEXT, y BLOB, z INTEGER) STRICT;
             INSERT INTO a VALUES ('first', x'0102', 7), (NULL, NULL, NULL);
             CREATE TABLE \"b c\" (x TEXT) STRICT;
             INSERT INTO \"b c\" VALUES ('second')",
        )
        .unwrap();
        assert_eq!(all_values(&conn).unwrap(), b"first\0\x01\x02\0second\0");
    }
}
