-- The ledger of layout 3 beside this file, upgraded by embedfleet of commit ca137c0 and dumped with sqlite3's iterdump.
PRAGMA application_id=1701667430;
PRAGMA user_version=4;
BEGIN TRANSACTION;
CREATE TABLE charge (
            run TEXT NOT NULL REFERENCES run (id),
            name TEXT NOT NULL,
            kind TEXT NOT NULL,
            at TEXT NOT NULL,
            quantity REAL,
            unit TEXT NOT NULL,
            usd TEXT,
            reason TEXT,
            machine TEXT REFERENCES machine (name),
            PRIMARY KEY (run, name)
        );
INSERT INTO "charge" VALUES('rented-1','egress','egress','2026-11-23 12:11:40.000000',1000000000.0,'bytes','0.09',NULL,'rented-1-w0');
CREATE TABLE event (
            id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
            run TEXT NOT NULL REFERENCES run (id),
            at TEXT NOT NULL,
            kind TEXT NOT NULL,
            text TEXT NOT NULL
        );
INSERT INTO "event" VALUES(1,'reviews-0f6a8709','2026-11-28 20:06:36.263676','launched','1 shards, 1 workers');
INSERT INTO "event" VALUES(2,'reviews-0f6a8709','2026-11-28 20:06:38.158006','done','every shard has a receipt');
INSERT INTO "event" VALUES(3,'rented-1','2026-11-23 12:04:00.000000','lost','w0 é');
CREATE TABLE lease (
            run TEXT NOT NULL,
            shard TEXT NOT NULL,
            generation INTEGER NOT NULL,
            worker TEXT NOT NULL,
            claimed TEXT NOT NULL,
            last_seen TEXT NOT NULL,
            ended TEXT,
            outcome TEXT NOT NULL,
            PRIMARY KEY (run, shard, generation),
            FOREIGN KEY (run, shard) REFERENCES shard (run, id)
        );
INSERT INTO "lease" VALUES('rented-1','0000000000000000',1,'rented-1-w0','2026-11-23 12:03:20.000000','2026-11-23 12:03:50.000000',NULL,'HELD');
CREATE TABLE life (
            machine TEXT NOT NULL REFERENCES machine (name),
            number INTEGER NOT NULL,
            cloud TEXT NOT NULL,
            region TEXT,
            zone TEXT,
            purchase TEXT,
            instance_type TEXT,
            gpus REAL,
            disk_gb REAL,
            usd_per_hour TEXT,
            asked TEXT,
            up TEXT NOT NULL,
            ready TEXT,
            stopping TEXT,
            ended TEXT,
            gone TEXT,
            how TEXT,
            PRIMARY KEY (machine, number)
        );
INSERT INTO "life" VALUES('rented-1-w0',0,'aws','us-east-1','us-east-1a','spot','g6.xlarge',1.0,100.0,'0.31','2026-11-23 12:00:05.000000','2026-11-23 12:01:30.000000','2026-11-23 12:02:30.000000',NULL,'2026-11-23 12:06:40.000000',NULL,'PREEMPTED');
INSERT INTO "life" VALUES('rented-1-w0',1,'aws','us-west-2',NULL,'spot','g6.xlarge',1.0,100.0,'0.40',NULL,'2026-11-23 12:08:20.000000',NULL,NULL,NULL,NULL,NULL);
CREATE TABLE "limit" (
            run TEXT NOT NULL REFERENCES run (id),
            at TEXT NOT NULL,
            usd TEXT NOT NULL,
            PRIMARY KEY (run, at)
        );
INSERT INTO "limit" VALUES('rented-1','2026-11-23 12:01:00.000000','80');
CREATE TABLE machine (
            name TEXT NOT NULL PRIMARY KEY,
            run TEXT NOT NULL REFERENCES run (id),
            slot INTEGER NOT NULL,
            place TEXT NOT NULL,
            gpu TEXT NOT NULL,
            usd_per_hour TEXT,
            state TEXT NOT NULL,
            handle TEXT,
            intended TEXT NOT NULL,
            confirmed TEXT,
            ready TEXT,
            stopping TEXT,
            ended TEXT,
            reason TEXT,
            exit_code INTEGER
        , lot INTEGER, cloud TEXT NOT NULL DEFAULT 'local', region TEXT, zone TEXT, purchase TEXT, instance_type TEXT, gpus REAL, disk_gb REAL);
