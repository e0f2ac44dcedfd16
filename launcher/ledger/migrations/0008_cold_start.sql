-- Layout 8: how long the workers of a run took to start, by stage, on the first receipt of each.

ALTER TABLE shard ADD COLUMN cold_start TEXT;
