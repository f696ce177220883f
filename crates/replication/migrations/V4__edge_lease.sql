-- Under which terms a copy of what others wrote may be opened: so many seconds after the last word
-- from the hub, until that moment of the hub's time (milliseconds since 1970); NULL for no limit.
CREATE TABLE lease (
    stream INTEGER PRIMARY KEY REFERENCES stream (no),
    version INTEGER NOT NULL,
    offline_s INTEGER,
    until_ms INTEGER
) STRICT;

-- One row, once the hub was heard: what time it is known to be. All in milliseconds.
CREATE TABLE trusted_time (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    -- The hub's clock and this machine's when the hub was last heard.
    hub_ms INTEGER NOT NULL,
    wall_ms INTEGER NOT NULL,
    -- What has passed since, at the least.
    passed_ms INTEGER NOT NULL,
    -- The latest time that this machine's clock has shown since.
    latest_ms INTEGER NOT NULL
) STRICT;
