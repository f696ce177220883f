-- The incarnation under which a node last said that all it wrote is here.
ALTER TABLE enrolled_node ADD COLUMN reported INTEGER;
-- Why an operator ended safe mode before every clinic had reported; '' where they had.
ALTER TABLE hub_meta ADD COLUMN left_because TEXT NOT NULL DEFAULT '';
ALTER TABLE hub_meta ADD COLUMN left_at INTEGER;
-- The version that a new subscription begins with: higher than all that were given out before the
-- last restore.
ALTER TABLE hub_meta ADD COLUMN base_version INTEGER NOT NULL DEFAULT 1;