INSERT INTO "machine" VALUES('reviews-0f6a8709-w0-0','reviews-0f6a8709',0,'local','cpu','0.05','STOPPED','15430:reviews-0f6a8709-w0-0','2026-11-28 20:06:36.321410','2026-11-28 20:06:36.499465','2026-11-28 20:06:36.939942',NULL,'2026-11-28 20:06:38.108651','it ended',0,NULL,'local',NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "machine" VALUES('rented-1-w0','rented-1',0,'aws/us-east-1','L4','0.30','UP','job-1','2026-11-23 12:00:00.000000','2026-11-23 12:00:02.000000','2026-11-23 12:02:30.000000',NULL,NULL,NULL,NULL,2,'aws','us-east-1','us-east-1a','spot','g6.xlarge',1.0,100.0);
CREATE TABLE notice (
            run TEXT NOT NULL REFERENCES run (id),
            kind TEXT NOT NULL,
            at TEXT NOT NULL,
            text TEXT NOT NULL,
            tries INTEGER NOT NULL,
            sent TEXT,
            PRIMARY KEY (run, kind)
        );
INSERT INTO "notice" VALUES('rented-1','half','2026-11-23 12:01:10.000000','50 %',1,'2026-11-23 12:01:11.000000');
CREATE TABLE price (
            machine TEXT NOT NULL REFERENCES machine (name),
            at TEXT NOT NULL,
            source TEXT NOT NULL,
            usd_per_hour TEXT NOT NULL, life INTEGER,
            PRIMARY KEY (machine, at, source)
        );
INSERT INTO "price" VALUES('rented-1-w0','2026-11-23 12:01:30.000000','launch','0.31',0);
INSERT INTO "price" VALUES('rented-1-w0','2026-11-23 12:08:20.000000','launch','0.40',1);
INSERT INTO "price" VALUES('rented-1-w0','2026-11-23 12:10:00.000000','spot history','0.4500',1);
CREATE TABLE progress (
            run TEXT NOT NULL PRIMARY KEY REFERENCES run (id),
            shards INTEGER NOT NULL DEFAULT 0,
            bytes INTEGER NOT NULL DEFAULT 0,
            tokens_known INTEGER NOT NULL DEFAULT 0,
            shards_unsized INTEGER NOT NULL DEFAULT 0,
            shards_done INTEGER NOT NULL DEFAULT 0,
            shards_failed INTEGER NOT NULL DEFAULT 0,
            documents INTEGER NOT NULL DEFAULT 0,
            chunks INTEGER NOT NULL DEFAULT 0,
            tokens INTEGER NOT NULL DEFAULT 0,
            tokens_cut INTEGER NOT NULL DEFAULT 0,
            failed_rows INTEGER NOT NULL DEFAULT 0,
            input_bytes INTEGER NOT NULL DEFAULT 0,
            output_bytes INTEGER NOT NULL DEFAULT 0,
            first_started TEXT,
            last_finished TEXT
        , tokens_repeated INTEGER NOT NULL DEFAULT 0, cut_short INTEGER NOT NULL DEFAULT 0);
INSERT INTO "progress" VALUES('reviews-0f6a8709',1,179,24,0,1,0,3,3,24,0,1,179,1952,'2026-11-28 20:06:36.987057','2026-11-28 20:06:37.534858',0,0);
INSERT INTO "progress" VALUES('rented-1',2,2000,100,1,0,0,0,0,0,0,0,0,0,NULL,NULL,0,0);
CREATE TABLE run (
            id TEXT NOT NULL PRIMARY KEY,
            name TEXT NOT NULL,
            plan TEXT NOT NULL,
            plan_digest TEXT NOT NULL,
            output TEXT NOT NULL,
            place TEXT NOT NULL,
            state TEXT NOT NULL,
            created TEXT NOT NULL,
            changed TEXT NOT NULL
        );
INSERT INTO "run" VALUES('reviews-0f6a8709','reviews','{"schema": "embedfleet/plan/2", "work": {"model": "hash"}}','50f71f5a25061363e9ec27d3dd8b50d7','/home/user/reviews/vectors','local','DONE','2026-11-28 20:06:36.227780','2026-11-28 20:06:38.118484');
INSERT INTO "run" VALUES('rented-1','rented','{"work": {"model": "BAAI/bge-m3"}}','d1','s3://vectors','fleet','RUNNING','2026-11-23 12:00:00.000000','2026-11-23 12:00:01.000000');
CREATE TABLE shard (
            run TEXT NOT NULL REFERENCES run (id),
            id TEXT NOT NULL,
            position INTEGER NOT NULL,
            bytes INTEGER NOT NULL,
            tokens_expected INTEGER,
            state TEXT NOT NULL DEFAULT 'WAITING',
            worker TEXT,
            generation INTEGER,
            nonce TEXT,
            "key" TEXT,
            digest TEXT,
            output_bytes INTEGER,
            input_bytes INTEGER,
            documents INTEGER,
            chunks INTEGER,
            tokens INTEGER,
            tokens_cut INTEGER,
            failed_rows INTEGER,
            quarantine TEXT,
            started TEXT,
            finished TEXT,
            stages TEXT,
            fault TEXT, earlier TEXT, tokens_repeated INTEGER, cut_short INTEGER, retry INTEGER,
            PRIMARY KEY (run, id)
        );
INSERT INTO "shard" VALUES('reviews-0f6a8709','41a1ada8c742d5f7',0,179,24,'DONE','reviews-0f6a8709-w0-0',1,'13957e1ef6c84bb69b10ef40e45147e8','data/41a1ada8c742d5f7-13957e1ef6c8.parquet','a27e23f81dacf4bd44e2821ae9a71366d67b33f8a4bde416be2fb6ec99468713',1952,179,3,3,24,0,1,'_embedfleet/reviews-0f6a8709/quarantine/00000/41a1ada8c742d5f7-13957e1ef6c8.jsonl','2026-11-28 20:06:36.987057','2026-11-28 20:06:37.534858','{"read": 0.0038, "tokenise": 0.0001, "engine": 0.0195, "write": 0.5081, "store": 0.0183}',NULL,NULL,0,NULL,NULL);
INSERT INTO "shard" VALUES('rented-1','0000000000000000',0,1000,NULL,'WAITING',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "shard" VALUES('rented-1','0000000000000001',1,1000,100,'WAITING',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE speed (
            model TEXT NOT NULL,
            gpu TEXT NOT NULL,
            engine TEXT NOT NULL,
            low REAL NOT NULL,
            mid REAL NOT NULL,
            high REAL NOT NULL,
            source TEXT NOT NULL,
            at TEXT NOT NULL,
            detail TEXT NOT NULL,
            PRIMARY KEY (model, gpu, engine, source, at)
        );
INSERT INTO "speed" VALUES('hash','cpu','hash',4.38115300994339165177e+01,4.38115300994339165177e+01,4.38115300994339165177e+01,'run reviews-0f6a8709','2026-11-28 20:06:38.158467','{"lengths": [[1.0, 8.0]], "workers": 1}');
INSERT INTO "speed" VALUES('BAAI/bge-m3','L4','vllm',90.5,100.0,120.25,'run rented-1','2026-11-23 12:00:05.000000','{"texts": 400}');
CREATE INDEX shard_by_state ON shard (run, state, position);
CREATE TRIGGER run_created AFTER INSERT ON run BEGIN
            INSERT INTO progress (run) VALUES (new.id);
        END;
CREATE TRIGGER shard_added AFTER INSERT ON shard BEGIN
            UPDATE progress SET
                shards = shards + 1,
                bytes = bytes + new.bytes,
                tokens_known = tokens_known + coalesce(new.tokens_expected, 0),
                shards_unsized = shards_unsized + (new.tokens_expected IS NULL)
            WHERE run = new.run;
        END;
CREATE TRIGGER shard_done AFTER UPDATE OF state ON shard
        WHEN old.state <> 'DONE' AND new.state = 'DONE' BEGIN
            UPDATE progress SET
                shards_done = shards_done + 1,
                shards_failed = shards_failed + (new.fault IS NOT NULL),
                documents = documents + new.documents,
                chunks = chunks + new.chunks,
                tokens = tokens + new.tokens,
                tokens_cut = tokens_cut + new.tokens_cut,
                failed_rows = failed_rows + new.failed_rows,
                input_bytes = input_bytes + new.input_bytes,
                output_bytes = output_bytes + new.output_bytes,
                first_started = min(coalesce(first_started, new.started), new.started),
                last_finished = max(coalesce(last_finished, new.finished), new.finished)
            WHERE run = new.run;
        END;
CREATE INDEX lease_held ON lease (run, last_seen) WHERE outcome = 'HELD';
CREATE INDEX machine_by_run ON machine (run, state);
CREATE INDEX event_by_run ON event (run, id);
CREATE TRIGGER shard_repeats AFTER UPDATE OF state ON shard
        WHEN old.state <> 'DONE' AND new.state = 'DONE' AND new.tokens_repeated > 0 BEGIN
            UPDATE progress SET tokens_repeated = tokens_repeated + new.tokens_repeated WHERE run = new.run;
        END;
CREATE TRIGGER shard_cut_short AFTER UPDATE OF state ON shard
WHEN old.state <> 'DONE' AND new.state = 'DONE' AND new.cut_short > 0 BEGIN
    UPDATE progress SET cut_short = cut_short + new.cut_short WHERE run = new.run;
END;
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('event',3);
COMMIT;
