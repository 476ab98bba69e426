ALTER TABLE channels DROP COLUMN renewer_until;
ALTER TABLE channels DROP COLUMN renewer;
DROP INDEX messages_chat;
