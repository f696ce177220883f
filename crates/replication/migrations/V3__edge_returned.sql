-- Own entries that came back from the hub after this disk was put back from an older copy.
ALTER TABLE feed ADD COLUMN returned INTEGER NOT NULL DEFAULT 0;
