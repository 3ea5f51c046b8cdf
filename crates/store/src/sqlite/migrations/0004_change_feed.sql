-- Where the next delta sync goes on; moves with the devices, in the same transaction.
ALTER TABLE connector ADD COLUMN cookie BLOB;

ALTER TABLE device ADD COLUMN user_principal_name TEXT;
ALTER TABLE device ADD COLUMN email_address TEXT;

-- What a mailbox says of its partnership, and when it said so.
ALTER TABLE device ADD COLUMN statistics_learned INTEGER;
ALTER TABLE device ADD COLUMN last_success INTEGER;
ALTER TABLE device ADD COLUMN last_attempt INTEGER;
ALTER TABLE device ADD COLUMN wipe_requested INTEGER;
ALTER TABLE device ADD COLUMN wipe_sent INTEGER;
ALTER TABLE device ADD COLUMN wipe_acknowledged INTEGER;
ALTER TABLE device ADD COLUMN status TEXT;
-- Newer than access_state and access_state_reason; null once a listing brings others.
ALTER TABLE device ADD COLUMN newer_access_state TEXT;
ALTER TABLE device ADD COLUMN newer_access_state_reason TEXT;
-- When to ask next; null where no mailbox is known. The devices that are there already are due at once.
ALTER TABLE device ADD COLUMN statistics_due INTEGER DEFAULT 0;
-- How often in a row the mailbox could not be asked.
ALTER TABLE device ADD COLUMN statistics_failures INTEGER NOT NULL DEFAULT 0;

UPDATE device SET statistics_due = NULL
WHERE identity IS NULL OR instr(replace(lower(identity), '\', '/'), '/exchangeactivesyncdevices/') < 2;

-- The beginning of an id tells connectors apart well enough, and makes the index a third as large.
CREATE INDEX device_by_statistics_due ON device (substr(connector_id, 1, 8), statistics_due)
WHERE statistics_due IS NOT NULL;
-- Which devices has this person? Nothing where no connection tells.
CREATE INDEX device_by_principal ON device (user_principal_name) WHERE user_principal_name IS NOT NULL;
CREATE INDEX device_by_address ON device (email_address) WHERE email_address IS NOT NULL;

INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('device', 'device_by_statistics_due', '1000000 500000 100'),
    ('device', 'device_by_principal', '1000000 2'),
    ('device', 'device_by_address', '1000000 2');
