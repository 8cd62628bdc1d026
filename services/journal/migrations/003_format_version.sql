-- Every version of a format's description that was ever in force. A row is never changed or deleted:
-- a message names the version that read or wrote it by its hash.
CREATE TABLE format_version (
    -- SHA-256 (hex) of the description.
    hash {text} PRIMARY KEY,
    name {text} NOT NULL,
    version BIGINT NOT NULL,
    -- 1: shipped with the product; 0: loaded from a folder.
    shipped BIGINT NOT NULL,
    first_seen BIGINT NOT NULL,
    description {blob} NOT NULL
);
CREATE INDEX format_version_name ON format_version (name, version);
CREATE INDEX format_version_seen ON format_version (first_seen, hash);
