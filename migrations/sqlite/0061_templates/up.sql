-- Templates of the account behind a channel, as the vendor listed them last.
CREATE TABLE templates (
    channel TEXT NOT NULL REFERENCES channels (id),
    name TEXT NOT NULL,
    language TEXT NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    status TEXT NOT NULL,
    category TEXT NOT NULL,
    quality TEXT,
    reason TEXT,
    -- what it says, as JSON
    card TEXT NOT NULL,
    synced_at BIGINT NOT NULL,
    PRIMARY KEY (channel, name, language)
);
