-- `stamp`: proof, for the node that has the key, that it signed the record. Rows from before have none; then the signature is checked.
ALTER TABLE consent ADD COLUMN stamp BLOB;

-- The second index: of each plugin the latest record that says whether and how it is to run. Written in the transaction that appends; `verify`
-- recomputes it from the chain. Only removals can be in a chain from before: no such event existed.
CREATE TABLE lifecycle (
    tenant   TEXT NOT NULL,
    instance TEXT NOT NULL,
    package  TEXT NOT NULL,
    sequence INTEGER NOT NULL REFERENCES record (sequence),
    stamp    BLOB,
    PRIMARY KEY (tenant, instance, package)
) STRICT, WITHOUT ROWID;

-- A body that is no JSON any more is for `verify` to name, and must not keep the folder from being opened.
INSERT OR IGNORE INTO lifecycle (tenant, instance, package, sequence)
    SELECT body ->> '$.subject.tenant', body ->> '$.subject.instance', body ->> '$.subject.package', max(sequence)
    FROM record WHERE CASE WHEN json_valid(body) THEN body ->> '$.event' END = 'removed' GROUP BY 1, 2, 3;
