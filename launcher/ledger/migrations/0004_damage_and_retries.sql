-- Layout 4: places behind which an unknown number of rows was lost, and shards that are tried again.

ALTER TABLE shard ADD COLUMN cut_short INTEGER;
ALTER TABLE shard ADD COLUMN retry INTEGER;
ALTER TABLE progress ADD COLUMN cut_short INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER shard_cut_short AFTER UPDATE OF state ON shard
WHEN old.state <> 'DONE' AND new.state = 'DONE' AND new.cut_short > 0 BEGIN
    UPDATE progress SET cut_short = cut_short + new.cut_short WHERE run = new.run;
END;

-- The times of the run stay: they are of work that was done.
CREATE TRIGGER shard_reopened AFTER UPDATE OF state ON shard
WHEN old.state = 'DONE' AND new.state <> 'DONE' BEGIN
    UPDATE progress SET
        shards_done = shards_done - 1,
        shards_failed = shards_failed - (old.fault IS NOT NULL),
        documents = documents - old.documents,
        chunks = chunks - old.chunks,
        tokens = tokens - old.tokens,
        tokens_cut = tokens_cut - old.tokens_cut,
        tokens_repeated = tokens_repeated - coalesce(old.tokens_repeated, 0),
        failed_rows = failed_rows - old.failed_rows,
        cut_short = cut_short - coalesce(old.cut_short, 0),
        input_bytes = input_bytes - old.input_bytes,
        output_bytes = output_bytes - old.output_bytes
    WHERE run = new.run;
END;
