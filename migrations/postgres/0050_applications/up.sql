-- Applications for VK Notify: the form as it was filled in, and how far the application has come.
CREATE TABLE applications (
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
CREATE UNIQUE INDEX applications_number ON applications (company, number);
