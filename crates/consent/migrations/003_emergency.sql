-- Records that were opened in an emergency. Rows are only ever added.
CREATE TABLE emergency (
    draw BLOB NOT NULL PRIMARY KEY CHECK (length(draw) = 16),
    site BLOB NOT NULL CHECK (length(site) = 16),
    -- By the hub's clock, milliseconds since 1970.
    closes_at_ms INTEGER NOT NULL,
    stored_at_ms INTEGER NOT NULL,
    bytes BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX emergency_open ON emergency (site, closes_at_ms);
