-- Devices that may send readings to this clinic, and those that once could. Zero in a time column
-- means "never".
CREATE TABLE device (
    no INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL UNIQUE,
    kind INTEGER NOT NULL,
    -- SHA-256 of the 32 bytes of its key.
    key_sha256 BLOB NOT NULL CHECK (length(key_sha256) = 32),
    added_at_ns INTEGER NOT NULL,
    keyed_at_ns INTEGER NOT NULL,
    seen_at_ns INTEGER NOT NULL,
    revoked_at_ns INTEGER NOT NULL
) STRICT;
