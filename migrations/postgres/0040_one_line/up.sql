-- What a listening messenger must know as long as its channel lives, by names of its own; sealed.
CREATE TABLE notes (
    channel TEXT NOT NULL REFERENCES channels (id),
    company TEXT NOT NULL REFERENCES companies (id),
    name TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (channel, name)
);

-- Strangers whom a channel wrote to first, where its messenger limits that: a phone in digits, or a name with an at sign.
CREATE TABLE first_contacts (
    channel TEXT NOT NULL REFERENCES channels (id),
    company TEXT NOT NULL REFERENCES companies (id),
    peer TEXT NOT NULL,
    -- the chat as the vendor names it; none until it is known
    chat TEXT,
    begun_at BIGINT NOT NULL,
    PRIMARY KEY (channel, peer)
);

-- When a channel may write to the next stranger.
CREATE TABLE first_gates (
    channel TEXT PRIMARY KEY NOT NULL REFERENCES channels (id),
    company TEXT NOT NULL REFERENCES companies (id),
    -- when the latest phone was written to first
    last_at BIGINT NOT NULL,
    -- until when the vendor wants no strangers to be written to at all
    held_until BIGINT NOT NULL
);
