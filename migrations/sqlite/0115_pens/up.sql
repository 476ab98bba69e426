-- Only PostgreSQL is asked what became of a commit that broke off; here the table stays empty.
CREATE TABLE pens (
    id TEXT PRIMARY KEY NOT NULL,
    count BIGINT NOT NULL,
    at BIGINT NOT NULL
);
