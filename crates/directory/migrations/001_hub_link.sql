-- The hub that this clinic joined, and what it is there. At most one row.
CREATE TABLE hub_link (
    one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1),
    hub_address TEXT NOT NULL,
    hub_tls_key BLOB NOT NULL CHECK (length(hub_tls_key) = 32),
    hub_node_key BLOB NOT NULL CHECK (length(hub_node_key) = 32),
    site BLOB NOT NULL CHECK (length(site) = 16),
    site_name TEXT NOT NULL,
    joined_at_ns INTEGER NOT NULL
) STRICT;
