//! The `cloakroom.toml` in the making: what was found out, and how it is written.

use std::net::SocketAddr;

use super::connection::StateServer;
use crate::config::document::quoted;

/// The store of applications that no `<location>` speaks of.
const DEFAULT_STORE: &str = "default";
/// Comments are broken at this width.
const WIDTH: usize = 100;

/// A `cloakroom.toml` in the making.
#[derive(Debug)]
pub(super) struct Draft {
    /// What the `web.config` is called.
    source: String,
    /// The State Server that the applications used, if they did.
    state_server: Option<StateServer>,
    pub(super) stores: Vec<DraftStore>,
}

/// A store in the making.
#[derive(Debug)]
pub(super) struct DraftStore {
    pub(super) name: String,
    /// The `<location>` whose applications use it.
    pub(super) location: Option<String>,
    pub(super) idle_timeout_minutes: u32,
    pub(super) validate_ids: Option<bool>,
    /// What a reader should know of it.
    pub(super) notes: Vec<String>,
    /// The Redis server that keeps its sessions, in the layout in which they are there.
    pub(super) redis: Option<DraftRedis>,
    /// Lines of TOML for a provider that keeps sessions on a server.
    pub(super) later: Vec<String>,
    /// The name under which applications shared sessions.
    pub(super) shared_as: Option<String>,
    /// The new `<sessionState>` element.
    pub(super) element: Option<String>,
}

/// A Redis server in which another provider keeps sessions.
#[derive(Debug)]
pub(super) struct DraftRedis {
    /// The setting `layout` of the provider `redis`.
    pub(super) layout: &'static str,
    /// The setting `application`.
    pub(super) application: String,
    /// Without user and password.
    pub(super) url: String,
    /// What a reader should know of it.
    pub(super) notes: Vec<String>,
}

impl DraftStore {
    /// What its connection is called. That of the default store is one that `redis` is granted as it is shipped.
    fn connection(&self) -> &str {
        if self.name == DEFAULT_STORE { "main" } else { &self.name }
    }

    pub(super) fn new(name: String, location: Option<String>) -> Self {
        Self {
            name,
            location,
            idle_timeout_minutes: 20,
            validate_ids: None,
            notes: Vec::new(),
            redis: None,
            later: Vec::new(),
            shared_as: None,
            element: None,
        }
    }
}

impl Draft {
    pub(super) fn new(source: &str) -> Self {
        Self { source: source.into(), state_server: None, stores: Vec::new() }
    }

    /// Has Cloakroom listen where this State Server was; an error with its connection string if another one is there.
    pub(super) fn listen(&mut self, server: &StateServer) -> Result<(), String> {
        match &self.state_server {
            Some(first) if first.listener() != server.listener() => Err(first.connection_string()),
            Some(_) => Ok(()),
            None => {
                self.state_server = Some(server.clone());
                Ok(())
            }
        }
    }

    /// A name for the store of a location that no other store has.
    pub(super) fn free_name(&self, location: Option<&str>) -> String {
        let Some(location) = location else { return DEFAULT_STORE.into() };
        let letters =
            location.chars().map(|char| if char.is_ascii_alphanumeric() { char.to_ascii_lowercase() } else { '-' });
        let stem: String = letters.collect::<String>().trim_matches('-').chars().take(56).collect();
        let stem = if stem.is_empty() { "location".to_owned() } else { stem };
        let taken = |name: &String| name == DEFAULT_STORE || self.stores.iter().any(|store| store.name == *name);
        let numbered = (2..).map(|number: u32| format!("{stem}-{number}"));
        std::iter::once(stem.clone()).chain(numbered).find(|name| !taken(name)).unwrap_or_default()
    }

    pub(super) fn text(&self) -> String {
        let mut text = Text::default();
        self.head(&mut text);
        self.general(&mut text);
        self.front_ends(&mut text);
        for store in &self.stores {
            write_store(store, &mut text);
        }
        for store in &self.stores {
            if let Some(redis) = &store.redis {
                write_connection(store, redis, &mut text);
            }
        }
        self.applications(&mut text);
        text.0
    }

    fn head(&self, text: &mut Text) {
        text.comment(&format!("Made by `cloakroom config from-web-config` from {}.", self.source));
        text.comment(
            "Every key is explained in docs/operating.md; `cloakroom config check FILE` tells what is in effect.",
        );
        text.comment("");
        let server = self.connection_string();
        for store in &self.stores {
            let Some(element) = &store.element else { continue };
            let place = store.location.as_ref().map_or(String::new(), |path| format!(" (location path=\"{path}\")"));
            text.comment(&format!("In web.config{place}, on every web server, <sessionState> becomes:"));
            text.comment("");
            text.verbatim_comment(&format!("  {}", element.replace("STATE_SERVER", &server)));
            text.comment("");
        }
        let (kept, begun): (Vec<_>, Vec<_>) = self.stores.iter().partition(|store| store.redis.is_some());
        if !kept.is_empty() {
            text.comment(
                "Sessions on Redis stay where they are, and web servers can change over one by one: those that have and those \
                 that have not share them (docs/redis-store.md).",
            );
        }
        if !begun.is_empty() {
            let which = if kept.is_empty() { "" } else { "Other " };
            let sessions = if kept.is_empty() { "Sessions" } else { "sessions" };
            text.comment(&format!(
                "{which}{sessions} that exist when you change over are not taken along: visitors begin new ones."
            ));
        }
    }

