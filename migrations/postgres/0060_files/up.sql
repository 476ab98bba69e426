-- Files: what they are. Their content lies in the folder or bucket of the settings, under the company and the id.
CREATE TABLE files (
    id TEXT PRIMARY KEY NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    name TEXT NOT NULL,
    mime TEXT NOT NULL,
    -- none while the content is on its way
    size BIGINT,
    sha256 TEXT,
    created_at BIGINT NOT NULL,
    -- when the row and its content go; none is never
    expires_at BIGINT
);
CREATE INDEX files_expire ON files (expires_at) WHERE expires_at IS NOT NULL;

-- Files that came in, by their message and their place in it: what the vendor calls each, and what became of fetching it.
CREATE TABLE arrivals (
    message TEXT NOT NULL,
    place SMALLINT NOT NULL,
    company TEXT NOT NULL REFERENCES companies (id),
    channel TEXT NOT NULL REFERENCES channels (id),
    media TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    -- when it is fetched, or fetched again; none where that is over
    due_at BIGINT,
    file TEXT,
    code TEXT,
    reason TEXT,
    PRIMARY KEY (message, place)
);
CREATE INDEX arrivals_due ON arrivals (due_at) WHERE due_at IS NOT NULL;
