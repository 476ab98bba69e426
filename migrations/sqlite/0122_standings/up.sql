-- When vendors are asked next what they think of an account: its quality and its limits, and its templates.
CREATE TABLE standings (
    channel TEXT PRIMARY KEY NOT NULL REFERENCES channels (id),
    company TEXT NOT NULL REFERENCES companies (id),
    -- when it is asked next, and when it answered last
    look_at BIGINT NOT NULL,
    looked_at BIGINT,
    -- when its templates are listed anew; none while nothing calls for it
    list_at BIGINT
);
CREATE INDEX standings_look ON standings (look_at);
CREATE INDEX standings_list ON standings (list_at) WHERE list_at IS NOT NULL;
