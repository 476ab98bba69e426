-- Open lines of portals: which channel is connected to which, the dialogs there, what is written into them, and what operators
-- said.
CREATE TABLE open_line_connections (
    portal TEXT NOT NULL REFERENCES portals (id),
    messenger TEXT NOT NULL,
    open_line BIGINT NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    channel TEXT NOT NULL REFERENCES channels (id),
    -- how the line is called in the portal, as it was told last
    name TEXT,
    -- on, off, switched_off, inactive, deleted or failed
    state TEXT NOT NULL,
    reason TEXT,
    settings TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    checked_at BIGINT,
    PRIMARY KEY (portal, messenger, open_line)
);
CREATE INDEX open_line_connections_channel ON open_line_connections (channel);
CREATE TABLE open_line_chats (
    id TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    portal TEXT NOT NULL REFERENCES portals (id),
    messenger TEXT NOT NULL,
    open_line BIGINT NOT NULL,
    channel TEXT NOT NULL REFERENCES channels (id),
    -- the chat as the vendor names it now
    chat TEXT NOT NULL,
    -- the chat and the customer as the portal knows them: they never change
    external TEXT NOT NULL,
    person TEXT NOT NULL,
    -- the portal's own numbers, as far as it told them
    im_chat BIGINT,
    im_user BIGINT,
    session BIGINT,
    closed BOOLEAN NOT NULL,
    -- how the chat was called last
    title TEXT,
    -- the cards that the CRM has of the customer
    contact BIGINT,
    lead BIGINT,
    deal BIGINT,
    -- who answers there and who is responsible for the card, as both were seen last
    owner BIGINT,
    assigned BIGINT,
    active_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX open_line_chats_external ON open_line_chats (portal, messenger, open_line, external);
CREATE UNIQUE INDEX open_line_chats_chat ON open_line_chats (channel, chat, portal, open_line);
CREATE INDEX open_line_chats_contact ON open_line_chats (portal, contact) WHERE contact IS NOT NULL;
CREATE INDEX open_line_chats_lead ON open_line_chats (portal, lead) WHERE lead IS NOT NULL;
CREATE INDEX open_line_chats_deal ON open_line_chats (portal, deal) WHERE deal IS NOT NULL;
CREATE INDEX open_line_chats_active ON open_line_chats (active_at);
CREATE TABLE open_line_posts (
    id TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    chat TEXT NOT NULL REFERENCES open_line_chats (id),
    -- one for the same thing: it is written once
    key TEXT NOT NULL,
    -- message, file, edit, delete or note
    kind TEXT NOT NULL,
    message TEXT,
    body TEXT,
    -- who is shown as its author: none is the customer, zero the system
    author BIGINT,
    -- waiting, parked, done, failed or unknown
    state TEXT NOT NULL,
    reason TEXT,
    -- when the call began whose fate is not known yet
    tried_at BIGINT,
    -- the text as it was written, and the portal's message that came of it where it came back as one
    said TEXT,
    echo BIGINT,
    made_at BIGINT NOT NULL,
    done_at BIGINT
);
CREATE UNIQUE INDEX open_line_posts_key ON open_line_posts (chat, key);
CREATE INDEX open_line_posts_message ON open_line_posts (message);
CREATE INDEX open_line_posts_state ON open_line_posts (chat, state, id);
CREATE INDEX open_line_posts_age ON open_line_posts (made_at);
CREATE TABLE open_line_words (
    id TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    portal TEXT NOT NULL REFERENCES portals (id),
    chat TEXT NOT NULL REFERENCES open_line_chats (id),
    im_chat BIGINT NOT NULL,
    im_message BIGINT NOT NULL,
    operator BIGINT NOT NULL,
    -- whether it was found after a time in which nobody heard of it
    late BOOLEAN NOT NULL,
    -- what the portal was told of it: none, delivered or read
    told TEXT NOT NULL,
    said_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX open_line_words_im ON open_line_words (portal, im_chat, im_message);
CREATE INDEX open_line_words_age ON open_line_words (said_at);
CREATE TABLE open_line_parts (
    word TEXT NOT NULL REFERENCES open_line_words (id),
    place INTEGER NOT NULL,
    message TEXT NOT NULL,
    -- open, sent, read, failed or unknown
    state TEXT NOT NULL,
    PRIMARY KEY (word, place)
);
CREATE INDEX open_line_parts_message ON open_line_parts (message);
CREATE TABLE open_line_wishes (
    message TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    show BOOLEAN NOT NULL,
    author BIGINT,
    made_at BIGINT NOT NULL
);
CREATE INDEX open_line_wishes_age ON open_line_wishes (made_at);
-- When this server last was there to hear portals: what was said later must be asked for.
CREATE TABLE open_line_watch (
    id INTEGER PRIMARY KEY NOT NULL,
    seen_at BIGINT NOT NULL
);
