-- A reaction is something that was done with a message too; each person has one at a time. Who reacts, as the vendor names them:
-- none where our own side does, empty where the vendor does not tell.
ALTER TABLE message_changes ADD COLUMN who TEXT;
