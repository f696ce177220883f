-- The way out of quarantine. state: 0 open, 1 taken again, 2 a repeat of a reading that is held, 3
-- discarded. What is settled keeps its row as evidence, with empty patient and value.
ALTER TABLE vitals_quarantine ADD COLUMN state INTEGER NOT NULL DEFAULT 0 CHECK (state BETWEEN 0 AND 3);
-- 0 while it is open.
ALTER TABLE vitals_quarantine ADD COLUMN settled_at_ns INTEGER NOT NULL DEFAULT 0;
-- Who discarded it, and why in their words; '' else.
ALTER TABLE vitals_quarantine ADD COLUMN settled_by TEXT NOT NULL DEFAULT '';
ALTER TABLE vitals_quarantine ADD COLUMN settled_why TEXT NOT NULL DEFAULT '';
CREATE INDEX vitals_quarantine_open ON vitals_quarantine (no) WHERE state = 0;

-- What was taken again is counted with what was accepted, a repeat with the repeats; so these are no part
-- of the sum, except what was discarded: sent = accepted + duplicate + quarantined + discarded + rejected.
ALTER TABLE vitals_total ADD COLUMN taken_again INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vitals_total ADD COLUMN found_repeated INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vitals_total ADD COLUMN discarded INTEGER NOT NULL DEFAULT 0;
