-- Which transaction each writer of a process has kept last. Whoever loses the connection at a commit asks here what became of it.
-- Transactions have numbers of their own, but after a crash of the server the number of one that was lost is given to another.
CREATE TABLE pens (
    id TEXT PRIMARY KEY NOT NULL,
    count BIGINT NOT NULL,
    -- by the clock of the server, in milliseconds: rows of processes that are long gone are swept by it
    at BIGINT NOT NULL
);
