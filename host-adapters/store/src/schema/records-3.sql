-- Deployments of applications. `plugins` is JSON: the component's digest by the plugin's name. `stamp`: proof, for the node that has the key, that it
-- wrote the row; no proof that it is the latest: an old row put back is as good as it was.
CREATE TABLE deployment (
    tenant      TEXT NOT NULL,
    application TEXT NOT NULL,
    number      INTEGER NOT NULL,
    text        TEXT NOT NULL,
    plugins     TEXT NOT NULL,
    created_ms  INTEGER NOT NULL,
    who         TEXT NOT NULL,
    note        TEXT NOT NULL,
    digest      TEXT NOT NULL,
    stamp       BLOB NOT NULL,
    PRIMARY KEY (tenant, application, number)
) STRICT;

-- The pointer of each application and where it was: the latest row says what is current. Written in the transaction that writes the deployment.
CREATE TABLE movement (
    tenant      TEXT NOT NULL,
    application TEXT NOT NULL,
    sequence    INTEGER NOT NULL,
    from_number INTEGER,
    to_number   INTEGER NOT NULL,
    moved       TEXT NOT NULL,
    at_ms       INTEGER NOT NULL,
    who         TEXT NOT NULL,
    reason      TEXT NOT NULL,
    stamp       BLOB NOT NULL,
    PRIMARY KEY (tenant, application, sequence),
    FOREIGN KEY (tenant, application, to_number) REFERENCES deployment (tenant, application, number)
) STRICT, WITHOUT ROWID;

-- Tokens of operators as JSON, with the hash of the secret in it. `tenant` is that of the scope, for listing.
CREATE TABLE token (
    id     TEXT PRIMARY KEY,
    tenant TEXT,
    body   TEXT NOT NULL,
    stamp  BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX token_of_tenant ON token (tenant, id);

-- Against accidents. Against intent there are the stamps.
CREATE TRIGGER deployment_is_never_changed BEFORE UPDATE ON deployment BEGIN
    SELECT RAISE(ABORT, 'a deployment is never changed');
END;
CREATE TRIGGER deployment_is_never_deleted BEFORE DELETE ON deployment BEGIN
    SELECT RAISE(ABORT, 'a deployment is never deleted');
END;
CREATE TRIGGER movement_is_never_changed BEFORE UPDATE ON movement BEGIN
    SELECT RAISE(ABORT, 'a move is never changed');
END;
CREATE TRIGGER movement_is_never_deleted BEFORE DELETE ON movement BEGIN
    SELECT RAISE(ABORT, 'a move is never deleted');
END;
CREATE TRIGGER token_is_never_deleted BEFORE DELETE ON token BEGIN
    SELECT RAISE(ABORT, 'a token is never deleted');
END;
