-- When what a patient allows changes by time alone: a grant begins or ends, a child comes of age.
CREATE TABLE access_due (
    patient BLOB NOT NULL PRIMARY KEY CHECK (length(patient) = 16),
    -- Milliseconds since 1970.
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX access_due_at ON access_due (at);

-- Under which terms the node may open its copy: so many seconds after the last word from here, until
-- that moment (milliseconds since 1970); NULL for no limit. And whether it has stored them.
ALTER TABLE sub ADD COLUMN lease_s INTEGER;
ALTER TABLE sub ADD COLUMN lease_until INTEGER;
ALTER TABLE sub ADD COLUMN lease_told INTEGER NOT NULL DEFAULT 0 CHECK (lease_told IN (0, 1));
-- What a node wrote all of itself needs no terms.
CREATE INDEX sub_lease_untold ON sub (node, stream)
    WHERE lease_told = 0 AND state = 1 AND (dirty = 1 OR foreign_count > 0);

-- Whether the two above were filled in for what was there before them.
ALTER TABLE hub_meta ADD COLUMN leases_known INTEGER NOT NULL DEFAULT 0
    CHECK (leases_known IN (0, 1));
