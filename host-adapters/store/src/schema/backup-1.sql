-- A backup: files by name, in parts that are small enough to hold.
CREATE TABLE about (
    made_at_ms INTEGER NOT NULL,
    made_by    TEXT NOT NULL
) STRICT;

CREATE TABLE file (
    id     INTEGER PRIMARY KEY,
    name   TEXT NOT NULL UNIQUE,
    bytes  INTEGER NOT NULL,
    -- BLAKE3 of the whole file.
    digest BLOB NOT NULL
) STRICT;

CREATE TABLE part (
    file   INTEGER NOT NULL REFERENCES file (id),
    number INTEGER NOT NULL,
    bytes  BLOB NOT NULL,
    UNIQUE (file, number)
) STRICT;
