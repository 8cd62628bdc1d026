-- A message is two rows: `message_row` holds its content and is written once, `delivery_state`
-- holds its progress and is written at every step. So a step never copies a body, and reads only
-- the smaller row. Empty text and 0 stand for "none": no column is nullable.

-- Content of a message, submitted or derived.
CREATE TABLE message_row (
    id {text} PRIMARY KEY,
    -- The row of `delivery_state` that belongs to this message.
    row_id BIGINT NOT NULL,
    parent {text} NOT NULL,
    message_type BIGINT NOT NULL,
    source {text} NOT NULL,
    sender {text} NOT NULL,
    recipients {text} NOT NULL,
    accepted_at BIGINT NOT NULL,
    -- The application's own key.
    item_key {text} NOT NULL,
    -- Digests (hex) by which a repeat is recognised: of what the sender said, of the same without the
    -- bytes of uploads, and of the canonical content. Only the first message with a content has them.
    submission_digest {text} NOT NULL,
    outline_digest {text} NOT NULL,
    content_digest {text} NOT NULL,
    -- The first message with this content, which this submitted message sends again; the generation
    -- counts those that the sender submitted again, and is 0 for the first and an operator's copies.
    copy_of {text} NOT NULL,
    generation BIGINT NOT NULL,
    trace_id {text} NOT NULL,
    -- Search keys, folded.
    number_folded {text} NOT NULL,
    document_id {text} NOT NULL,
    -- Encoded contract messages: Envelope, Index, Receipt, Body, Body. The large ones come last, so
    -- that reading the others does not read past them.
    envelope {blob} NOT NULL,
    search_index {blob} NOT NULL,
    receipt {blob} NOT NULL,
    body {blob} NOT NULL,
    native {blob} NOT NULL
){uncompressed};

-- The keys lead to the first message with a content, and `copy_of` from there to the others.
CREATE UNIQUE INDEX message_row_key ON message_row (source, item_key)
    WHERE item_key <> '' AND generation = 0;
-- Not unique: the same bytes may have been submitted as two different formats.
CREATE INDEX message_row_submission ON message_row (sender, submission_digest)
    WHERE submission_digest <> '';
CREATE INDEX message_row_copy ON message_row (copy_of) WHERE copy_of <> '';
CREATE UNIQUE INDEX message_row_content ON message_row (sender, content_digest)
    WHERE content_digest <> '';
CREATE INDEX message_row_number ON message_row (number_folded) WHERE number_folded <> '';
-- In the order of acceptance, so that the newest of a sender is one look-up however many there are.
CREATE INDEX message_row_document ON message_row (document_id, sender, accepted_at)
    WHERE document_id <> '';
CREATE INDEX message_row_trace ON message_row (trace_id) WHERE trace_id <> '';
CREATE INDEX message_row_accepted ON message_row (accepted_at, id);

-- Further keys under which the same content was submitted again.
CREATE TABLE key_alias (
    source {text} NOT NULL,
    item_key {text} NOT NULL,
    message_id {text} NOT NULL,
    PRIMARY KEY (source, item_key)
){clustered};

-- Further digests of submissions and contents that were answered as repeats: after a change of the
-- registry or of a description, what was said then still leads to the message.
CREATE TABLE digest_alias (
    sender {text} NOT NULL,
    digest {text} NOT NULL,
    message_id {text} NOT NULL,
    PRIMARY KEY (sender, digest, message_id)
){clustered};

-- Sender and recipients of a submitted message. The key is the order of the pages that Find returns
-- for one organisation.
CREATE TABLE message_party (
    organisation {text} NOT NULL,
    party_at BIGINT NOT NULL,
    message_id {text} NOT NULL,
    PRIMARY KEY (organisation, party_at, message_id)
){clustered};

-- Progress of a message. The writer numbers the rows in ascending order: a growing key is appended
-- to its index, and is cheaper to look up than an id.
CREATE TABLE delivery_state (
    row_id {number} PRIMARY KEY,
    -- Copies of columns of `message_row`, so that a step reads one row.
    id {text} NOT NULL,
    parent {text} NOT NULL,
    recipients {text} NOT NULL,
    accepted_at BIGINT NOT NULL,
    -- Bytes of the body; 0: the body is still missing.
    body_size BIGINT NOT NULL,
    conversation {text} NOT NULL,
    -- The receiving application; empty before routing.
    application {text} NOT NULL,
    sequence BIGINT NOT NULL,
    urgency BIGINT NOT NULL,
    state BIGINT NOT NULL,
    changed_at BIGINT NOT NULL,
    -- When the next step is due; 0: never.
    due_at BIGINT NOT NULL,
    -- When the sweeper reads this row: not later than `due_at`. A step leaves the column unchanged
    -- where it can, and then no index is written. States that wait for an operator, and terminal
    -- states other than taken, are stored here as a negative number.
    sweep_at BIGINT NOT NULL,
    attempt BIGINT NOT NULL DEFAULT 0,
    -- Tries since the schedule began; a redrive starts it again.
    tries BIGINT NOT NULL,
    -- How often it was published since it last made progress.
    publishes BIGINT NOT NULL DEFAULT 0,
    session {text} NOT NULL DEFAULT '',
    lease BIGINT NOT NULL DEFAULT 0,
    fault {blob} NOT NULL,
    detail {text} NOT NULL DEFAULT '',
    -- The earlier message of its conversation that a held message waits for.
    blocked_by {text} NOT NULL DEFAULT '',
    -- Delivery reports written about it; above 0 its sender was told that it did not arrive.
    reports BIGINT NOT NULL,
    -- Positions of the rows in `fact` that hold this message's facts.
    fact_positions {blob} NOT NULL
){updated};

