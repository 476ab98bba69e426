-- Who refused mailings: for the whole company, whatever channel it was said on.
CREATE TABLE opt_outs (
    company TEXT NOT NULL REFERENCES companies (id),
    -- the phone in digits; where it is not known the channel and the chat
    address TEXT NOT NULL,
    -- what the customer wrote
    word TEXT NOT NULL,
    at BIGINT NOT NULL,
    PRIMARY KEY (company, address)
);
