//! What is said to the database, in its dialect.
//!
//! The statements are written once, with words in braces that each dialect has its own expression for. They read the
//! clock of the database ({now}): a statement has one time from its beginning to its end.

use cloakroom_plugin_sdk::sql::Dialect;

/// What never happens happens at the end of the year 9999, so that `expires > now` is all there is to ask.
pub(crate) const NEVER: u64 = 253_402_300_799_999;

/// How long a claimed session is kept from other sweeps, milliseconds. If this host dies before it has reported the
/// session, another one does so then.
const LEASE: &str = "30000";

/// How many sessions are named in one statement of a sweep.
pub(crate) const BATCH: usize = 32;

/// The columns that are decided by, in the order in which [`Session`](crate::record::Session) reads them.
const DECIDING: &str = "{now}, number, expires, version, lock_id, locked, locked_at, uninitialized, created, \
                        idle_timeout, latest_expiry";

/// The columns that are answered besides.
const CONTENT: &str = "{subject}, {content_type}";

/// A line of a listing.
const LISTED: &str = "number, {application}, {id}, created, expires, version, locked, octet_length(payload), {subject}";

/// A claimed session.
const CLAIMED: &str = "cloakroom_sessions.number, {application}, {id}, uninitialized, version, created, idle_timeout, \
                       latest_expiry, expires, {subject}";

/// When a row expires that is touched now.
const SLID: &str =
    "{least}(latest_expiry, CASE WHEN idle_timeout = 0 THEN {never} ELSE {now} + idle_timeout * 1000 END)";

/// The same for a row that is stored with the parameters of [`STORE`], whose assignments MariaDB makes one by one: this
/// one is made first, and so sees the row as it was.
const STORED: &str = "{least}({least}(latest_expiry, $6), CASE WHEN $5 = 0 THEN {never} ELSE {now} + $5 * 1000 END)";

/// What a store writes: $1 payload, $2 media type, $3 subject, $4 whether the subject is written, $5 idle timeout,
/// $6 latest expiry, $7 whether a lock stays.
const STORE: &str = "UPDATE cloakroom_sessions SET expires = {stored}, latest_expiry = {least}(latest_expiry, $6), \
                     idle_timeout = $5, payload = $1, content_type = $2, \
                     subject = CASE WHEN $4 = 1 THEN $3 ELSE subject END, version = version + 1, uninitialized = 0, \
                     locked = CASE WHEN $7 = 1 THEN locked ELSE 0 END";

/// What has expired and nobody has claimed. $1 is the store.
const DUE: &str = "store = $1 AND expires <= {now} AND claimed_until <= {now}";

/// What taking a lock writes. $6 is the lock id.
const LOCK: &str = "locked = 1, lock_id = $6, locked_at = {now}, uninitialized = 0";

/// The statements of an instance. Those that are `None` need what the dialect does not have.
pub(crate) struct Statements {
    /// Reads what is decided by. Key.
    pub(crate) look: String,
    /// Reads a session; the payload only if it is unlocked. Key.
    pub(crate) read: String,
    /// Reads a session whole. Key.
    pub(crate) read_whole: String,
    /// Moves the expiry. $1 number.
    pub(crate) slide: String,
    /// Locks a session that can be, and reads it: 1 and the session. Where it cannot, PostgreSQL answers 0 and the session
    /// without its payload, and SQLite nothing. Key.
    pub(crate) lock_at_once: Option<String>,
    /// Locks a session, unless somebody is just writing to it. State, $6 lock id.
    pub(crate) lock_unless_busy: Option<String>,
    /// Locks a session. State, $6 lock id.
    pub(crate) lock: String,
    /// Notes that a session has been read. State.
    pub(crate) see: String,
    /// Unlocks a session that is locked by this lock id. Key, $4 lock id.
    pub(crate) unlock_at_once: String,
    /// Unlocks a session. State.
    pub(crate) unlock: String,
    /// Stores a session that may be, and tells its version. As [`STORE`], $8 to $10 key, $11 lock id or 0, $12 version or 0.
    pub(crate) store_at_once: Option<String>,
    /// Stores a session. As [`STORE`], $8 to $12 state.
    pub(crate) store: String,
    /// Inserts a session where there is none. $1 payload, $2 media type, $3 subject, $4 idle timeout, $5 latest expiry,
    /// $6 to $8 key, $9 uninitialized.
    pub(crate) insert: String,
    /// Makes room where a session has expired. Key.
    pub(crate) set_aside: String,
    /// Deletes a session that may be. Key, $4 lock id or 0.
    pub(crate) remove_at_once: String,
    /// Deletes a session. State.
    pub(crate) remove: String,
    /// Gives a session another ID that is free. State, $6 ID.
    pub(crate) rename: String,
    /// The sessions of a subject. $1 store, $2 application, $3 subject, $4 after which number, $5 how many.
    pub(crate) list: String,
    /// All sessions. $1 store, $2 after which number, $3 how many.
    pub(crate) scan: String,
    /// The sessions of an application. $1 store, $2 application, $3 after which number, $4 how many.
    pub(crate) scan_application: String,
    /// Finds sessions that have expired; claims them in the same breath, if `mark` is `None`. $1 store, $2 how many.
    pub(crate) claim: String,
    /// Claims sessions that were found, in the same transaction. [`BATCH`] numbers.
    pub(crate) mark: Option<String>,
    /// What a claimed session holds, while the claim is good. $1 number.
    pub(crate) content: String,
    /// Forgets claimed sessions. [`BATCH`] numbers.
    pub(crate) forget: String,
    /// Deletes sessions that have expired, unclaimed. $1 store, $2 how many.
    pub(crate) discard: String,
}

