-- Where the next delta sync goes on; moves with the devices, in the same transaction.
ALTER TABLE connector ADD COLUMN cookie BLOB;
