-- What batches raised, here or at another site, as it was signed.
CREATE TABLE alert_fact (
    -- Order of storing.
    no INTEGER PRIMARY KEY,
    -- Of patient, author and payload.
    digest BLOB NOT NULL UNIQUE CHECK (length(digest) = 16),
    patient BLOB NOT NULL CHECK (length(patient) = 16),
    -- The site that raised it.
    author BLOB NOT NULL CHECK (length(author) = 16),
    stored_at_ns INTEGER NOT NULL,
    -- Alerts in it by severity.
    low INTEGER NOT NULL,
    medium INTEGER NOT NULL,
    high INTEGER NOT NULL,
    critical INTEGER NOT NULL,
    -- Those that are critical and did not come too late to call anybody.
    urgent INTEGER NOT NULL CHECK (urgent BETWEEN 0 AND critical),
    payload BLOB NOT NULL
) STRICT;

CREATE INDEX alert_fact_urgent ON alert_fact (urgent) WHERE urgent > 0;
