-- How each channel fares, and what people were told of it. Every channel has one row.
CREATE TABLE healths (
    channel TEXT PRIMARY KEY NOT NULL REFERENCES channels (id),
    company TEXT NOT NULL REFERENCES companies (id),
    -- the last receipt and the last message that came in
    receipt_at BIGINT,
    message_at BIGINT,
    -- the last error, with our stable code
    error_at BIGINT,
    error_code TEXT,
    error TEXT,
    -- since when the vendor suspects spam, until when that holds without another word, and what it said
    suspect_at BIGINT,
    suspect_until BIGINT,
    suspect TEXT,
    -- whether people were told last that it is lost; when it first changed since then, how often it was lost, when to tell
    told_lost BOOLEAN NOT NULL,
    turned_at BIGINT,
    falls INTEGER NOT NULL,
    tell_at BIGINT
);
CREATE INDEX healths_company ON healths (company);
CREATE INDEX healths_tell ON healths (tell_at) WHERE tell_at IS NOT NULL;
CREATE INDEX healths_suspect ON healths (suspect_until) WHERE suspect_until IS NOT NULL;
INSERT INTO healths (channel, company, told_lost, falls) SELECT id, company, state IN ('lost', 'relink'), 0 FROM channels;

-- What happened in a company, in the order in which it happened.
CREATE TABLE company_events (
    id TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    kind TEXT NOT NULL,
    -- the thing that it happened to
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    at BIGINT NOT NULL
);
CREATE INDEX company_events_company ON company_events (company, id);

-- Letters of this server to the people of a company, until they have left.
CREATE TABLE notices (
    id TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    address TEXT NOT NULL,
    subject TEXT NOT NULL,
    body TEXT NOT NULL,
    -- 0 waits, 1 is being sent, 2 left, 3 nobody knows, 4 was given up
    state SMALLINT NOT NULL,
    attempts INTEGER NOT NULL,
    -- when it is tried next; while it is being sent, after which moment nobody will tell what became of it
    due_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX notices_open ON notices (due_at) WHERE state < 2;
CREATE INDEX notices_age ON notices (created_at);
