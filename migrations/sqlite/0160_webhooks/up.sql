-- Where integrators hear what happens in a channel, and what they are told: numbered, in order, kept until it was taken.
CREATE TABLE webhooks (
    id TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    channel TEXT NOT NULL REFERENCES channels (id),
    lane BIGINT NOT NULL REFERENCES lanes (id),
    url TEXT NOT NULL,
    -- what it hears of, as a JSON list
    topics TEXT NOT NULL,
    secret TEXT NOT NULL,
    -- on, off or deleted: its number goes on when there is one again
    state TEXT NOT NULL,
    -- why it was switched off
    reason TEXT,
    last_number BIGINT NOT NULL,
    -- the last outcome: when, delivered or why not, the HTTP status and what was seen
    told_at BIGINT,
    told TEXT,
    told_status INTEGER,
    told_seen TEXT,
    made_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX webhooks_channel ON webhooks (channel);
CREATE INDEX webhooks_company ON webhooks (company);
CREATE TABLE webhook_events (
    webhook TEXT NOT NULL REFERENCES webhooks (id),
    number BIGINT NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    -- one for the same thing: it is told once
    key TEXT NOT NULL,
    topic TEXT NOT NULL,
    item TEXT NOT NULL,
    -- waiting, delivered or failed
    state TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    -- why it was not taken last, the HTTP status and what was seen
    reason TEXT,
    status INTEGER,
    seen TEXT,
    made_at BIGINT NOT NULL,
    done_at BIGINT,
    PRIMARY KEY (webhook, number)
);
CREATE UNIQUE INDEX webhook_events_key ON webhook_events (webhook, key);
CREATE INDEX webhook_events_state ON webhook_events (webhook, state, number);
CREATE INDEX webhook_events_age ON webhook_events (state, done_at);
