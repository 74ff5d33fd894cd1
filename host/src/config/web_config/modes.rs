//! What each mode of `<sessionState>` becomes.

use super::{
    Fault, Translator,
    connection::{StateServer, sql_without_secrets},
    draft::{DraftRedis, DraftStore},
    providers::{self, Kind, Provider},
    redis::Redis,
    session_state::{Mode, SessionState},
    xml::{Attribute, Section, WebConfig},
};
use crate::config::document::quoted;

/// Where the stock State Server client looks if it is told nothing.
const DEFAULT_STATE_SERVER: &str = "tcpip=loopback:42424";
/// What a memory store keeps, for those who come from a database.
const MEMORY: &str = "The store made here keeps sessions in the host's memory, and on disk over a planned restart.";

/// Adds to the store and to the draft what the mode says.
pub(super) fn carry_over(work: &mut Translator<'_>, section: &Section, state: &SessionState, store: &mut DraftStore) {
    match state.mode {
        Mode::Off => off(work, state, store),
        Mode::InProc => in_proc(work, state),
        Mode::StateServer => state_server(work, state),
        Mode::SqlServer => sql_server(work, state, store),
        Mode::Custom => {
            if let Some(provider) = providers::chosen(section, state, &mut work.faults) {
                custom(work, state, &provider, store);
            }
        }
    }
}

fn off(work: &mut Translator<'_>, state: &SessionState, store: &mut DraftStore) {
    store.notes.push("The application keeps no sessions (mode=\"Off\"), so it does not use this store.".into());
    let reason = "The application keeps no sessions, so there is nothing to carry over.";
    work.remarks.add(
        state.line,
        "mode=\"Off\"",
        reason,
        "Use Cloakroom for it only once the application has sessions.",
    );
}

fn in_proc(work: &mut Translator<'_>, state: &SessionState) {
    let reason = "Sessions lived in the web server's own process. Out of process, ASP.NET serializes what is in a \
                  session and no longer raises Session_End in global.asax.";
    let advice = "Mark the types that are kept in sessions [Serializable], and move what Session_End did; Cloakroom \
                  tells of ended sessions itself.";
    work.remarks.add(state.line, "mode=\"InProc\"", reason, advice);
}

fn state_server(work: &mut Translator<'_>, state: &SessionState) {
    let attribute = state.written("stateConnectionString");
    let written = attribute.map_or(DEFAULT_STATE_SERVER, |attribute| &attribute.value);
    let line = attribute.map_or(state.line, |attribute| attribute.line);
    match StateServer::parse(written) {
        Ok(server) => {
            if let Err(first) = work.draft.listen(&server) {
                let reason = format!("Cloakroom listens in one place, and that is {first} already.");
                let what = format!("stateConnectionString=\"{written}\"");
                work.remarks.add(line, what, reason, "Change this application's stateConnectionString to that.");
            }
        }
        Err(message) => work.faults.push(Fault {
            line: Some(line),
            what: "sessionState stateConnectionString".into(),
            // Anything else could be another connection string in the wrong place, with a password in it.
            value: written.starts_with("tcpip=").then(|| format!("\"{}\"", written.escape_debug())),
            message,
        }),
    }
}

fn sql_server(work: &mut Translator<'_>, state: &SessionState, store: &mut DraftStore) {
    let attribute = state.written("sqlConnectionString");
    let written = attribute.map_or("data source=localhost;Integrated Security=SSPI", |attribute| &attribute.value);
    // It may name an entry of <connectionStrings>.
    let text = work.config.connection_strings.get(written).map_or(written, |entry| &entry.value);
    let custom_database =
        state.written("allowCustomSqlDatabase").is_some_and(|flag| flag.value.trim().eq_ignore_ascii_case("true"));
    sql_section(text, (!custom_database).then_some("ASPState"), store);
    let reason = format!("{NO_SQL_SERVER} {MEMORY}");
    work.remarks.add(attribute.map_or(state.line, |attribute| attribute.line), "mode=\"SQLServer\"", reason, SECTION);
}

fn custom(work: &mut Translator<'_>, state: &SessionState, provider: &Provider<'_>, store: &mut DraftStore) {
    let (reason, advice) = match provider.kind {
        Kind::MicrosoftRedis | Kind::HarbourRedis => {
            if provider.kind == Kind::MicrosoftRedis {
                microsoft_redis(work, provider, store);
            } else {
                harbour_redis(provider, store);
            }
            if store.redis.is_some() {
                (KEPT.to_owned(), KEPT_ADVICE)
            } else {
                (format!("{NOT_KEPT} {MEMORY}"), SECTION)
            }
        }
        Kind::AsyncSql | Kind::Universal => {
            named_sql(work, provider, store);
            (format!("{NO_SQL_SERVER} {MEMORY}"), SECTION)
        }
        Kind::AsyncCosmos => (format!("Cloakroom has no provider for Cosmos DB. {MEMORY}"), WRITE_ONE),
        Kind::Unknown => (format!("Cloakroom does not know this provider. {MEMORY}"), WRITE_ONE),
    };
    let what = format!("customProvider: {}", provider.type_name.escape_debug());
    work.remarks.add(provider.add.line, what, reason, advice);
    let line = state.written("customProvider").map_or(state.line, |attribute| attribute.line);
    let reason = "The application speaks to Cloakroom as to a State Server, not through a provider of its own.";
    work.remarks.add(
        line,
        "<providers>",
        reason,
        "Remove it with `customProvider`, as the head of the new file shows.",
    );
    let carried = carried(provider.kind);
    let is_told = |name: &str| carried.contains(&name) || (name == "applicationName" && store.redis.is_some());
    for attribute in provider.add.attributes.iter().filter(|attribute| !is_told(&attribute.name)) {
        provider_attribute(work, attribute);
    }
}