-- A derived message has the sequence of its parent.
CREATE INDEX delivery_state_conversation ON delivery_state (conversation, application, sequence);
-- Every non-terminal row has `sweep_at` above the watermark, so one range scan finds them all: the
-- index serves the sweeper, searches by state and the closing of a session.
CREATE INDEX delivery_state_sweep ON delivery_state (sweep_at);

-- The sweeper's watermark, at most ten seconds old.
CREATE TABLE sweep_watermark (at BIGINT NOT NULL);
INSERT INTO sweep_watermark (at) VALUES (0);

-- The join runs by index in both directions: from a found message to its progress, and back.
CREATE VIEW message AS SELECT
    message_row.id, message_row.parent, message_row.message_type, message_row.source,
    message_row.sender, message_row.recipients, message_row.accepted_at, message_row.item_key,
    message_row.copy_of, message_row.generation, message_row.trace_id, message_row.envelope, message_row.body,
    message_row.native, message_row.receipt, message_row.search_index, message_row.number_folded,
    message_row.document_id, delivery_state.conversation, delivery_state.application,
    delivery_state.sequence, delivery_state.urgency, delivery_state.state,
    delivery_state.changed_at, delivery_state.due_at, delivery_state.attempt, delivery_state.tries,
    delivery_state.publishes, delivery_state.session, delivery_state.lease, delivery_state.fault,
    delivery_state.detail, delivery_state.blocked_by, delivery_state.body_size,
    delivery_state.sweep_at, delivery_state.row_id, delivery_state.reports,
    delivery_state.fact_positions
FROM message_row JOIN delivery_state
    ON delivery_state.row_id = message_row.row_id AND delivery_state.id = message_row.id;

-- Folded words of numbers, subjects, issuers, signers and file names. Each database has its own full-text index; both hold the same words.
--sqlite CREATE VIRTUAL TABLE subject USING fts5 (words, id UNINDEXED, tokenize = 'ascii');
--postgres CREATE TABLE subject (words TSVECTOR NOT NULL, id {text} NOT NULL);
--postgres CREATE INDEX subject_words ON subject USING gin (words);

-- Facts in the order written; never changed. A row holds the facts of one commit, as an encoded
-- RecordRequest.
CREATE TABLE fact (
    position {number} PRIMARY KEY,
    entries {blob} NOT NULL
){uncompressed};

-- Items that were refused before they became messages: who, when, why; no content. One row holds
-- all refusals of an item for one reason on one day.
CREATE TABLE refusal (
    -- UUID of application, code, day, and the item's key, number or digest.
    identity {text} PRIMARY KEY,
    application {text} NOT NULL,
    organisation {text} NOT NULL,
    item_key {text} NOT NULL,
    number_folded {text} NOT NULL,
    code {text} NOT NULL,
    first_at BIGINT NOT NULL,
    last_at BIGINT NOT NULL,
    count BIGINT NOT NULL,
    -- Encoded Refusal.
    details {blob} NOT NULL
);

CREATE INDEX refusal_last ON refusal (last_at, identity);
CREATE INDEX refusal_application ON refusal (application, last_at, identity);
CREATE INDEX refusal_organisation ON refusal (organisation, last_at, identity);
CREATE INDEX refusal_code ON refusal (code, last_at, identity);
CREATE INDEX refusal_key ON refusal (item_key) WHERE item_key <> '';
CREATE INDEX refusal_number ON refusal (number_folded) WHERE number_folded <> '';

-- Sessions of connected adapters; closing a session deletes its row.
CREATE TABLE session (
    id {text} PRIMARY KEY,
    application {text} NOT NULL,
    adapter {text} NOT NULL,
    receiver_class BIGINT NOT NULL,
    lease_ms BIGINT NOT NULL,
    opened_at BIGINT NOT NULL,
    adapter_version {text} NOT NULL,
    -- IP address that the adapter connected from.
    address {text} NOT NULL,
    -- The gateway that holds it, and when that last said so.
    gateway {text} NOT NULL,
    renewed_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX session_adapter ON session (application, adapter);
CREATE INDEX session_renewed ON session (renewed_at);

-- Pauses in force: what waits, by kind and name of the target.
CREATE TABLE pause (
    kind BIGINT NOT NULL,
    name {text} NOT NULL,
    reason {text} NOT NULL,
    actor {text} NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (kind, name)
){clustered};
