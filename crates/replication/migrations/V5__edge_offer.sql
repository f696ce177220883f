-- Whether own entries that came back to this disk wait to be offered to a hub that began another life:
-- they have no place in the outbox.
ALTER TABLE feed ADD COLUMN returned_wait INTEGER NOT NULL DEFAULT 0 CHECK (returned_wait IN (0, 1));
