-- Where a listening channel goes on from, and how it fares.
CREATE TABLE listenings (
    channel TEXT PRIMARY KEY NOT NULL REFERENCES channels (id),
    company TEXT NOT NULL REFERENCES companies (id),
    -- what the messenger needs to go on, as JSON of its own
    cursor TEXT,
    connected_at BIGINT,
    heard_at BIGINT,
    -- since when the connection is away, and why
    error_at BIGINT,
    error TEXT,
    -- when messages may have been missed
    gap_at BIGINT
);

-- Listening has shards of its own, so that processes may listen without pumping.
INSERT INTO shards (id)
WITH RECURSIVE numbers (n) AS (SELECT 60 UNION ALL SELECT n + 1 FROM numbers WHERE n < 119) SELECT n FROM numbers;

-- The subject and the ids that an answer into the dialog goes on from, as JSON.
ALTER TABLE dialogs ADD COLUMN thread TEXT;
