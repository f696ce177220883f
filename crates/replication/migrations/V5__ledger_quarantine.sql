-- The way out of quarantine. state: 0 open, 1 taken again, 2 discarded. What is settled keeps its row
-- as evidence, without the bytes: their length and BLAKE3 stay.
ALTER TABLE quarantine ADD COLUMN state INTEGER NOT NULL DEFAULT 0 CHECK (state IN (0, 1, 2));
ALTER TABLE quarantine ADD COLUMN settled_at INTEGER;
-- Who discarded it, and why in their words; '' else.
ALTER TABLE quarantine ADD COLUMN settled_by TEXT NOT NULL DEFAULT '';
ALTER TABLE quarantine ADD COLUMN settled_why TEXT NOT NULL DEFAULT '';
ALTER TABLE quarantine ADD COLUMN raw_len INTEGER;
ALTER TABLE quarantine ADD COLUMN raw_hash BLOB CHECK (raw_hash IS NULL OR length(raw_hash) = 32);
CREATE INDEX quarantine_open ON quarantine (no) WHERE state = 0;
