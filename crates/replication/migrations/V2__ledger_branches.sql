-- A chain may branch where its author's process was started anew: a position is taken once per epoch,
-- not once for ever. A chain is told apart by its key as well: a restored disk that lost a chain
-- begins another one. Tables are made anew because a constraint of a table cannot be changed.
PRAGMA defer_foreign_keys = ON;

CREATE TABLE entry_before (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    stream INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    chain INTEGER NOT NULL,
    sseq INTEGER NOT NULL,
    sprev BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    hlc INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    schema INTEGER NOT NULL,
    actor BLOB NOT NULL,
    flags INTEGER NOT NULL,
    payload_len INTEGER NOT NULL,
    commitment BLOB NOT NULL,
    signature BLOB NOT NULL,
    stored_at INTEGER NOT NULL,
    payload_state INTEGER NOT NULL,
    payload BLOB
) STRICT;
INSERT INTO entry_before
    SELECT no, id, stream, idx, chain, sseq, sprev, epoch, hlc, kind, schema, actor, flags,
           payload_len, commitment, signature, stored_at, payload_state, payload
    FROM entry;
DROP TABLE entry;

CREATE TABLE chain_before (
    no INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL,
    origin BLOB NOT NULL,
    key BLOB NOT NULL,
    sseq INTEGER NOT NULL,
    head BLOB NOT NULL
) STRICT;
INSERT INTO chain_before SELECT no, stream, origin, key, sseq, head FROM chain;
DROP TABLE chain;

CREATE TABLE chain (
    no INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL REFERENCES stream (no),
    origin BLOB NOT NULL CHECK (length(origin) = 32),
    key BLOB NOT NULL CHECK (length(key) = 32),
    -- Entries held, on all branches.
    count INTEGER NOT NULL,
    -- The entry stored last: position, name and epoch.
    sseq INTEGER NOT NULL,
    head BLOB NOT NULL CHECK (length(head) = 32),
    epoch INTEGER NOT NULL,
    -- Whether an epoch went on from somewhere else than the end.
    branched INTEGER NOT NULL DEFAULT 0,
    UNIQUE (stream, origin, key)
) STRICT;
INSERT INTO chain (no, stream, origin, key, count, sseq, head, epoch)
    SELECT no, stream, origin, key, sseq, sseq, head,
           coalesce((SELECT epoch FROM entry_before WHERE id = head), 0)
    FROM chain_before;
DROP TABLE chain_before;

-- All chains of one author.
CREATE INDEX chain_origin ON chain (origin, count);

-- payload_state: 0 present, 1 withheld (quarantined), 2 withheld (no access), 3 erased.
CREATE TABLE entry (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 32),
    stream INTEGER NOT NULL REFERENCES stream (no),
    idx INTEGER NOT NULL,
    chain INTEGER NOT NULL REFERENCES chain (no),
    sseq INTEGER NOT NULL,
    sprev BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    hlc INTEGER NOT NULL,
    kind INTEGER NOT NULL,
    schema INTEGER NOT NULL,
    actor BLOB NOT NULL,
    flags INTEGER NOT NULL,
    payload_len INTEGER NOT NULL,
    commitment BLOB NOT NULL,
    signature BLOB NOT NULL,
    stored_at INTEGER NOT NULL,
    payload_state INTEGER NOT NULL,
    payload BLOB,
    UNIQUE (stream, idx),
    UNIQUE (chain, epoch, sseq)
) STRICT;
INSERT INTO entry
    SELECT no, id, stream, idx, chain, sseq, sprev, epoch, hlc, kind, schema, actor, flags,
           payload_len, commitment, signature, stored_at, payload_state, payload
    FROM entry_before;
DROP TABLE entry_before;

-- Sum of the ids written under a start; NULL where it was not kept from the beginning.
ALTER TABLE start ADD COLUMN sum BLOB;
-- Whether the hub is known to have welcomed it.
ALTER TABLE start ADD COLUMN confirmed INTEGER NOT NULL DEFAULT 0;
