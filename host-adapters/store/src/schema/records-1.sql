-- The chain. `body` is the JSON exactly as it was hashed; digests and signatures are text, so that `sqlite3` shows what
-- `plugwork audit` shows.
CREATE TABLE record (
    sequence  INTEGER PRIMARY KEY,
    at_ms     INTEGER NOT NULL,
    body      TEXT NOT NULL,
    previous  TEXT NOT NULL,
    digest    TEXT NOT NULL,
    signature TEXT NOT NULL
) STRICT;

-- Against accidents. Against intent there is the chain.
CREATE TRIGGER record_is_never_changed BEFORE UPDATE ON record BEGIN
    SELECT RAISE(ABORT, 'a record is never changed');
END;
CREATE TRIGGER record_is_never_deleted BEFORE DELETE ON record BEGIN
    SELECT RAISE(ABORT, 'a record is never deleted');
END;

-- An index, written in the transaction that appends; `verify` recomputes it from the chain.
CREATE TABLE consent (
    tenant   TEXT NOT NULL,
    instance TEXT NOT NULL,
    package  TEXT NOT NULL,
    sequence INTEGER NOT NULL REFERENCES record (sequence),
    PRIMARY KEY (tenant, instance, package)
) STRICT, WITHOUT ROWID;
