-- What vendors tell of a chat as a whole («read up to here», «your own side wrote») looks for messages by their chat.
CREATE INDEX messages_chat ON messages (channel, chat, id);

-- Who renews the credentials of a channel just now, and until when nobody else does.
ALTER TABLE channels ADD COLUMN renewer TEXT;
ALTER TABLE channels ADD COLUMN renewer_until BIGINT;