const NO_SQL_SERVER: &str =
    "The provider `sql` keeps sessions in PostgreSQL, MariaDB, MySQL or SQLite, and not in Microsoft SQL Server.";
const KEPT: &str = "Sessions stay on Redis as this provider keeps them, but for what they cannot have there: no end of a \
                    session is reported unless it is removed.";
const KEPT_ADVICE: &str = "See docs/redis-store.md, also for moving over one web server at a time.";
const NOT_KEPT: &str = "The provider `redis` can keep sessions as this one does, but not over TLS in this version, and not as \
                        a serializer of the application's own writes them.";
const SECTION: &str = "Try it so; or use the section for the server, which the new file has, commented out.";
const WRITE_ONE: &str = "Try it so; a provider for another back end is a plugin that anyone can write.";

/// The attributes that the section for the server tells, which need no remark.
fn carried(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::MicrosoftRedis => &["name", "type", "host", "port", "accessKey", "ssl", "databaseId", "connectionString"],
        Kind::HarbourRedis => &["name", "type", "host"],
        Kind::AsyncSql | Kind::Universal => &["name", "type", "connectionStringName"],
        Kind::AsyncCosmos | Kind::Unknown => &["name", "type"],
    }
}

/// Remarks name attributes and never show their values: what an unknown provider keeps in them is not known.
fn provider_attribute(work: &mut Translator<'_>, attribute: &Attribute) {
    let (reason, advice) = match attribute.name.as_str() {
        "applicationName" => (
            "It keeps applications apart in Redis. A State Server client names its application itself, by its path in \
             IIS.",
            "For applications that share sessions, give them one name in [state_server.applications].",
        ),
        "operationTimeoutInMilliseconds" | "connectionTimeoutInMilliseconds" | "retryTimeoutInMilliseconds" => (
            "It is how long the application's provider tries to reach its server.",
            "The State Server client has `stateNetworkTimeout` (seconds) for that, in web.config.",
        ),
        "throwOnError" => (
            "The State Server client always fails the request if it cannot reach its server.",
            "Nothing to do, unless the application relied on throwOnError=\"false\".",
        ),
        "redisSerializerType" => (
            "The State Server client serializes with BinaryFormatter only.",
            "Types that only that serializer could write must be made [Serializable].",
        ),
        "compressionEnabled" => (
            "To Cloakroom a session is a sequence of bytes, compressed or not.",
            "Write compressionEnabled into <sessionState> if sessions should go on being compressed.",
        ),
        "settingsClassName" | "settingsMethodName" => (
            "The application computes its connection in code, which this command cannot see.",
            "Look up there which server it is, and write it into the commented-out section.",
        ),
        _ => ("It configures that provider only.", "Nothing to do."),
    };
    work.remarks.add(attribute.line, format!("provider attribute `{}`", attribute.name), reason, advice);
}

fn microsoft_redis(work: &mut Translator<'_>, provider: &Provider<'_>, store: &mut DraftStore) {
    // Every value of this provider may be the key of an appSetting that has the value itself.
    let value = |name: &str| {
        provider.add.value(name).filter(|value| !value.is_empty()).map(|value| app_setting(work.config, value))
    };
    let mut redis = match value("connectionString") {
        Some(text) => Redis::parse(work.config.connection_strings.get(text).map_or(text, |entry| &entry.value)),
        None => Redis { tls: value("ssl").is_some_and(|ssl| ssl.eq_ignore_ascii_case("true")), ..Redis::default() },
    };
    redis.password |= value("accessKey").is_some();
    let default_port = if redis.tls { 6380 } else { 6379 };
    let port = number(work.config, provider, "port", 1..=65_535, &mut work.faults);
    let database = number(work.config, provider, "databaseId", 0..=u32::MAX, &mut work.faults);
    if redis.addresses.is_empty() {
        let port = port.and_then(|port| u16::try_from(port).ok()).unwrap_or(default_port);
        redis.add_server(value("host").unwrap_or("localhost"), port);
    }
    redis.database = database.unwrap_or(redis.database);
    let application = value("applicationName");
    if value("redisSerializerType").is_some() {
        redis_section(&redis, "microsoft", application.unwrap_or("/"), store);
        store.shared_as = application.map(str::to_owned);
        return;
    }
    let mut notes = vec!["As version 5 of Microsoft.Web.RedisSessionStateProvider keeps sessions.".to_owned()];
    if application.is_none() {
        notes.push(
            "That provider calls an application by its virtual path where applicationName says nothing: write into \
             `application` what comes before the session IDs in the names of the keys."
                .to_owned(),
        );
    }
    keep_on_redis(&redis, "microsoft", application.unwrap_or("/"), notes, store);
}