    fn general(&self, text: &mut Text) {
        text.blank();
        text.comment("Where the snapshot of a planned stop and compiled plugins are kept.");
        text.line("data_dir = \"cloakroom-data\"");
        if !self.address().ip().is_loopback() {
            text.blank();
            text.comment(
                "The web servers reach this host over a network. State Server has neither TLS nor authentication: \
                 whoever reaches the port can read and replace every session and, through BinaryFormatter, run code on \
                 the web servers. Let a firewall admit the web servers only, or put a tunnel in front (docs/operating.md).",
            );
            text.line("allow_remote = true");
        }
        text.blank();
        text.line("[plugins]");
        text.line("directory = \"plugins\"");
    }

    fn front_ends(&self, text: &mut Text) {
        text.blank();
        text.line("[state_server]");
        text.comment(
            "The Windows service `aspnet_state` uses the same port: stop it first where both are on one machine.",
        );
        if self.address().ip().is_unspecified() {
            text.comment(&format!(
                "{} is a name, and names are not looked up here: this listens on every address of the machine. Write the \
                 one address that the web servers use.",
                self.connection_string()
            ));
        }
        text.line(&format!("address = \"{}\"", self.address()));
        for store in &self.stores {
            if let Some(name) = &store.shared_as {
                text.blank();
                text.comment("Applications that share their sessions, by their paths in IIS, and the name they share:");
                text.comment("[state_server.applications]");
                text.comment(&format!("\"/LM/W3SVC/1/ROOT\" = {}", quoted(name)));
            }
        }
        text.blank();
        text.line("[http]");
        // One port further where the State Server has this one.
        let port = if self.address().port() == 8642 { 8643 } else { 8642 };
        text.line(&format!("address = \"127.0.0.1:{port}\""));
    }

    /// Which store a location's application uses has to be said by the application's name on the wire, which is its
    /// path in IIS and not in the web.config. It is given a short name first, because the one on the wire has a hash.
    fn applications(&self, text: &mut Text) {
        let located: Vec<_> =
            self.stores.iter().filter_map(|store| Some((quoted(&store.name), store.location.as_ref()?))).collect();
        if located.is_empty() {
            return;
        }
        text.blank();
        text.comment("Which application uses which store; the others use `default`. Write each one's path in IIS.");
        text.comment("[state_server.applications]");
        for (name, location) in &located {
            text.verbatim_comment(&format!("{} = {name}", quoted(&format!("/LM/W3SVC/1/ROOT/{location}"))));
        }
        text.blank();
        text.comment("[applications]");
        for (name, _) in &located {
            text.verbatim_comment(&format!("{name} = {name}"));
        }
    }

    fn address(&self) -> SocketAddr {
        let default = SocketAddr::from(([127, 0, 0, 1], 42424));
        self.state_server.as_ref().map_or(default, StateServer::listener)
    }

    fn connection_string(&self) -> String {
        let default = || "tcpip=127.0.0.1:42424".into();
        self.state_server.as_ref().map_or_else(default, StateServer::connection_string)
    }
}

fn write_store(store: &DraftStore, text: &mut Text) {
    text.blank();
    text.line(&format!("[stores.{}]", store.name));
    for note in &store.notes {
        text.comment(note);
    }
    text.line(&format!("provider = \"{}\"", if store.redis.is_some() { "redis" } else { "memory" }));
    text.line("id_generator = \"aspnet-id\"");
    if let Some(validate) = store.validate_ids {
        text.line(&format!("validate_ids = {validate}"));
    }
    text.comment("ASP.NET sends its own timeout with each session; this one is for sessions that begin over HTTP.");
    text.line(&format!("idle_timeout = \"{}m\"", store.idle_timeout_minutes));
    if let Some(redis) = &store.redis {
        text.blank();
        text.line(&format!("[stores.{}.settings]", store.name));
        text.line(&format!("connection = {}", quoted(store.connection())));
        text.line(&format!("layout = {}", quoted(redis.layout)));
        text.line(&format!("application = {}", quoted(&redis.application)));
    }
    if store.later.is_empty() {
        return;
    }
    text.blank();
    text.comment(
        "Sessions can also be kept on a server. Then use these sections instead of the one above, and write \
         `redis = [\"sessions\"]` into the grant file redis.toml, or `sql = [\"sessions\"]` into sql.toml:",
    );
    text.comment(&format!("[stores.{}]", store.name));
    for line in &store.later {
        text.verbatim_comment(line);
    }
}

fn write_connection(store: &DraftStore, redis: &DraftRedis, text: &mut Text) {
    text.blank();
    text.line(&format!("[connections.{}]", store.connection()));
    for note in &redis.notes {
        text.comment(note);
    }
    if store.name != DEFAULT_STORE {
        text.comment(&format!(
            "The grant file redis.toml has to name it, too: redis = [\"main\", {}]",
            quoted(&store.name)
        ));
    }
    text.line(&format!("url = {}", quoted(&redis.url)));
}

/// TOML text. What comes from the `web.config` is quoted, or in comments with control characters made visible.
#[derive(Debug, Default)]
struct Text(String);

impl Text {
    fn line(&mut self, line: &str) {
        self.0.push_str(line);
        self.0.push('\n');
    }

    fn blank(&mut self) {
        self.line("");
    }

    /// A comment, broken into lines.
    fn comment(&mut self, text: &str) {
        let mut line = String::new();
        for word in text.split(' ') {
            if !line.is_empty() && line.chars().count() + word.chars().count() > WIDTH {
                self.verbatim_comment(&line);
                line.clear();
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        self.verbatim_comment(&line);
    }

    /// A comment in one line.
    fn verbatim_comment(&mut self, text: &str) {
        self.0.push('#');
        if !text.is_empty() {
            self.0.push(' ');
        }
        for char in text.chars() {
            if char.is_control() { self.0.extend(char.escape_default()) } else { self.0.push(char) }
        }
        self.0.push('\n');
    }
}
