-- Grants and revocations as they were signed. Rows are only ever added; what is allowed now is
-- computed from all of a patient's rows.
CREATE TABLE consent_event (
    -- Hash of the bytes.
    id BLOB NOT NULL PRIMARY KEY CHECK (length(id) = 32),
    patient BLOB NOT NULL CHECK (length(patient) = 16),
    -- The entry's kind: 4 grant, 5 revocation.
    kind INTEGER NOT NULL CHECK (kind IN (4, 5)),
    -- The site that took it down.
    author BLOB NOT NULL CHECK (length(author) = 16),
    stored_at_ns INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX consent_event_patient ON consent_event (patient);
