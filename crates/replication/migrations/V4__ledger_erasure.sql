-- Orders of the hub to erase, as they were signed. Rows are never deleted: what comes again is erased
-- again.
CREATE TABLE erase_order (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    -- 1 one entry, 2 streams, 3 all of a subject.
    scope INTEGER NOT NULL CHECK (scope IN (1, 2, 3)),
    payload BLOB NOT NULL,
    -- The entry of the directory that carries it; NULL at a hub that lost it and has to write it anew.
    entry BLOB CHECK (entry IS NULL OR length(entry) = 32),
    heard_at INTEGER NOT NULL,
    -- Payloads that were here and are not any more.
    erased INTEGER NOT NULL DEFAULT 0,
    -- Whether this node's receipt is written; a hub gives none.
    answered INTEGER NOT NULL
) STRICT;
CREATE INDEX erase_order_open ON erase_order (no) WHERE answered = 0;

-- Single entries that are to be erased, held or not.
CREATE TABLE erased_entry (
    id BLOB PRIMARY KEY CHECK (length(id) = 32)
) STRICT, WITHOUT ROWID;

-- The order that erased the stream, 0 for none; and whether nobody goes on in another generation.
ALTER TABLE stream ADD COLUMN erased INTEGER NOT NULL DEFAULT 0;
ALTER TABLE stream ADD COLUMN closed INTEGER NOT NULL DEFAULT 0 CHECK (closed IN (0, 1));

-- How often something was erased here, and up to which time no backup of before is left.
CREATE TABLE erase_debt (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    owed INTEGER NOT NULL,
    paid INTEGER NOT NULL,
    -- And up to which time the database file was written anew since.
    rewritten INTEGER NOT NULL
) STRICT;
INSERT INTO erase_debt (one, owed, paid, rewritten) VALUES (1, 0, 0, 0);
