CREATE TABLE application (
    id TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    display_name TEXT NOT NULL,
    permissions TEXT NOT NULL,
    created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX application_by_tenant ON application (tenant_id, id);

CREATE TABLE credential (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    application_id TEXT NOT NULL,
    created INTEGER NOT NULL,
    expires INTEGER NOT NULL,
    salt BLOB,
    hash BLOB,
    hint TEXT,
    certificate BLOB
) STRICT;

CREATE INDEX credential_by_application ON credential (application_id, sequence);

CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    subject TEXT,
    subject_name TEXT,
    application TEXT,
    action TEXT,
    method TEXT,
    resource TEXT,
    created TEXT,
    outcome INTEGER NOT NULL,
    status INTEGER,
    detail TEXT,
    address TEXT,
    request_id TEXT,
    client_request_id TEXT,
    kind INTEGER NOT NULL,
    number INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX audit_by_kind ON audit (tenant_id, kind, number);

CREATE INDEX audit_by_time ON audit (tenant_id, at, id);
