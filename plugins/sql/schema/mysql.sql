-- Sessions of Cloakroom on MariaDB 10.6 or newer, or MySQL 8.0 or newer, version 1.
--
-- Moments are whole milliseconds since 1970-01-01T00:00:00Z: FROM_UNIXTIME(expires / 1000) shows one. What never
-- happens has 253402300799999, the end of the year 9999. docs/sql-store.md tells what each column means.
--
-- Keys are binary, so that they are compared byte by byte, with spaces at their ends. They hold UTF-8.

CREATE TABLE IF NOT EXISTS cloakroom_sessions (
    number        BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
    store         VARBINARY(255) NOT NULL,
    application   VARBINARY(1024) NOT NULL,
    id            VARBINARY(1024) NOT NULL,
    -- 0, or its number once it has expired and a new session has its key, or a sweep has it.
    ended         BIGINT NOT NULL DEFAULT 0,
    created       BIGINT NOT NULL,
    expires       BIGINT NOT NULL,
    -- Seconds; 0 is never.
    idle_timeout  BIGINT NOT NULL,
    latest_expiry BIGINT NOT NULL,
    locked        SMALLINT NOT NULL DEFAULT 0,
    lock_id       INT NOT NULL DEFAULT 1,
    locked_at     BIGINT NOT NULL DEFAULT 0,
    uninitialized SMALLINT NOT NULL DEFAULT 0,
    version       BIGINT NOT NULL DEFAULT 1,
    claimed_until BIGINT NOT NULL DEFAULT 0,
    subject       VARBINARY(1024),
    content_type  VARBINARY(1024),
    payload       LONGBLOB NOT NULL,
    UNIQUE KEY cloakroom_sessions_key (store, application, id, ended),
    KEY cloakroom_sessions_expires (store, expires),
    KEY cloakroom_sessions_subject (store, application, subject)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC;

CREATE TABLE IF NOT EXISTS cloakroom_schema (version INT NOT NULL PRIMARY KEY) ENGINE = InnoDB;

INSERT IGNORE INTO cloakroom_schema (version) VALUES (1);
