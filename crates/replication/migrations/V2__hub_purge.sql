-- When access ended; while the state is 2 the node may still hold a copy.
ALTER TABLE sub ADD COLUMN ended_at INTEGER;
-- The node let go of what it got under versions below this one: positions that name them are of the
-- time before.
ALTER TABLE sub ADD COLUMN floor INTEGER NOT NULL DEFAULT 0;
CREATE INDEX sub_ended ON sub (node, stream) WHERE state = 2;

-- What a node signed for letting a stream go. Never deleted: it is the evidence.
CREATE TABLE purge_receipt (
    no INTEGER PRIMARY KEY,
    node INTEGER NOT NULL REFERENCES enrolled_node (no),
    stream INTEGER NOT NULL REFERENCES stream (no),
    version INTEGER NOT NULL,
    count INTEGER NOT NULL,
    sum BLOB NOT NULL CHECK (length(sum) = 32),
    signature BLOB NOT NULL CHECK (length(signature) = 64),
    stored_at INTEGER NOT NULL,
    UNIQUE (node, stream, version)
) STRICT;
