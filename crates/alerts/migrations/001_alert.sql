-- Alerts, raised here or at another site.
CREATE TABLE alert (
    -- Order of storing.
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    reading_key BLOB NOT NULL CHECK (length(reading_key) = 16),
    rule INTEGER NOT NULL,
    rules_version INTEGER NOT NULL,
    patient BLOB NOT NULL CHECK (length(patient) = 16),
    -- The site that raised it.
    author BLOB NOT NULL CHECK (length(author) = 16),
    device TEXT NOT NULL,
    -- The LOINC code without its check digit.
    code INTEGER NOT NULL,
    -- Unit and value as sent.
    unit TEXT NOT NULL,
    time_ns INTEGER NOT NULL,
    value TEXT NOT NULL,
    -- 1 low, 2 medium, 3 high, 4 critical.
    severity INTEGER NOT NULL CHECK (severity BETWEEN 1 AND 4),
    -- 1 below, 2 above.
    direction INTEGER NOT NULL CHECK (direction IN (1, 2)),
    -- 1 if the reading came too late to call anybody.
    late INTEGER NOT NULL CHECK (late IN (0, 1)),
    stored_at_ns INTEGER NOT NULL,
    UNIQUE (reading_key, rule, rules_version)
) STRICT;

CREATE INDEX alert_patient ON alert (patient);
CREATE INDEX alert_urgent ON alert (no) WHERE severity = 4 AND late = 0;
