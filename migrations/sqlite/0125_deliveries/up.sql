-- What messengers posted, as it came: for a look when something went wrong. Its number only rises, so the oldest ones, of which too
-- many are kept, lie at the front.
CREATE TABLE deliveries (
    n INTEGER PRIMARY KEY AUTOINCREMENT,
    company TEXT NOT NULL REFERENCES companies (id),
    channel TEXT NOT NULL REFERENCES channels (id),
    -- taken, off, unreadable or mixed
    outcome TEXT NOT NULL,
    -- bytes of the body, as it came
    size BIGINT NOT NULL,
    -- whether less of it is kept
    cut BOOLEAN NOT NULL,
    -- events that were read in it
    events INTEGER NOT NULL,
    -- method, query, headers and body, sealed for the channel
    sealed TEXT NOT NULL,
    received_at BIGINT NOT NULL
);
CREATE INDEX deliveries_channel ON deliveries (channel, n);
