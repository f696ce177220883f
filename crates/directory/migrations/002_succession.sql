-- The key that signed the node's entries before this one did, where the node rotated its keys.
ALTER TABLE node ADD COLUMN succeeds BLOB CHECK (succeeds IS NULL OR length(succeeds) = 32);

DROP VIEW site;
CREATE VIEW site AS
    SELECT node_key, tls_key, site, site_name, issued_at_ns, succeeds FROM node AS this
    WHERE NOT EXISTS (
        SELECT 1 FROM node AS later
        WHERE later.site = this.site
            AND (later.issued_at_ns, later.node_key) > (this.issued_at_ns, this.node_key)
    );
