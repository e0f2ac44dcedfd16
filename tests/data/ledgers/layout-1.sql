-- A ledger of layout 1, written by embedfleet of commit 1fea28a and dumped with sqlite3's iterdump: a local run
-- of four rows that it carried out, and a rented run whose records were made up.
-- The plan of the local run is shortened.
PRAGMA application_id=1701667430;
PRAGMA user_version=1;
BEGIN TRANSACTION;
CREATE TABLE event (
            id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
            run TEXT NOT NULL REFERENCES run (id),
            at TEXT NOT NULL,
            kind TEXT NOT NULL,
            text TEXT NOT NULL
        );
INSERT INTO "event" VALUES(1,'reviews-9bcc9d22','2026-11-28 20:09:13.915541','launched','1 shards, 1 workers');
INSERT INTO "event" VALUES(2,'reviews-9bcc9d22','2026-11-28 20:09:14.984449','done','every shard has a receipt');
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
        );
INSERT INTO "machine" VALUES('reviews-9bcc9d22-w0-0','reviews-9bcc9d22',0,'local','cpu','0.05','STOPPED','28876:reviews-9bcc9d22-w0-0','2026-11-28 20:09:13.948413','2026-11-28 20:09:13.958918','2026-11-28 20:09:14.271522',NULL,'2026-11-28 20:09:14.977241','it ended',0);
INSERT INTO "machine" VALUES('rented-1-w0','rented-1',0,'aws/us-east-1','L4','0.30','UP','job-1','2026-11-23 12:00:00.000000','2026-11-23 12:00:02.000000','2026-11-23 12:02:30.000000',NULL,NULL,NULL,NULL);
CREATE TABLE price (
            machine TEXT NOT NULL REFERENCES machine (name),
            at TEXT NOT NULL,
            source TEXT NOT NULL,
            usd_per_hour TEXT NOT NULL,
            PRIMARY KEY (machine, at, source)
        );
INSERT INTO "price" VALUES('rented-1-w0','2026-11-23 12:10:00.000000','catalog','0.4500');
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
        );
INSERT INTO "progress" VALUES('reviews-9bcc9d22',1,179,24,0,1,0,3,3,24,0,1,179,1952,'2026-11-28 20:09:14.355840','2026-11-28 20:09:14.678827');
INSERT INTO "progress" VALUES('rented-1',2,2000,100,1,0,0,0,0,0,0,0,0,0,NULL,NULL);
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
INSERT INTO "run" VALUES('reviews-9bcc9d22','reviews','{"schema": "embedfleet/plan/2", "work": {"model": "hash"}}','bed8866600bc6198e38e9a8c6c2c4705','/home/user/reviews/vectors','local','DONE','2026-11-28 20:09:13.891335','2026-11-28 20:09:14.983563');
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
            fault TEXT,
            PRIMARY KEY (run, id)
        );
INSERT INTO "shard" VALUES('reviews-9bcc9d22','0da81f93f86427da',0,179,24,'DONE','reviews-9bcc9d22-w0-0',1,'8921a115c41b4337af2909190c67424f','data/0da81f93f86427da-8921a115c41b.parquet','eca874b10f0d0629adc63818492c7d16fccbdf37d9b4e47c99b76cf4881ad7ec',1952,179,3,3,24,0,1,'_embedfleet/reviews-9bcc9d22/quarantine/00000/0da81f93f86427da-8921a115c41b.jsonl','2026-11-28 20:09:14.355840','2026-11-28 20:09:14.678827','{"read": 0.0084, "tokenise": 0.0001, "engine": 0.0126, "write": 0.2917, "store": 0.0121}',NULL);
INSERT INTO "shard" VALUES('rented-1','0000000000000000',0,1000,NULL,'WAITING',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
INSERT INTO "shard" VALUES('rented-1','0000000000000001',1,1000,100,'WAITING',NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
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
INSERT INTO "speed" VALUES('hash','cpu','hash',74.3063962326657,74.3063962326657,74.3063962326657,'run reviews-9bcc9d22','2026-11-28 20:09:14.984973','{"lengths": [[1.0, 8.0]], "workers": 1}');
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
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('event',3);
COMMIT;
