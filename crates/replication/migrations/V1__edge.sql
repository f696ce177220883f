-- Own entries in the order they were committed.
-- state: 0 waiting, 1 received by the hub, 2 on a second medium there, 3 refused, 4 quarantined
-- there, 5 waiting behind a refused one of the same stream.
CREATE TABLE outbox (
    start INTEGER NOT NULL REFERENCES start (no),
    oseq INTEGER NOT NULL,
    entry INTEGER NOT NULL REFERENCES entry (no),
    stream INTEGER NOT NULL,
    class INTEGER NOT NULL,
    later INTEGER NOT NULL,
    state INTEGER NOT NULL,
    -- What the hub said, where it did not simply take the entry; '' else.
    reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (start, oseq)
) STRICT, WITHOUT ROWID;
CREATE INDEX outbox_waiting ON outbox (class, later, start, oseq) WHERE state = 0;
CREATE INDEX outbox_of_stream ON outbox (stream) WHERE state = 0;
CREATE INDEX outbox_not_taken ON outbox (start, oseq) WHERE state IN (3, 4);
CREATE INDEX outbox_held ON outbox (stream) WHERE state IN (3, 5);

-- What the hub lets us have, and how far of it we hold in the hub's order.
CREATE TABLE subscription (
    stream INTEGER PRIMARY KEY REFERENCES stream (no),
    version INTEGER NOT NULL,
    idx INTEGER NOT NULL,
    foreign_count INTEGER NOT NULL DEFAULT 0,
    foreign_sum BLOB NOT NULL
) STRICT;

CREATE TABLE unconfirmed_ack (
    stream INTEGER PRIMARY KEY REFERENCES stream (no),
    version INTEGER NOT NULL,
    idx INTEGER NOT NULL
) STRICT;

-- One row: the sum over all subscriptions, and what the hub said of itself.
CREATE TABLE feed (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    count INTEGER NOT NULL,
    sum BLOB NOT NULL,
    incarnation INTEGER,
    -- When everything was last acknowledged, milliseconds since 1970.
    last_success INTEGER,
    received INTEGER NOT NULL DEFAULT 0,
    durable INTEGER NOT NULL DEFAULT 0,
    quarantined INTEGER NOT NULL DEFAULT 0,
    refused INTEGER NOT NULL DEFAULT 0
) STRICT;
INSERT INTO feed (one, count, sum) VALUES (1, 0, zeroblob(32));
