-- Rows with a number of their own: an index then names a row in 4 bytes instead of the 52 of its key.
CREATE TABLE numbered_device (
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
    UNIQUE (connector_id, partnership)
) STRICT;

INSERT INTO numbered_device (
    connector_id, partnership, tenant_id, id, device_id, device_type, model, operating_system, friendly_name,
    imei, mobile_operator, telephone_number, user_agent, user_display_name, identity, access_state,
    access_state_reason, access_rule, client_type, client_version, first_sync, created, changed, graph_name,
    graph_system, graph_system_version, graph_user, graph_access_state, graph_access_state_reason
) SELECT
    connector_id, partnership, tenant_id, id, device_id, device_type, model, operating_system, friendly_name,
    imei, mobile_operator, telephone_number, user_agent, user_display_name, identity, access_state,
    access_state_reason, access_rule, client_type, client_version, first_sync, created, changed, graph_name,
    graph_system, graph_system_version, graph_user, graph_access_state, graph_access_state_reason
FROM device;

DROP TABLE device;
ALTER TABLE numbered_device RENAME TO device;

-- Each ends in the id, which breaks ties: a page in this order is one stretch of the index.
CREATE UNIQUE INDEX device_by_id ON device (tenant_id, id);
CREATE INDEX device_by_name ON device (tenant_id, graph_name, id);
CREATE INDEX device_by_device_id ON device (tenant_id, device_id, id);
CREATE INDEX device_by_user ON device (tenant_id, graph_user, id);
CREATE INDEX device_by_activation ON device (tenant_id, coalesce(first_sync, -621355968000000000), id);
CREATE INDEX device_by_access_state ON device (tenant_id, graph_access_state, id);
CREATE INDEX device_by_access_state_and_name ON device (tenant_id, graph_access_state, graph_name, id);

-- How many rows share the beginnings of each index's keys, as a large organisation has them. Without this, SQLite would
-- rather read a whole index in the wanted order than sort the one device with a certain id; measured figures would make
-- plans depend on when they were measured.
ANALYZE sqlite_schema;
DELETE FROM sqlite_stat1 WHERE tbl = 'device';
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('device', 'sqlite_autoindex_device_1', '1000000 500000 1'),
    ('device', 'device_by_id', '1000000 1000000 1'),
    ('device', 'device_by_name', '1000000 1000000 10 1'),
    ('device', 'device_by_device_id', '1000000 1000000 2 1'),
    ('device', 'device_by_user', '1000000 1000000 3 1'),
    ('device', 'device_by_activation', '1000000 1000000 2 1'),
    ('device', 'device_by_access_state', '1000000 1000000 250000 1'),
    ('device', 'device_by_access_state_and_name', '1000000 1000000 250000 10 1');
