-- Keys of nodes that rotated theirs: all that one node signed with have the same line, which is named
-- by one of them. A key that is not here is the only one of its node.
CREATE TABLE signing_key (
    key BLOB PRIMARY KEY CHECK (length(key) = 32),
    line BLOB NOT NULL CHECK (length(line) = 32)
) STRICT, WITHOUT ROWID;
CREATE INDEX signing_key_line ON signing_key (line);
