-- What was done with messages after they had left: asked for here, or told of by a vendor. What a message says is put together
-- of these when somebody looks, so the order in which they came is of no matter.
CREATE TABLE message_changes (
    id TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    channel TEXT NOT NULL REFERENCES channels (id),
    -- the chat and the message as the vendor names them; the chat is empty where the vendor does not tell it
    chat TEXT NOT NULL,
    vendor_id TEXT NOT NULL,
    -- our message; none where the vendor told of the change before we knew the message
    message TEXT,
    -- one for the same thing told twice
    key TEXT NOT NULL,
    -- edit or delete
    act TEXT NOT NULL,
    text TEXT,
    -- waiting, done, failed, not_done or unknown
    state TEXT NOT NULL,
    code TEXT,
    reason TEXT,
    -- whether it was asked for here
    asked BOOLEAN NOT NULL,
    asked_at BIGINT NOT NULL,
    done_at BIGINT
);
CREATE UNIQUE INDEX message_changes_key ON message_changes (channel, key);
CREATE INDEX message_changes_message ON message_changes (message);
CREATE INDEX message_changes_early ON message_changes (channel, vendor_id) WHERE message IS NULL;
CREATE INDEX message_changes_age ON message_changes (asked_at);
