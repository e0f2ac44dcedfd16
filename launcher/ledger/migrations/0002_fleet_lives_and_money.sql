-- Layout 2: machines of a fleet, which run several times in several places, and money that is not for their hours.

ALTER TABLE machine ADD COLUMN lot INTEGER;
ALTER TABLE machine ADD COLUMN cloud TEXT NOT NULL DEFAULT 'local';
ALTER TABLE machine ADD COLUMN region TEXT;
ALTER TABLE machine ADD COLUMN zone TEXT;
ALTER TABLE machine ADD COLUMN purchase TEXT;
ALTER TABLE machine ADD COLUMN instance_type TEXT;
ALTER TABLE machine ADD COLUMN gpus REAL;
ALTER TABLE machine ADD COLUMN disk_gb REAL;
ALTER TABLE price ADD COLUMN life INTEGER;

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

CREATE TABLE "limit" (
    run TEXT NOT NULL REFERENCES run (id),
    at TEXT NOT NULL,
    usd TEXT NOT NULL,
    PRIMARY KEY (run, at)
);

CREATE TABLE notice (
    run TEXT NOT NULL REFERENCES run (id),
    kind TEXT NOT NULL,
    at TEXT NOT NULL,
    text TEXT NOT NULL,
    tries INTEGER NOT NULL,
    sent TEXT,
    PRIMARY KEY (run, kind)
);
