-- When each patient comes of age, milliseconds since 1970: what a guardian granted ends then. Made
-- from the birth date in the patient's document, and made anew when that changes.
CREATE TABLE of_age (
    patient BLOB NOT NULL PRIMARY KEY CHECK (length(patient) = 16),
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
