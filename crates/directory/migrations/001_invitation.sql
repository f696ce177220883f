-- Invitations of this hub, also those that are over. Zero in used_at_ns and no bytes in used_by mean
-- that nobody got in with it.
CREATE TABLE invitation (
    -- SHA-256 of the token.
    token_sha256 BLOB NOT NULL PRIMARY KEY CHECK (length(token_sha256) = 32),
    site BLOB NOT NULL CHECK (length(site) = 16),
    site_name TEXT NOT NULL,
    issued_at_ns INTEGER NOT NULL,
    expires_at_ns INTEGER NOT NULL,
    used_at_ns INTEGER NOT NULL,
    -- The key that the node signs entries with.
    used_by BLOB NOT NULL CHECK (length(used_by) = iif(used_at_ns = 0, 0, 32))
) STRICT, WITHOUT ROWID;

CREATE INDEX invitation_by_name ON invitation (site_name);
