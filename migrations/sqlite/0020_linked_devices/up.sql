-- Devices that are being linked: the address that the vendor is told, and how often it was tried lately.
CREATE TABLE linkings (
    hook_key TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    line BIGINT NOT NULL REFERENCES lines (id),
    messenger TEXT NOT NULL,
    tries INTEGER NOT NULL,
    tries_since BIGINT NOT NULL
);
CREATE INDEX linkings_line ON linkings (company, line, messenger);

-- The moment of the last word about a session at a gateway: an older word that comes late changes nothing.
CREATE TABLE channel_links (
    channel TEXT PRIMARY KEY NOT NULL REFERENCES channels (id),
    told_at BIGINT NOT NULL
);

-- Two names of one chat: the one that hides the phone, and the one that shows it.
CREATE TABLE chat_names (
    channel TEXT NOT NULL REFERENCES channels (id),
    hidden TEXT NOT NULL,
    shown TEXT NOT NULL,
    PRIMARY KEY (channel, hidden)
);

-- What looks at phones told. Vendors count them, so answers are kept for a while; no chat means no messenger.
CREATE TABLE phone_checks (
    channel TEXT NOT NULL REFERENCES channels (id),
    phone TEXT NOT NULL,
    chat TEXT,
    checked_at BIGINT NOT NULL,
    PRIMARY KEY (channel, phone)
);
CREATE INDEX phone_checks_age ON phone_checks (channel, checked_at);