/// A session by its key, in three parameters from this one on.
fn key(first: usize) -> String {
    format!("store = ${first} AND application = ${} AND id = ${} AND ended = 0", first + 1, first + 2)
}

/// A session as it was found, in five parameters from this one on. Whoever takes the lock, releases it, stores or reads
/// for the first time changes one of these.
fn state(first: usize) -> String {
    format!(
        "number = ${first} AND ended = 0 AND version = ${} AND lock_id = ${} AND locked = ${} AND uninitialized = ${}",
        first + 1,
        first + 2,
        first + 3,
        first + 4
    )
}

impl Statements {
    pub(crate) fn new(dialect: Dialect) -> Self {
        let say = |text: &str| spoken(dialect, text);
        let (key, state) = (key(1), state(1));
        let is_mysql = dialect == Dialect::Mysql;
        let answers = |text: String| (!is_mysql).then_some(text);
        let update = "UPDATE cloakroom_sessions SET expires = {moved}";
        let select = |columns: &str, condition: &str| {
            say(&format!("SELECT {columns} FROM cloakroom_sessions WHERE {condition}"))
        };
        let listed = |condition: &str, number: &str, count: &str| {
            let condition = format!("{condition} AND ended = 0 AND expires > {{now}} AND number > {number}");
            select(LISTED, &format!("{condition} ORDER BY number LIMIT {count}"))
        };
        let numbers = (1..=BATCH).map(|place| format!("${place}")).collect::<Vec<_>>().join(", ");
        Self {
            look: select(DECIDING, &key),
            read: select(&format!("{DECIDING}, {CONTENT}, CASE WHEN locked = 0 THEN payload END"), &key),
            read_whole: select(&format!("{DECIDING}, {CONTENT}, payload"), &key),
            slide: say(&format!("{update} WHERE number = $1 AND ended = 0 AND expires > {{now}}")),
            lock_at_once: lock_at_once(dialect, &key),
            lock_unless_busy: (dialect == Dialect::Postgresql)
                .then(|| say(&format!("{update}, {LOCK} WHERE {}", unless_busy(dialect, &state)))),
            lock: say(&format!("{update}, {LOCK} WHERE {state}")),
            see: say(&format!("{update}, uninitialized = 0 WHERE {state}")),
            unlock_at_once: say(&format!(
                "{update}, locked = 0 WHERE {key} AND expires > {{now}} AND locked = 1 AND lock_id = $4 AND uninitialized = 0"
            )),
            unlock: say(&format!("{update}, locked = 0, uninitialized = 0 WHERE {state}")),
            store_at_once: answers(say(&format!(
                "{STORE} WHERE {} AND expires > {{now}} AND (locked = 0 OR lock_id = $11) AND ($12 = 0 OR version = $12) \
                 RETURNING version",
                self::key(8)
            ))),
            store: say(&format!("{STORE} WHERE {}", self::state(8))),
            insert: say(
                "{insert} INTO cloakroom_sessions (payload, content_type, subject, idle_timeout, latest_expiry, store, \
                 application, id, uninitialized, created, expires) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, {now}, \
                 {least}($5, CASE WHEN $4 = 0 THEN {never} ELSE {now} + $4 * 1000 END)) {or_nothing}",
            ),
            set_aside: say(&format!("UPDATE cloakroom_sessions SET ended = number WHERE {key} AND expires <= {{now}}")),
            remove_at_once: say(&format!(
                "DELETE FROM cloakroom_sessions WHERE {key} AND expires > {{now}} AND (locked = 0 OR lock_id = $4)"
            )),
            remove: format!("DELETE FROM cloakroom_sessions WHERE {state}"),
            rename: rename(dialect, &state),
            list: listed("store = $1 AND application = $2 AND subject = $3", "$4", "$5"),
            scan: listed("store = $1", "$2", "$3"),
            scan_application: listed("store = $1 AND application = $2", "$3", "$4"),
            claim: claim(dialect),
            mark: is_mysql.then(|| {
                say(&format!(
                    "UPDATE cloakroom_sessions SET ended = number, claimed_until = {{now}} + {LEASE} WHERE number IN ({numbers})"
                ))
            }),
            content: select("{content_type}, payload", "number = $1 AND claimed_until > {now}"),
            forget: format!("DELETE FROM cloakroom_sessions WHERE number IN ({numbers})"),
            discard: discard(dialect),
        }
    }
}

