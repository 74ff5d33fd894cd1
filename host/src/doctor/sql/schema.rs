//! The tables of the plugin `sql`: whether they are there, in which version, and what may be done with them.

use sqlx::Error;

use super::{Notes, cause};
use crate::{config::StoreConfig, doctor::Users};

/// What the plugin does with its rows, on none of them.
const STATEMENTS: [(&str, &str); 4] = [
    ("SELECT", "SELECT version FROM cloakroom_sessions WHERE 1 = 0"),
    ("INSERT", "INSERT INTO cloakroom_sessions SELECT * FROM cloakroom_sessions WHERE 1 = 0"),
    ("UPDATE", "UPDATE cloakroom_sessions SET version = version WHERE 1 = 0"),
    ("DELETE", "DELETE FROM cloakroom_sessions WHERE 1 = 0"),
];

/// A kind of database, as `cloakroom sql schema` calls it, and its tables.
pub(super) struct Dialect {
    pub(super) name: &'static str,
    pub(super) definition: &'static str,
}

pub(super) const POSTGRESQL: Dialect =
    Dialect { name: "postgresql", definition: include_str!("../../../../plugins/sql/schema/postgresql.sql") };

pub(super) const MYSQL: Dialect =
    Dialect { name: "mysql", definition: include_str!("../../../../plugins/sql/schema/mysql.sql") };

pub(super) const SQLITE: Dialect =
    Dialect { name: "sqlite", definition: include_str!("../../../../plugins/sql/schema/sqlite.sql") };

/// A database that can be asked.
pub(super) trait Asked {
    /// Whether there is a table of this name.
    async fn has_table(&mut self, name: &str) -> Result<bool, Error>;

    /// The number that a statement answers.
    async fn number(&mut self, statement: &'static str) -> Result<Option<i64>, Error>;

    /// Runs a statement.
    async fn run(&mut self, statement: &'static str) -> Result<(), Error>;

    /// Whether its user may make tables.
    async fn may_create(&mut self) -> Result<bool, Error>;
}

/// Looks at the tables of a connection that stores use.
pub(super) async fn examine(notes: &mut Notes, dialect: &Dialect, database: &mut impl Asked, users: &Users<'_>) {
    if users.is_empty() {
        return notes.ok("schema", "no store of the plugin `sql` uses it, so its tables are not looked at");
    }
    let by_hand = format!("run what `cloakroom sql schema --dialect {}` prints", dialect.name);
    let keeps_off = |store: &StoreConfig| store.settings.get("migrate").is_some_and(|migrate| migrate == "false");
    let is_made_by_others = users.iter().all(|(_, store)| keeps_off(store));
    let newest = version_of(dialect.definition);
    let found = match version(database).await {
        Ok(found) => found,
        Err(error) => {
            return notes.error("schema", format!("its tables cannot be looked at: {}", cause(&error)), by_hand);
        }
    };
    match found {
        Some(found) if found > newest => {
            let what = format!("its tables have version {found}, and this host knows {newest}");
            return notes.error("schema", what, "use a newer Cloakroom");
        }
        Some(found) if found == newest => notes.ok("schema", format!("its tables have version {found}")),
        found => {
            let what = match found {
                Some(found) => format!("its tables have version {found} and have to have {newest}"),
                None => "it has no tables for sessions".to_owned(),
            };
            if is_made_by_others {
                return notes.error("schema", format!("{what}, and `migrate` is false"), by_hand);
            }
            match database.may_create().await {
                Ok(true) if found.is_none() => {
                    return notes.ok("schema", format!("{what}; the first host that needs them makes them"));
                }
                Ok(true) => {
                    let remedy = "hosts of this version change them when they first need them: have no older ones left";
                    notes.warning("schema", what, remedy);
                }
                Ok(false) => {
                    let remedy = format!("grant it the right to, or {by_hand} as somebody who has it");
                    return notes.error("schema", format!("{what}, and its user may not make any"), remedy);
                }
                Err(error) => {
                    return notes.warning(
                        "schema",
                        format!("{what}; may its user make any? {}", cause(&error)),
                        by_hand,
                    );
                }
            }
        }
    }
    rights(notes, database).await;
}

/// The version of the tables; nothing if there are none.
async fn version(database: &mut impl Asked) -> Result<Option<i64>, Error> {
    if !database.has_table("cloakroom_schema").await? || !database.has_table("cloakroom_sessions").await? {
        return Ok(None);
    }
    database.number("SELECT max(version) FROM cloakroom_schema").await
}

async fn rights(notes: &mut Notes, database: &mut impl Asked) {
    let mut refused = Vec::new();
    for (right, statement) in STATEMENTS {
        if let Err(error) = database.run(statement).await {
            refused.push(format!("{right}: {}", cause(&error)));
        }
    }
    if refused.is_empty() {
        notes.ok("rights", "its user may read and write sessions");
    } else {
        let remedy = "grant it SELECT, INSERT, UPDATE and DELETE on `cloakroom_sessions`";
        notes.error("rights", format!("its user may not do all that is needed: {}", refused.join(", ")), remedy);
    }
}

/// The version that a definition makes.
fn version_of(definition: &str) -> i64 {
    let inserted = definition.split("INTO cloakroom_schema (version) VALUES (").skip(1);
    inserted.filter_map(|rest| rest.split(')').next()?.trim().parse().ok()).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_that_of_the_plugins_tables() {
        for dialect in [POSTGRESQL, MYSQL, SQLITE] {
            let title = dialect.definition.lines().next().expect("a title");
            assert!(title.ends_with(&format!("version {}.", version_of(dialect.definition))), "{title}");
        }
    }
}
