-- What plugins used, by hour (hours since 1970, UTC): sums that are added to, not signed and not stamped. The oldest hours go (`usage.rs`).
CREATE TABLE usage (
    hour           INTEGER NOT NULL,
    tenant         TEXT NOT NULL,
    application    TEXT NOT NULL,
    plugin         TEXT NOT NULL,
    requests       INTEGER NOT NULL CHECK (requests >= 0),
    cpu_ms         INTEGER NOT NULL CHECK (cpu_ms >= 0),
    memory_byte_ms INTEGER NOT NULL CHECK (memory_byte_ms >= 0),
    egress_bytes   INTEGER NOT NULL CHECK (egress_bytes >= 0),
    host_calls     INTEGER NOT NULL CHECK (host_calls >= 0),
    faults         INTEGER NOT NULL CHECK (faults >= 0),
    PRIMARY KEY (hour, tenant, application, plugin)
) STRICT, WITHOUT ROWID;