fn lock_at_once(dialect: Dialect, key: &str) -> Option<String> {
    let can_be = format!("{key} AND expires > {{now}} AND locked = 0 AND uninitialized = 0");
    let update = format!(
        "UPDATE cloakroom_sessions SET expires = {{moved}}, locked = 1, \
         lock_id = CASE WHEN lock_id < 2147483647 THEN lock_id + 1 ELSE 2 END, locked_at = {{now}} WHERE {} \
         RETURNING 1, {DECIDING}, {CONTENT}, payload",
        unless_busy(dialect, &can_be)
    );
    match dialect {
        Dialect::Postgresql => Some(spoken(
            dialect,
            &format!(
                "WITH taken AS ({update}) SELECT * FROM taken UNION ALL SELECT 0, {DECIDING}, {CONTENT}, NULL::bytea \
                 FROM cloakroom_sessions WHERE {key} AND NOT EXISTS (SELECT 1 FROM taken)"
            ),
        )),
        Dialect::Sqlite => Some(spoken(dialect, &update)),
        Dialect::Mysql => None,
    }
}

/// A condition on one row that does not wait for whoever is just writing to it, where waiting costs more than looking
/// again. On PostgreSQL an UPDATE that has waited locks the row before it finds that it has nothing to do with it, and
/// keeps it locked until that is on the disk: of many who want a session's lock each would hold up the one who has it.
fn unless_busy(dialect: Dialect, condition: &str) -> String {
    match dialect {
        Dialect::Postgresql => {
            format!("number = (SELECT number FROM cloakroom_sessions WHERE {condition} FOR NO KEY UPDATE SKIP LOCKED)")
        }
        Dialect::Mysql | Dialect::Sqlite => condition.to_owned(),
    }
}

fn rename(dialect: Dialect, state: &str) -> String {
    let set = format!("SET expires = {{moved}}, id = $6 WHERE {state}");
    spoken(
        dialect,
        &match dialect {
            Dialect::Postgresql => format!(
                "UPDATE cloakroom_sessions {set} AND NOT EXISTS (SELECT 1 FROM cloakroom_sessions AS other WHERE \
             other.store = cloakroom_sessions.store AND other.application = cloakroom_sessions.application AND \
             other.id = $6 AND other.ended = 0)"
            ),
            // Where the ID is taken it is an error. Ignored, it would count as a row that was found, and so as done.
            Dialect::Mysql => format!("UPDATE cloakroom_sessions {set}"),
            Dialect::Sqlite => format!("UPDATE OR IGNORE cloakroom_sessions {set}"),
        },
    )
}

fn claim(dialect: Dialect) -> String {
    let marked =
        format!("UPDATE cloakroom_sessions SET ended = cloakroom_sessions.number, claimed_until = {{now}} + {LEASE}");
    let due = format!("{DUE} ORDER BY expires LIMIT $2");
    spoken(
        dialect,
        &match dialect {
            Dialect::Postgresql => format!(
                "WITH due AS MATERIALIZED (SELECT number FROM cloakroom_sessions WHERE {due} FOR UPDATE SKIP LOCKED) \
             {marked} FROM due WHERE cloakroom_sessions.number = due.number RETURNING {CLAIMED}"
            ),
            Dialect::Mysql => format!("SELECT {CLAIMED} FROM cloakroom_sessions WHERE {due} FOR UPDATE SKIP LOCKED"),
            Dialect::Sqlite => format!(
                "UPDATE cloakroom_sessions SET ended = number, claimed_until = {{now}} + {LEASE} WHERE number IN \
             (SELECT number FROM cloakroom_sessions WHERE {due}) RETURNING {CLAIMED}"
            ),
        },
    )
}

