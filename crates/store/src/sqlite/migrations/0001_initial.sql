CREATE TABLE connector (
    id TEXT NOT NULL PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    last_sync INTEGER NOT NULL,
    status INTEGER NOT NULL,
    primary_smtp_address TEXT,
    server_name TEXT,
    connector_server_name TEXT,
    connector_type INTEGER NOT NULL,
    version TEXT,
    exchange_alias TEXT,
    exchange_organization TEXT,
    revision INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    device_generation INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX connector_by_tenant ON connector (tenant_id, id);

CREATE TABLE device (
    connector_id TEXT NOT NULL,
    partnership BLOB NOT NULL,
    tenant_id TEXT NOT NULL,
    id TEXT NOT NULL,
    device_id TEXT NOT NULL,
    device_type TEXT,
    model TEXT,
    operating_system TEXT,
    friendly_name TEXT,
    imei TEXT,
    mobile_operator TEXT,
    telephone_number TEXT,
    user_agent TEXT,
    user_display_name TEXT,
    identity TEXT,
    access_state TEXT,
    access_state_reason TEXT,
    access_rule TEXT,
    client_type TEXT,
    client_version TEXT,
    first_sync INTEGER,
    created INTEGER,
    changed INTEGER,
    graph_name TEXT,
    graph_system TEXT,
    graph_system_version TEXT,
    graph_user TEXT,
    graph_access_state INTEGER NOT NULL,
    graph_access_state_reason INTEGER NOT NULL,
    PRIMARY KEY (connector_id, partnership)
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX device_by_id ON device (tenant_id, id);
CREATE INDEX device_by_access_state ON device (tenant_id, graph_access_state);

CREATE TABLE run (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    tenant_id TEXT NOT NULL,
    connector_id TEXT NOT NULL,
    kind INTEGER NOT NULL,
    state TEXT NOT NULL,
    requested_at INTEGER NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    attempt INTEGER NOT NULL DEFAULT 0,
    fence INTEGER,
    lease_owner TEXT,
    lease_until INTEGER,
    seen INTEGER NOT NULL DEFAULT 0,
    added INTEGER NOT NULL DEFAULT 0,
    changed INTEGER NOT NULL DEFAULT 0,
    removed INTEGER NOT NULL DEFAULT 0,
    failure TEXT,
    detail TEXT,
    not_before INTEGER
) STRICT;

CREATE INDEX run_by_connector ON run (connector_id, sequence);
CREATE INDEX open_run ON run (connector_id, state) WHERE state IN ('queued', 'running');

CREATE TABLE binding (
    tenant_id TEXT NOT NULL,
    name TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    connector_id TEXT NOT NULL,
    PRIMARY KEY (tenant_id, name)
) STRICT, WITHOUT ROWID;
