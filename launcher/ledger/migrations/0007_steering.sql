-- Layout 7: what a steered run asked of places, what it decided and why, its deadline, and prices of places without machines.

CREATE TABLE ask (
    run TEXT NOT NULL REFERENCES run (id),
    machine TEXT NOT NULL,
    at TEXT NOT NULL,
    place TEXT NOT NULL,
    purchase TEXT NOT NULL,
    gpu TEXT NOT NULL,
    instance_type TEXT,
    count INTEGER NOT NULL,
    answered TEXT,
    answer TEXT,
    source TEXT,
    PRIMARY KEY (machine, at)
);

CREATE INDEX ask_of_run ON ask (run, at);

CREATE TABLE course (
    run TEXT NOT NULL REFERENCES run (id),
    at TEXT NOT NULL,
    mood TEXT NOT NULL,
    usd_per_token TEXT,
    margin_seconds REAL,
    late_p50 REAL,
    late_p90 REAL,
    chance_late REAL,
    usd_to_finish_p50 TEXT,
    usd_to_finish_p90 TEXT,
    tokens_left REAL,
    body TEXT NOT NULL,
    PRIMARY KEY (run, at)
);

CREATE TABLE decision (
    run TEXT NOT NULL REFERENCES run (id),
    at TEXT NOT NULL,
    number INTEGER NOT NULL,
    what TEXT NOT NULL,
    place TEXT,
    count INTEGER NOT NULL,
    reason TEXT NOT NULL,
    usd_expected TEXT,
    PRIMARY KEY (run, at, number)
);

CREATE TABLE deadline (
    run TEXT NOT NULL REFERENCES run (id),
    at TEXT NOT NULL,
    moment TEXT NOT NULL,
    PRIMARY KEY (run, at)
);

CREATE TABLE quote (
    place TEXT NOT NULL,
    instance_type TEXT NOT NULL,
    purchase TEXT NOT NULL,
    at TEXT NOT NULL,
    usd_per_hour TEXT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (place, instance_type, purchase, at)
);
