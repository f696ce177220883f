-- What was let go when the subscription last ended, to say the same when asked again.
ALTER TABLE subscription ADD COLUMN purged_version INTEGER NOT NULL DEFAULT 0;
ALTER TABLE subscription ADD COLUMN purged_count INTEGER NOT NULL DEFAULT 0;
ALTER TABLE subscription ADD COLUMN purged_sum BLOB NOT NULL
    DEFAULT x'0000000000000000000000000000000000000000000000000000000000000000';
