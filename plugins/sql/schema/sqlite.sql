-- Sessions of Cloakroom on SQLite 3.43 or newer, version 1.
--
-- Moments are whole milliseconds since 1970-01-01T00:00:00Z: datetime(expires / 1000, 'unixepoch') shows one. What never
-- happens has 253402300799999, the end of the year 9999. docs/sql-store.md tells what each column means.

CREATE TABLE IF NOT EXISTS cloakroom_sessions (
    number        INTEGER PRIMARY KEY AUTOINCREMENT,
    store         TEXT NOT NULL,
    application   TEXT NOT NULL,
    id            TEXT NOT NULL,
    -- 0, or its number once it has expired and a new session has its key, or a sweep has it.
    ended         INTEGER NOT NULL DEFAULT 0,
    created       INTEGER NOT NULL,
    expires       INTEGER NOT NULL,
    -- Seconds; 0 is never.
    idle_timeout  INTEGER NOT NULL,
    latest_expiry INTEGER NOT NULL,
    locked        INTEGER NOT NULL DEFAULT 0,
    lock_id       INTEGER NOT NULL DEFAULT 1,
    locked_at     INTEGER NOT NULL DEFAULT 0,
    uninitialized INTEGER NOT NULL DEFAULT 0,
    version       INTEGER NOT NULL DEFAULT 1,
    claimed_until INTEGER NOT NULL DEFAULT 0,
    subject       TEXT,
    content_type  TEXT,
    payload       BLOB NOT NULL,
    UNIQUE (store, application, id, ended)
) STRICT;

CREATE INDEX IF NOT EXISTS cloakroom_sessions_expires ON cloakroom_sessions (store, expires);

CREATE INDEX IF NOT EXISTS cloakroom_sessions_subject ON cloakroom_sessions (store, application, subject, number)
    WHERE subject IS NOT NULL;

CREATE TABLE IF NOT EXISTS cloakroom_schema (version INTEGER NOT NULL PRIMARY KEY) STRICT;

INSERT INTO cloakroom_schema (version) VALUES (1) ON CONFLICT DO NOTHING;
