-- The number of the bundle that was exported last for a node.
CREATE TABLE bundle (
    node INTEGER PRIMARY KEY REFERENCES enrolled_node (no),
    exported INTEGER NOT NULL
) STRICT;

-- Bundles that were imported to their end, by the hash of their content. life: the incarnation of
-- this database in which its acknowledgements were stored; NULL where they were not.
CREATE TABLE bundle_imported (
    node INTEGER NOT NULL REFERENCES enrolled_node (no),
    digest BLOB NOT NULL CHECK (length(digest) = 32),
    number INTEGER NOT NULL,
    life INTEGER,
    at INTEGER NOT NULL,
    PRIMARY KEY (node, digest)
) STRICT, WITHOUT ROWID;

-- Process starts of nodes that are known from bundles alone: no greeting has named them, so where they
-- stand among the node's starts is not known yet.
CREATE TABLE bundle_start (
    node INTEGER NOT NULL REFERENCES enrolled_node (no),
    epoch INTEGER NOT NULL,
    PRIMARY KEY (node, epoch)
) STRICT, WITHOUT ROWID;

-- What a node is to be told of entries that came in bundles and were not simply taken.
CREATE TABLE bundle_verdict (
    node INTEGER NOT NULL REFERENCES enrolled_node (no),
    epoch INTEGER NOT NULL,
    oseq INTEGER NOT NULL,
    verdict BLOB NOT NULL,
    PRIMARY KEY (node, epoch, oseq)
) STRICT, WITHOUT ROWID;
