-- Sign-ins at the pages of vendors that were begun: each may be come back from once, by whoever began it.
CREATE TABLE visits (
    -- of the word that the vendor brings back; the word itself is kept nowhere
    digest TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    user_id TEXT,
    line BIGINT NOT NULL,
    messenger TEXT NOT NULL,
    -- what the attaching goes on from, sealed
    kept TEXT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX visits_by_age ON visits (created_at);

-- What was asked to be done with groups, and what became of it.
CREATE TABLE group_acts (
    id TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    channel TEXT NOT NULL REFERENCES channels (id),
    chat TEXT,
    act TEXT NOT NULL,
    invitation TEXT,
    state TEXT NOT NULL,
    -- what the vendor did: kept before the errand is settled
    done TEXT,
    people TEXT,
    code TEXT,
    reason TEXT,
    accepted_at BIGINT NOT NULL,
    over_at BIGINT
);
CREATE INDEX group_acts_by_end ON group_acts (over_at);

-- What chats are about: an item of a shop, and where it is.
CREATE TABLE chat_subjects (
    channel TEXT NOT NULL REFERENCES channels (id),
    chat TEXT NOT NULL,
    about TEXT,
    link TEXT,
    PRIMARY KEY (channel, chat)
);
