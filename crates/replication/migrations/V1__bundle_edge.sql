-- One row: the number of the bundle that was exported last, and whether the last import showed that
-- the hub takes this node to hold what it does not.
CREATE TABLE bundle (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    exported INTEGER NOT NULL,
    says_all INTEGER NOT NULL DEFAULT 0 CHECK (says_all IN (0, 1))
) STRICT;
INSERT INTO bundle (one, exported) VALUES (1, 0);

-- In which bundle an acknowledgement went out first. Every later one has it too, until the hub says
-- that it has one of them.
CREATE TABLE bundle_ack (
    stream INTEGER PRIMARY KEY REFERENCES stream (no),
    version INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    bundle INTEGER NOT NULL
) STRICT;

-- Bundles that were imported to their end, by the hash of their content.
CREATE TABLE bundle_imported (
    digest BLOB PRIMARY KEY CHECK (length(digest) = 32),
    number INTEGER NOT NULL,
    at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
