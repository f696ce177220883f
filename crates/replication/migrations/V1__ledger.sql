-- What both an edge and the hub keep of every stream: its entries, in the order they were stored
-- here, and where each author's chain stands. Streams and chains are named by small integers.

CREATE TABLE stream (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 20),
    class INTEGER NOT NULL,
    -- The site that wrote first and keeps the stream; NULL at an edge, which need not know.
    author_site BLOB CHECK (author_site IS NULL OR length(author_site) = 16),
    count INTEGER NOT NULL DEFAULT 0,
    sum BLOB NOT NULL CHECK (length(sum) = 32)
) STRICT;

-- All streams that one site keeps.
CREATE INDEX stream_author_site ON stream (author_site) WHERE author_site IS NOT NULL;

-- All streams of one subject.
CREATE INDEX stream_subject ON stream (substr(id, 1, 17));

CREATE TABLE chain (
    no INTEGER PRIMARY KEY,
    stream INTEGER NOT NULL REFERENCES stream (no),
    origin BLOB NOT NULL CHECK (length(origin) = 32),
    key BLOB NOT NULL CHECK (length(key) = 32),
    sseq INTEGER NOT NULL,
    head BLOB NOT NULL CHECK (length(head) = 32),
    UNIQUE (stream, origin)
) STRICT;

-- All chains of one author.
CREATE INDEX chain_origin ON chain (origin, sseq);

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
    UNIQUE (chain, sseq)
) STRICT;

-- Entries and frames that were refused, and payloads that wait for a person.
CREATE TABLE quarantine (
    no INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    origin BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    oseq INTEGER NOT NULL,
    entry_id BLOB,
    reason TEXT NOT NULL,
    raw BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX quarantine_entry ON quarantine (entry_id) WHERE entry_id IS NOT NULL;

-- Two histories under one position: never resolved by the program.
CREATE TABLE fork_alarm (
    no INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    origin BLOB NOT NULL,
    stream BLOB NOT NULL,
    sseq INTEGER NOT NULL,
    held_id BLOB,
    offered_id BLOB NOT NULL,
    UNIQUE (origin, stream, sseq, offered_id)
) STRICT;

-- Every start of this node's process, each with an epoch of its own. The private key is not here.
CREATE TABLE start (
    no INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL UNIQUE,
    head INTEGER NOT NULL DEFAULT 0,
    hlc INTEGER NOT NULL
) STRICT;
