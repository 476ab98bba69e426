-- Moments are milliseconds of UTC; ticks are microseconds since the machine was started.

CREATE TABLE companies (
    id TEXT PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    zone TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

CREATE TABLE users (
    id TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    password_hash TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- Bearer tokens of people and programs; only the hash is kept.
CREATE TABLE tokens (
    hash TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    user_id TEXT NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE TABLE lines (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    name TEXT NOT NULL,
    plan TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    hours TEXT,
    demo_used INTEGER NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX lines_company ON lines (company);

CREATE TABLE lanes (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    kind TEXT NOT NULL,
    shard SMALLINT NOT NULL,
    state SMALLINT NOT NULL,
    pace TEXT NOT NULL,
    hours TEXT,
    version BIGINT NOT NULL,
    -- the last start of a paced call and the gap drawn for it, then the last start of a live one
    sent_boot TEXT,
    sent_tick BIGINT NOT NULL,
    sent_gap_ms BIGINT NOT NULL,
    live_tick BIGINT NOT NULL
);
CREATE INDEX lanes_company ON lanes (company);

CREATE TABLE channels (
    id TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    line BIGINT NOT NULL REFERENCES lines (id),
    lane BIGINT NOT NULL REFERENCES lanes (id),
    messenger TEXT NOT NULL,
    account TEXT NOT NULL,
    state TEXT NOT NULL,
    secrets TEXT NOT NULL,
    settings TEXT NOT NULL,
    hook_key TEXT NOT NULL UNIQUE,
    lost_reason TEXT,
    connected_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    UNIQUE (messenger, account)
);
CREATE INDEX channels_line ON channels (company, line);
CREATE INDEX channels_lane ON channels (lane);

-- The outbox: what waits and what flies. Done errands are deleted. The number of an errand is its place: its lane, its rank and
-- a count that only rises. The errands of a lane stand together in the order in which they leave, and no index is kept for that.
CREATE TABLE errands (
    id INTEGER PRIMARY KEY NOT NULL,
    company TEXT NOT NULL,
    lane BIGINT NOT NULL,
    rank SMALLINT NOT NULL,
    peer TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    not_before BIGINT NOT NULL,
    accepted_at BIGINT NOT NULL,
    expires_at BIGINT,
    merge_key TEXT,
    mailing TEXT,
    work TEXT NOT NULL,
    origin TEXT NOT NULL
);
CREATE INDEX errands_mailing ON errands (mailing) WHERE mailing IS NOT NULL;
CREATE INDEX errands_planned ON errands (not_before) WHERE not_before > 0;
CREATE UNIQUE INDEX errands_merge ON errands (lane, merge_key) WHERE merge_key IS NOT NULL;

-- The errands that fly: claimed, and their answer not settled. A claim writes this small table and leaves the errand's page alone.
CREATE TABLE flights (
    id INTEGER PRIMARY KEY NOT NULL
);

-- When calls of lanes began, one row for each settling transaction; folded into `lanes` now and then, many lanes at once.
CREATE TABLE starts (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    boot TEXT NOT NULL,
    sent TEXT NOT NULL
);

-- The count in the numbers of errands.
CREATE TABLE errand_count (
    id SMALLINT PRIMARY KEY NOT NULL,
    last BIGINT NOT NULL
);
INSERT INTO errand_count (id, last) VALUES (0, 0);

-- In which lanes errands expire, and when, by the second: one row for many errands, and none is touched when an errand leaves.
CREATE TABLE expiries (
    due BIGINT NOT NULL,
    lane BIGINT NOT NULL,
    PRIMARY KEY (due, lane)
) WITHOUT ROWID;

-- One row per batch of claimed errands, so that a dead process's open calls are found without a search.
CREATE TABLE claims (
    id TEXT PRIMARY KEY NOT NULL,
    owner TEXT NOT NULL,
    errands TEXT NOT NULL
);
CREATE INDEX claims_owner ON claims (owner);

-- Keys that were accepted once; the keeper forgets them after a while.
CREATE TABLE accepted_keys (
    company TEXT NOT NULL,
    key TEXT NOT NULL,
    accepted_at BIGINT NOT NULL,
    PRIMARY KEY (company, key)
) WITHOUT ROWID;
CREATE INDEX accepted_keys_age ON accepted_keys (accepted_at);

-- Processes that pump. A process that does not beat is dead; its shards are free.
CREATE TABLE owners (
    id TEXT PRIMARY KEY NOT NULL,
    beat BIGINT NOT NULL
);
CREATE TABLE shards (
    id SMALLINT PRIMARY KEY NOT NULL,
    owner TEXT
);
WITH RECURSIVE numbers (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < 59)
INSERT INTO shards (id) SELECT n FROM numbers;

CREATE TABLE contacts (
    id TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    name TEXT NOT NULL,
    phone TEXT,
    username TEXT,
    created_at BIGINT NOT NULL
);
CREATE INDEX contacts_phone ON contacts (company, phone);

CREATE TABLE dialogs (
    id TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    channel TEXT NOT NULL REFERENCES channels (id),
    contact TEXT REFERENCES contacts (id),
    -- the chat as the vendor names it
    chat TEXT NOT NULL,
    title TEXT NOT NULL,
    is_group BOOLEAN NOT NULL,
    allowed BOOLEAN NOT NULL,
    incoming_at BIGINT,
    created_at BIGINT NOT NULL,
    UNIQUE (channel, chat)
);
CREATE INDEX dialogs_contact ON dialogs (contact);

-- The history. An outgoing message enters it when it has left the outbox, in the same transaction.
CREATE TABLE messages (
    id TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL,
    channel TEXT NOT NULL,
    chat TEXT NOT NULL,
    outgoing BOOLEAN NOT NULL,
    status SMALLINT NOT NULL,
    vendor_id TEXT,
    content TEXT NOT NULL,
    origin TEXT NOT NULL,
    code TEXT,
    reason TEXT,
    accepted_at BIGINT NOT NULL,
    sent_at BIGINT,
    delivered_at BIGINT,
    viewed_at BIGINT
);
CREATE INDEX messages_vendor ON messages (channel, vendor_id) WHERE vendor_id IS NOT NULL;

-- Receipts that came before the message they speak of.
CREATE TABLE early_receipts (
    id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL,
    channel TEXT NOT NULL,
    vendor_id TEXT NOT NULL,
    receipt TEXT NOT NULL,
    received_at BIGINT NOT NULL
);
CREATE INDEX early_receipts_vendor ON early_receipts (channel, vendor_id);

-- What came in, written down before it is worked. The key stops repetitions.
CREATE TABLE hooks (
    id TEXT PRIMARY KEY NOT NULL,
    source TEXT NOT NULL,
    owner TEXT NOT NULL,
    key TEXT NOT NULL,
    body TEXT,
    state SMALLINT NOT NULL,
    attempts INTEGER NOT NULL,
    refusal TEXT,
    received_at BIGINT NOT NULL,
    UNIQUE (owner, key)
);
CREATE INDEX hooks_waiting ON hooks (id) WHERE state = 0;
CREATE INDEX hooks_age ON hooks (received_at);

CREATE TABLE portals (
    id TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    member_id TEXT NOT NULL UNIQUE,
    domain TEXT NOT NULL,
    client_endpoint TEXT NOT NULL,
    server_endpoint TEXT NOT NULL,
    application_token TEXT NOT NULL,
    state TEXT NOT NULL,
    lane BIGINT NOT NULL REFERENCES lanes (id),
    hook_key TEXT NOT NULL UNIQUE,
    robot_url TEXT,
    event_at BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX portals_company ON portals (company);
CREATE INDEX portals_lane ON portals (lane);

-- Tokens of the portal's people: more than one administrator, so that one dismissal does not cut us off.
CREATE TABLE portal_tokens (
    portal TEXT NOT NULL REFERENCES portals (id),
    user_id TEXT NOT NULL,
    is_admin BOOLEAN NOT NULL,
    access_token TEXT NOT NULL,
    refresh_token TEXT NOT NULL,
    expires_at BIGINT NOT NULL,
    -- counts renewals; a renewal is written only over the version it began from
    version BIGINT NOT NULL,
    lease_owner TEXT,
    lease_until BIGINT NOT NULL,
    dead BOOLEAN NOT NULL,
    PRIMARY KEY (portal, user_id)
);

-- What a robot was promised: one answer for all the addresses of one call.
CREATE TABLE answers (
    id TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL,
    portal TEXT NOT NULL REFERENCES portals (id),
    event_token TEXT NOT NULL,
    document_id TEXT NOT NULL,
    waits BOOLEAN NOT NULL,
    exact BOOLEAN NOT NULL,
    comments BOOLEAN NOT NULL,
    -- `all` or `first`; what is to be tried after the first address
    mode TEXT NOT NULL,
    plan TEXT,
    state SMALLINT NOT NULL,
    open_entries INTEGER NOT NULL,
    answer_by BIGINT,
    created_at BIGINT NOT NULL
);
CREATE INDEX answers_due ON answers (answer_by) WHERE state = 0;
CREATE TABLE answer_entries (
    answer TEXT NOT NULL REFERENCES answers (id),
    entry INTEGER NOT NULL,
    chat_id TEXT NOT NULL,
    ok BOOLEAN,
    code TEXT,
    reason TEXT,
    message TEXT,
    PRIMARY KEY (answer, entry)
);

CREATE TABLE mailings (
    id TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    channel TEXT NOT NULL REFERENCES channels (id),
    lane BIGINT NOT NULL,
    title TEXT NOT NULL,
    state TEXT NOT NULL,
    -- who handed it over, where it came from CRM-marketing
    portal TEXT,
    sender_code TEXT,
    author TEXT,
    shape TEXT,
    last_row_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);
CREATE INDEX mailings_company ON mailings (company, id);
CREATE INDEX mailings_group ON mailings (portal, sender_code, last_row_at) WHERE portal IS NOT NULL;
CREATE INDEX mailings_running ON mailings (lane) WHERE state = 'running';

-- The ledger: one status a row, and the text frozen once the row is taken.
CREATE TABLE recipients (
    id TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL,
    mailing TEXT NOT NULL REFERENCES mailings (id),
    peer TEXT NOT NULL,
    content TEXT NOT NULL,
    status TEXT NOT NULL,
    code TEXT,
    reason TEXT,
    message TEXT,
    vendor_message TEXT,
    accepted_at BIGINT NOT NULL,
    sent_at BIGINT
);
CREATE INDEX recipients_next ON recipients (mailing, status, id);
