-- In which round of marking the durable position moved last; a greeting's answer names those that
-- moved latest.
ALTER TABLE origin_epoch ADD COLUMN marked INTEGER NOT NULL DEFAULT 0;
