-- Enrolled nodes. A revoked one keeps its row: its key must never be taken again.
CREATE TABLE enrolled_node (
    no INTEGER PRIMARY KEY,
    key BLOB NOT NULL UNIQUE CHECK (length(key) = 32),
    tls_key BLOB NOT NULL UNIQUE CHECK (length(tls_key) = 32),
    site BLOB NOT NULL CHECK (length(site) = 16),
    site_name TEXT NOT NULL,
    joined_at INTEGER NOT NULL,
    revoked_at INTEGER,
    last_seen INTEGER,
    epoch INTEGER,
    -- What others wrote and this node acknowledged.
    feed_count INTEGER NOT NULL DEFAULT 0,
    feed_sum BLOB NOT NULL
) STRICT;

CREATE INDEX enrolled_node_site ON enrolled_node (site);

-- What is held of each process start of a node. Epochs form a tree by their parents.
CREATE TABLE origin_epoch (
    node INTEGER NOT NULL REFERENCES enrolled_node (no),
    epoch INTEGER NOT NULL,
    parent INTEGER,
    abandoned INTEGER NOT NULL DEFAULT 0,
    received BLOB NOT NULL,
    durable INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (node, epoch)
) STRICT, WITHOUT ROWID;

-- state: 1 active, 2 being revoked, 3 revoked.
CREATE TABLE sub (
    node INTEGER NOT NULL REFERENCES enrolled_node (no),
    stream INTEGER NOT NULL REFERENCES stream (no),
    version INTEGER NOT NULL,
    state INTEGER NOT NULL,
    acked_idx INTEGER NOT NULL,
    foreign_count INTEGER NOT NULL DEFAULT 0,
    foreign_sum BLOB NOT NULL,
    priority INTEGER NOT NULL,
    dirty INTEGER NOT NULL,
    PRIMARY KEY (stream, node)
) STRICT, WITHOUT ROWID;
CREATE INDEX sub_dirty ON sub (node, priority, stream) WHERE dirty = 1 AND state = 1;

CREATE TABLE hub_meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    incarnation INTEGER NOT NULL
) STRICT;