/// A whole number in an attribute, or a fault.
fn number(
    config: &WebConfig,
    provider: &Provider<'_>,
    name: &str,
    allowed: std::ops::RangeInclusive<u32>,
    faults: &mut Vec<Fault>,
) -> Option<u32> {
    let attribute = provider.add.attribute(name).filter(|attribute| !attribute.value.is_empty())?;
    let number = app_setting(config, &attribute.value).trim().parse().ok().filter(|number| allowed.contains(number));
    if number.is_none() {
        faults.push(Fault {
            line: Some(attribute.line),
            what: format!("provider {name}"),
            value: None,
            message: format!("allowed are whole numbers from {} to {}", allowed.start(), allowed.end()),
        });
    }
    number
}

fn app_setting<'v>(config: &'v WebConfig, value: &'v str) -> &'v str {
    config.app_settings.get(value).map_or(value, |entry| &entry.value)
}

fn harbour_redis(provider: &Provider<'_>, store: &mut DraftStore) {
    let mut redis = Redis::default();
    redis.add_server(provider.add.value("host").unwrap_or("localhost"), 6379);
    let name = provider.add.value("name").unwrap_or("AspNetSession");
    let notes = vec!["As version 1.4 of Harbour.RedisSessionStateStore keeps sessions.".to_owned()];
    keep_on_redis(&redis, "harbour", name, notes, store);
}

fn named_sql(work: &mut Translator<'_>, provider: &Provider<'_>, store: &mut DraftStore) {
    let name = provider.add.value("connectionStringName").unwrap_or_default();
    let text = work.config.connection_strings.get(name).map_or("", |entry| &entry.value);
    sql_section(text, None, store);
}

/// Has the store keep sessions where and as the application's provider does.
fn keep_on_redis(
    redis: &Redis,
    layout: &'static str,
    application: &str,
    mut notes: Vec<String>,
    store: &mut DraftStore,
) {
    let address = redis.addresses.first().map_or("localhost:6379", String::as_str);
    if redis.addresses.len() > 1 {
        notes.push(format!(
            "It had more addresses: {}. For a cluster, write `cluster = true`.",
            redis.addresses.join(", ")
        ));
    }
    if redis.password || redis.user.is_some() {
        let user = redis.user.as_deref().unwrap_or_default();
        notes.push(format!(
            "It needs a password: put {} into the environment variable CLOAKROOM_REDIS, and write \
             `url = {{ env = \"CLOAKROOM_REDIS\" }}`.",
            redis.url(&format!("{user}:PASSWORD@{address}"))
        ));
    }
    let url = redis.url(address);
    store.redis = Some(DraftRedis { layout, application: application.to_owned(), url, notes });
}

/// The section for the provider `redis`, to be commented out.
fn redis_section(redis: &Redis, layout: &str, application: &str, store: &mut DraftStore) {
    let has_secret = redis.password || redis.user.is_some();
    let address = redis.addresses.first().map_or("localhost:6379", String::as_str);
    let url = redis.url(address);
    let application = quoted(application);
    store.later.extend([
        "provider = \"redis\"".into(),
        format!("settings = {{ connection = \"sessions\", layout = \"{layout}\", application = {application} }}"),
    ]);
    store.later.extend([String::new(), "[connections.sessions]".into()]);
    if redis.addresses.len() > 1 {
        store.later.push(format!("# It had more addresses: {}", redis.addresses.join(", ")));
    }
    if has_secret {
        let user = redis.user.as_deref().unwrap_or_default();
        store.later.push(format!("# CLOAKROOM_REDIS is {}", redis.url(&format!("{user}:PASSWORD@{address}"))));
        store.later.push("url = { env = \"CLOAKROOM_REDIS\" }".into());
    } else {
        store.later.push(format!("url = \"{url}\""));
    }
}

/// The section for the provider `sql`, to be commented out.
fn sql_section(connection: &str, default_database: Option<&str>, store: &mut DraftStore) {
    let mut parts = sql_without_secrets(connection);
    if let Some(database) = default_database.filter(|_| !parts.iter().any(|(name, _)| *name == "database")) {
        parts.push(("database", database.into()));
    }
    let shown: Vec<String> = parts.iter().map(|(name, value)| format!("{name} {value}")).collect();
    let origin = if shown.is_empty() { "a connection string that names no server".into() } else { shown.join(", ") };
    store.later.extend([
        "provider = \"sql\"".into(),
        "settings = { connection = \"sessions\" }".into(),
        String::new(),
        "[connections.sessions]".into(),
        format!("# It was: {origin}"),
        "# CLOAKROOM_SQL is postgres://USER:PASSWORD@HOST/DATABASE, mariadb://... or sqlite:///PATH".into(),
        "url = { env = \"CLOAKROOM_SQL\" }".into(),
    ]);
}
