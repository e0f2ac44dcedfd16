-- Layout 3: shards that several workers made, one after the other, and tokens of texts that occurred before.

ALTER TABLE shard ADD COLUMN earlier TEXT;
ALTER TABLE shard ADD COLUMN tokens_repeated INTEGER;
ALTER TABLE progress ADD COLUMN tokens_repeated INTEGER NOT NULL DEFAULT 0;

CREATE TRIGGER shard_repeats AFTER UPDATE OF state ON shard
WHEN old.state <> 'DONE' AND new.state = 'DONE' AND new.tokens_repeated > 0 BEGIN
    UPDATE progress SET tokens_repeated = tokens_repeated + new.tokens_repeated WHERE run = new.run;
END;
