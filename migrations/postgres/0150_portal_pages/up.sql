-- What the pages inside a portal keep: where our tab stands, who may write there, and whether events arrive.
CREATE TABLE portal_pages (
    portal TEXT PRIMARY KEY NOT NULL REFERENCES portals (id),
    company TEXT NOT NULL REFERENCES companies (id),
    -- the cards with our tab, as a JSON list
    tabs TEXT NOT NULL,
    -- all, or admins
    writers TEXT NOT NULL,
    -- the last test of events: what it is known by, when it was asked for, and when its event came
    test_key TEXT,
    asked_at BIGINT,
    heard_at BIGINT,
    -- when everything was put into the portal last
    put_at BIGINT
);
