-- Layout 5: what finished runs had been planned to take and to cost, beside what they took and cost.

CREATE TABLE outcome (
    run TEXT NOT NULL PRIMARY KEY REFERENCES run (id),
    finished TEXT NOT NULL,
    place TEXT NOT NULL,
    basis TEXT NOT NULL,
    model TEXT NOT NULL,
    engine TEXT NOT NULL,
    gpu TEXT NOT NULL,
    hours_p10 REAL,
    hours_p50 REAL,
    hours_p90 REAL,
    hours REAL,
    hours_off REAL,
    usd_p10 TEXT,
    usd_p50 TEXT,
    usd_p90 TEXT,
    usd TEXT,
    usd_off REAL,
    speed_p10 REAL,
    speed_p50 REAL,
    speed_p90 REAL,
    speed REAL
);
