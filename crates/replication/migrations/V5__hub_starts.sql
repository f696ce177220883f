-- Sum of the ids received of a start; NULL where it was not kept from the beginning.
ALTER TABLE origin_epoch ADD COLUMN sum BLOB;

-- When the node was last seen to be an older copy of itself; when a second copy of it last called.
ALTER TABLE enrolled_node ADD COLUMN restored_at INTEGER;
ALTER TABLE enrolled_node ADD COLUMN second_copy_at INTEGER;

-- Entries of the node's own that are held, so that a greeting need not count them.
ALTER TABLE enrolled_node ADD COLUMN own_count INTEGER NOT NULL DEFAULT 0;
UPDATE enrolled_node SET own_count =
    (SELECT coalesce(sum(chain.count), 0) FROM chain WHERE chain.origin = enrolled_node.key);
