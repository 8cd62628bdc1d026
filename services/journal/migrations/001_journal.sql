-- Every message, submitted or derived. Empty text and 0 stand for "none": no column is nullable.
CREATE TABLE message (
    id TEXT PRIMARY KEY,
    parent TEXT NOT NULL,
    kind BIGINT NOT NULL,
    source TEXT NOT NULL,
    sender TEXT NOT NULL,
    application TEXT NOT NULL,
    recipients TEXT NOT NULL,
    conversation TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    accepted_at BIGINT NOT NULL,
    -- The application's own key, and the digest of what the sender said (hex).
    item_key TEXT NOT NULL,
    content_digest TEXT NOT NULL,
    trace TEXT NOT NULL,
    -- Contract messages as they are: envelope, body, native body, receipt, index.
    envelope {blob} NOT NULL,
    body {blob} NOT NULL,
    native {blob} NOT NULL,
    receipt {blob} NOT NULL,
    shown {blob} NOT NULL,
    -- What it is found by, folded.
    number_folded TEXT NOT NULL,
    document_id TEXT NOT NULL,
    subject_folded TEXT NOT NULL,
    -- What it is doing.
    state BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    -- When the sweeper looks at it; 0: never.
    next_at BIGINT NOT NULL,
    attempt BIGINT NOT NULL,
    driven BIGINT NOT NULL,
    session TEXT NOT NULL,
    lease BIGINT NOT NULL,
    fault {blob} NOT NULL,
    detail TEXT NOT NULL,
    behind TEXT NOT NULL
);

CREATE UNIQUE INDEX message_key ON message (source, item_key) WHERE item_key <> '';
CREATE UNIQUE INDEX message_content ON message (sender, content_digest) WHERE content_digest <> '';
CREATE INDEX message_conversation ON message (conversation, application, sequence);
CREATE INDEX message_next ON message (next_at) WHERE next_at > 0;
CREATE INDEX message_session ON message (session) WHERE session <> '';
CREATE INDEX message_parent ON message (parent) WHERE parent <> '';
CREATE INDEX message_number ON message (number_folded) WHERE number_folded <> '';
CREATE INDEX message_document ON message (document_id) WHERE document_id <> '';
CREATE INDEX message_accepted ON message (accepted_at);

-- What happened, in the order written; never changed.
CREATE TABLE fact (
    position {serial},
    message TEXT NOT NULL,
    fact {blob} NOT NULL
);

CREATE INDEX fact_message ON fact (message);

-- What was not taken over: who, when, why; no content.
CREATE TABLE refusal (
    position {serial},
    application TEXT NOT NULL,
    item_key TEXT NOT NULL,
    at BIGINT NOT NULL,
    fault {blob} NOT NULL
);

-- Connected adapters; a closed session is gone.
CREATE TABLE session (
    id TEXT PRIMARY KEY,
    application TEXT NOT NULL,
    adapter TEXT NOT NULL,
    receiver_class BIGINT NOT NULL,
    lease_ms BIGINT NOT NULL,
    opened_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX session_adapter ON session (application, adapter);
