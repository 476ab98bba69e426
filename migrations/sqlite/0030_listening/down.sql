ALTER TABLE dialogs DROP COLUMN thread;
DELETE FROM shards WHERE id >= 60;
DROP TABLE listenings;
