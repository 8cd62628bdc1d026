-- A message is two rows: what it is, written once, and what it is doing, written at every step.
-- So a step never copies a body, and finds all it needs in the smaller row. Empty text and 0 stand
-- for "none": no column is nullable.

-- What a message is, submitted or derived.
CREATE TABLE kept (
    id {text} PRIMARY KEY,
    -- Which row of `standing` is its own.
    slot BIGINT NOT NULL,
    parent {text} NOT NULL,
    kind BIGINT NOT NULL,
    source {text} NOT NULL,
    sender {text} NOT NULL,
    recipients {text} NOT NULL,
    accepted_at BIGINT NOT NULL,
    -- The application's own key, and the digest of what the sender said (hex).
    item_key {text} NOT NULL,
    content_digest {text} NOT NULL,
    trace {text} NOT NULL,
    -- What it is found by, folded.
    number_folded {text} NOT NULL,
    document_id {text} NOT NULL,
    -- Contract messages as they are: envelope, index, receipt, body, native body. The large ones
    -- come last, so that whoever wants the others does not read past them.
    envelope {blob} NOT NULL,
    shown {blob} NOT NULL,
    receipt {blob} NOT NULL,
    body {blob} NOT NULL,
    native {blob} NOT NULL
){whole};

CREATE UNIQUE INDEX kept_key ON kept (source, item_key) WHERE item_key <> '';
CREATE UNIQUE INDEX kept_content ON kept (sender, content_digest) WHERE content_digest <> '';
CREATE INDEX kept_number ON kept (number_folded) WHERE number_folded <> '';
CREATE INDEX kept_document ON kept (document_id) WHERE document_id <> '';
CREATE INDEX kept_trace ON kept (trace) WHERE trace <> '';
CREATE INDEX kept_accepted ON kept (accepted_at, id);

-- Further keys under which the same content came again.
CREATE TABLE alias (
    source {text} NOT NULL,
    item_key {text} NOT NULL,
    message {text} NOT NULL,
    PRIMARY KEY (source, item_key)
){keyed};

-- Whom a submitted message concerns: its sender and its recipients, in the order of their pages.
CREATE TABLE addressed (
    organisation {text} NOT NULL,
    at BIGINT NOT NULL,
    message {text} NOT NULL,
    PRIMARY KEY (organisation, at, message)
){keyed};

-- What a message is doing. The writer numbers these rows in their order: a number that grows is
-- written at the end of its index, and found for less than an id.
CREATE TABLE standing (
    slot {number} PRIMARY KEY,
    -- As in `kept`, so that a step reads one row.
    id {text} NOT NULL,
    parent {text} NOT NULL,
    recipients {text} NOT NULL,
    accepted_at BIGINT NOT NULL,
    -- Bytes of the body; 0: it has none yet.
    body_size BIGINT NOT NULL,
    conversation {text} NOT NULL,
    -- Who receives it; none: it is not routed yet.
    application {text} NOT NULL,
    sequence BIGINT NOT NULL,
    urgency BIGINT NOT NULL,
    state BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    -- When it is due; 0: never.
    next_at BIGINT NOT NULL,
    -- When the sweeper looks at it: not after it is due. A step leaves this alone where it can, and
    -- then no index is written. One that waits for an operator, or was ended by other than being
    -- taken, has its state here, below 0.
    sweep_at BIGINT NOT NULL,
    attempt BIGINT NOT NULL DEFAULT 0,
    -- Tries since an operator last let it begin anew.
    tries BIGINT NOT NULL,
    driven BIGINT NOT NULL DEFAULT 0,
    session {text} NOT NULL DEFAULT '',
    lease BIGINT NOT NULL DEFAULT 0,
    fault {blob} NOT NULL,
    detail {text} NOT NULL DEFAULT '',
    behind {text} NOT NULL DEFAULT '',
    -- Positions of the rows in `fact` that tell of it.
    told_at {blob} NOT NULL
){roomy};

-- A derived message has the place (sequence) of its parent in the conversation.
CREATE INDEX standing_conversation ON standing (conversation, application, sequence);
-- Above how far the sweeper is lie all that are on their way, and few others. So this one serves the
-- sweeper, whoever asks for states, and the end of a session.
CREATE INDEX standing_sweep ON standing (sweep_at);

-- How far the sweeper is, or was some seconds ago.
CREATE TABLE swept (at BIGINT NOT NULL);
INSERT INTO swept (at) VALUES (0);

-- Each of the two leads to the other: a message that is found to its row, a row to its message.
CREATE VIEW message AS SELECT
    kept.id, kept.parent, kept.kind, kept.source, kept.sender, kept.recipients, kept.accepted_at,
    kept.item_key, kept.content_digest, kept.trace, kept.envelope, kept.body, kept.native,
    kept.receipt, kept.shown, kept.number_folded, kept.document_id, standing.conversation,
    standing.application, standing.sequence, standing.urgency, standing.state,
    standing.changed_at, standing.next_at, standing.attempt, standing.tries, standing.driven,
    standing.session, standing.lease, standing.fault, standing.detail, standing.behind,
    standing.body_size, standing.sweep_at, standing.slot, standing.told_at
FROM kept JOIN standing ON standing.slot = kept.slot AND standing.id = kept.id;

-- Words of subjects, folded. Each database has its own index for words; both take the same words.
--sqlite CREATE VIRTUAL TABLE subject USING fts5 (words, id UNINDEXED, tokenize = 'ascii');
--postgres CREATE TABLE subject (words TSVECTOR NOT NULL, id {text} NOT NULL);
--postgres CREATE INDEX subject_words ON subject USING gin (words);

-- What happened, in the order written; never changed. A row holds what one commit tells, as entries
-- of the contract.
CREATE TABLE fact (
    position {number} PRIMARY KEY,
    entries {blob} NOT NULL
){whole};

-- What was not taken over: who, when, why; no content.
CREATE TABLE refusal (
    position {serial},
    application {text} NOT NULL,
    item_key {text} NOT NULL,
    at BIGINT NOT NULL,
    fault {blob} NOT NULL
);

-- Connected adapters; a closed session is gone.
CREATE TABLE session (
    id {text} PRIMARY KEY,
    application {text} NOT NULL,
    adapter {text} NOT NULL,
    receiver_class BIGINT NOT NULL,
    lease_ms BIGINT NOT NULL,
    opened_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX session_adapter ON session (application, adapter);
