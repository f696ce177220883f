-- Set when this database came back from a backup: what patients took back since, and who was shut
-- out, may be missing in it.
ALTER TABLE hub_meta ADD COLUMN safe_mode INTEGER NOT NULL DEFAULT 0 CHECK (safe_mode IN (0, 1));
