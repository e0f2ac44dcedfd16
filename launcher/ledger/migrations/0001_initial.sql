-- Layout 1: runs, shards with their receipts, leases, machines, prices, speeds, events.
-- Times are UTC text without an offset, as SQLModel's UTCDateTime writes them. Money is decimal text.
-- SQLite 3.34 (RHEL 9) must understand all of it. A released migration is never edited: add the next number.

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

CREATE INDEX shard_by_state ON shard (run, state, position);

-- Triggers keep the sums of a run, so no statement can forget them, and a status reads one row at any size.
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

CREATE INDEX lease_held ON lease (run, last_seen) WHERE outcome = 'HELD';

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

CREATE INDEX machine_by_run ON machine (run, state);

CREATE TABLE price (
    machine TEXT NOT NULL REFERENCES machine (name),
    at TEXT NOT NULL,
    source TEXT NOT NULL,
    usd_per_hour TEXT NOT NULL,
    PRIMARY KEY (machine, at, source)
);

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

CREATE TABLE event (
    id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
    run TEXT NOT NULL REFERENCES run (id),
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL
);

CREATE INDEX event_by_run ON event (run, id);