fn discard(dialect: Dialect) -> String {
    let due = format!("{DUE} ORDER BY expires LIMIT $2");
    spoken(
        dialect,
        &match dialect {
            Dialect::Postgresql => format!(
                "WITH due AS MATERIALIZED (SELECT number FROM cloakroom_sessions WHERE {due} FOR UPDATE SKIP LOCKED) \
             DELETE FROM cloakroom_sessions USING due WHERE cloakroom_sessions.number = due.number"
            ),
            Dialect::Mysql => format!("DELETE FROM cloakroom_sessions WHERE {due}"),
            Dialect::Sqlite => format!(
                "DELETE FROM cloakroom_sessions WHERE number IN (SELECT number FROM cloakroom_sessions WHERE {due})"
            ),
        },
    )
}

/// A statement with the words of a dialect in it.
fn spoken(dialect: Dialect, text: &str) -> String {
    // Not by less than a second, which saves a busy session a write to the index; and never beyond what is allowed.
    let moved = "CASE WHEN {new} < expires OR {new} >= expires + 1000 THEN {new} ELSE expires END";
    let mut text =
        text.replace("{moved}", &moved.replace("{new}", SLID)).replace("{stored}", &moved.replace("{new}", STORED));
    let (now, least) = match dialect {
        Dialect::Postgresql => ("(extract(epoch FROM statement_timestamp()) * 1000)::bigint", "LEAST"),
        Dialect::Mysql => ("(TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000)", "LEAST"),
        // Seconds with a fraction that is not exact.
        Dialect::Sqlite => ("CAST(unixepoch('subsec') * 1000 + 0.5 AS INTEGER)", "MIN"),
    };
    for column in ["application", "id", "subject", "content_type"] {
        let named = format!("{{{column}}}");
        // Columns of text are binary there.
        let column =
            if dialect == Dialect::Mysql { format!("CONVERT({column} USING utf8mb4)") } else { column.to_owned() };
        text = text.replace(&named, &column);
    }
    let (insert, or_nothing) = match dialect {
        Dialect::Mysql => ("INSERT IGNORE", ""),
        Dialect::Postgresql | Dialect::Sqlite => ("INSERT", "ON CONFLICT DO NOTHING"),
    };
    text.replace("{insert}", insert)
        .replace("{or_nothing}", or_nothing)
        .replace("{now}", now)
        .replace("{least}", least)
        .replace("{never}", &NEVER.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(dialect: Dialect) -> Vec<String> {
        let Statements {
            look,
            read,
            read_whole,
            slide,
            lock_at_once,
            lock_unless_busy,
            lock,
            see,
            unlock_at_once,
            unlock,
            store_at_once,
            store,
            insert,
            set_aside,
            remove_at_once,
            remove,
            rename,
            list,
            scan,
            scan_application,
            claim,
            mark,
            content,
            forget,
            discard,
        } = Statements::new(dialect);
        let always = [
            look,
            read,
            read_whole,
            slide,
            lock,
            see,
            unlock_at_once,
            unlock,
            store,
            insert,
            set_aside,
            remove_at_once,
            remove,
            rename,
            list,
            scan,
            scan_application,
            claim,
            content,
            forget,
            discard,
        ];
        always.into_iter().chain([lock_at_once, lock_unless_busy, store_at_once, mark].into_iter().flatten()).collect()
    }

    #[test]
    fn no_word_is_left_that_a_database_would_not_know() {
        for dialect in [Dialect::Postgresql, Dialect::Mysql, Dialect::Sqlite] {
            for statement in all(dialect) {
                assert!(!statement.contains(['{', '}']), "{statement}");
            }
        }
    }

    #[test]
    fn what_only_some_databases_answer_is_asked_of_them_only() {
        for statement in all(Dialect::Mysql) {
            assert!(!statement.contains("RETURNING"), "{statement}");
        }
    }
}
