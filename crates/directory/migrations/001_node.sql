-- What the hub said about nodes: the last certificate of each key that signs entries. A site whose
-- node was replaced has several; the latest names its node, the others say whose old entries are.
CREATE TABLE node (
    node_key BLOB NOT NULL PRIMARY KEY CHECK (length(node_key) = 32),
    tls_key BLOB NOT NULL CHECK (length(tls_key) = 32),
    site BLOB NOT NULL CHECK (length(site) = 16),
    site_name TEXT NOT NULL,
    issued_at_ns INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX node_by_site ON node (site, issued_at_ns, node_key);

CREATE INDEX node_by_tls_key ON node (tls_key);

-- Each site with the node that stands for it now.
CREATE VIEW site AS
    SELECT node_key, tls_key, site, site_name, issued_at_ns FROM node AS this
    WHERE NOT EXISTS (
        SELECT 1 FROM node AS later
        WHERE later.site = this.site
            AND (later.issued_at_ns, later.node_key) > (this.issued_at_ns, this.node_key)
    );
