-- One named store of one plugin. `bytes` and `keys` are kept in the transaction that changes them.
CREATE TABLE namespace (
    id       INTEGER PRIMARY KEY,
    tenant   TEXT NOT NULL,
    instance TEXT NOT NULL,
    package  TEXT NOT NULL,
    store    TEXT NOT NULL,
    bytes    INTEGER NOT NULL DEFAULT 0 CHECK (bytes >= 0),
    keys     INTEGER NOT NULL DEFAULT 0 CHECK (keys >= 0),
    UNIQUE (tenant, instance, package, store)
) STRICT;

CREATE TABLE entry (
    namespace INTEGER NOT NULL REFERENCES namespace (id) ON DELETE CASCADE,
    key       TEXT NOT NULL,
    value     BLOB NOT NULL,
    UNIQUE (namespace, key)
) STRICT;
