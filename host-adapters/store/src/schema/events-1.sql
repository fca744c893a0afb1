-- What is kept of one tenant: everything from `first` to `last`. Moved in the transaction that changes the events.
CREATE TABLE tenant (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL UNIQUE,
    first INTEGER NOT NULL DEFAULT 1 CHECK (first >= 1),
    last  INTEGER NOT NULL DEFAULT 0 CHECK (last >= first - 1),
    bytes INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0)
) STRICT;

-- The payload last: whoever looks for a topic does not read it.
CREATE TABLE event (
    tenant   INTEGER NOT NULL REFERENCES tenant (id) ON DELETE CASCADE,
    sequence INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL,
    bytes    INTEGER NOT NULL,
    topic    TEXT NOT NULL,
    source   TEXT NOT NULL,
    chain    INTEGER NOT NULL,
    hops     INTEGER NOT NULL,
    payload  BLOB NOT NULL,
    UNIQUE (tenant, sequence)
) STRICT;

-- Where each subscriber is, as JSON.
CREATE TABLE cursor (
    tenant   TEXT NOT NULL,
    instance TEXT NOT NULL,
    package  TEXT NOT NULL,
    body     TEXT NOT NULL,
    UNIQUE (tenant, instance, package)
) STRICT;
