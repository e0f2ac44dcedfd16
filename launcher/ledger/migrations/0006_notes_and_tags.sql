-- Layout 6: what the user writes down about a run: notes, and tags to find runs by.

CREATE TABLE note (
    id INTEGER NOT NULL PRIMARY KEY,
    run TEXT NOT NULL REFERENCES run (id),
    at TEXT NOT NULL,
    text TEXT NOT NULL
);

CREATE INDEX note_of_run ON note (run);

CREATE TABLE tag (
    run TEXT NOT NULL REFERENCES run (id),
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (run, key)
);
