-- Templates of channels that send nothing else: the name that the vendor knows, and the text with its variables.
CREATE TABLE notice_templates (
    company TEXT NOT NULL REFERENCES companies (id),
    channel TEXT NOT NULL REFERENCES channels (id),
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (channel, name)
);

-- Applications for VK Notify: the form as it was filled in, and how far the application has come.
CREATE TABLE notice_applications (
    id TEXT PRIMARY KEY,
    company TEXT NOT NULL REFERENCES companies (id),
    number BIGINT NOT NULL,
    state TEXT NOT NULL,
    form TEXT NOT NULL,
    reason TEXT,
    steps TEXT NOT NULL,
    seen BOOLEAN NOT NULL,
    created_at BIGINT NOT NULL,
    changed_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX notice_applications_number ON notice_applications (company, number);
