-- Which robot an answer was promised to: each has results of its own.
ALTER TABLE answers ADD COLUMN robot TEXT NOT NULL DEFAULT 'switchboard_send';

-- Tags of dialogs, as people and robots set them.
CREATE TABLE dialog_tags (
    dialog TEXT NOT NULL REFERENCES dialogs (id),
    company TEXT NOT NULL REFERENCES companies (id),
    -- the tag in small letters: what is compared
    key TEXT NOT NULL,
    tag TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    PRIMARY KEY (dialog, key)
);
