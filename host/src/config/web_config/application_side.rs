//! What stays with the application: attributes that its own session module carries out, and what surrounds them.

use super::{
    Translator,
    draft::DraftStore,
    report::Remarks,
    session_state::{Mode, SessionState},
    xml::Attribute,
};

const KEEP: &str = "Keep it in <sessionState>, as the head of the new file shows.";

/// The attributes that the new `<sessionState>` element has besides mode and connection.
const KEPT: [&str; 9] = [
    "timeout",
    "cookieless",
    "cookieName",
    "cookieSameSite",
    "regenerateExpiredSessionId",
    "stateNetworkTimeout",
    "compressionEnabled",
    "sessionIDManagerType",
    "useHostingIdentity",
];

/// Says of each attribute that is not for a server why, and what to do.
pub(super) fn attributes(state: &SessionState, store: &mut DraftStore, remarks: &mut Remarks) {
    if let Some(manager) = state.written("sessionIDManagerType").filter(|attribute| !attribute.value.is_empty()) {
        store.validate_ids = Some(false);
        store.notes.push(format!(
            "The application makes its own session IDs (sessionIDManagerType), so they are not checked: {}",
            manager.value
        ));
    }
    for name in KEPT.iter().skip(1).chain(&["partitionResolverType"]) {
        if let Some(attribute) = state.written(name).filter(|attribute| !attribute.value.is_empty()) {
            let (reason, advice) = kept(name);
            remarks.add(attribute.line, shown(attribute), reason, advice);
        }
    }
    unused(state, remarks);
}

fn kept(name: &str) -> (&'static str, &'static str) {
    match name {
        "cookieless" | "cookieName" | "cookieSameSite" => {
            ("The application writes and reads the cookie or URL itself; a server never sees them.", KEEP)
        }
        "regenerateExpiredSessionId" => (
            "The application itself gives a new ID to a visitor whose session in the URL has expired; Cloakroom answers \
             the requests that it makes for that.",
            KEEP,
        ),
        "stateNetworkTimeout" => (
            "It is how long a web server waits for an answer.",
            "Keep it in <sessionState>; `hold_locked` (400ms) in [state_server] must stay well below it.",
        ),
        "compressionEnabled" => (
            "To Cloakroom a session is a sequence of bytes, compressed or not.",
            "Keep it in <sessionState>, the same on all web servers that share sessions.",
        ),
        "partitionResolverType" => (
            "The application itself chooses a server for each session.",
            "Leave it out for one Cloakroom host. For several, in mode StateServer, let it return `tcpip=HOST:PORT` of \
             each in place of stateConnectionString.",
        ),
        "sessionIDManagerType" => (
            "The application makes the IDs. The store's `id_generator` makes IDs only for sessions that begin over \
             HTTP; `validate_ids = false` has Cloakroom take the application's.",
            KEEP,
        ),
        _ => ("It is the Windows identity with which a web server connects; Cloakroom asks for none.", KEEP),
    }
}

/// Attributes of other modes, which ASP.NET does not read in this one; Visual Studio used to write them all.
fn unused(state: &SessionState, remarks: &mut Remarks) {
    let of_modes: [(&str, Mode); 6] = [
        ("stateConnectionString", Mode::StateServer),
        ("sqlConnectionString", Mode::SqlServer),
        ("sqlCommandTimeout", Mode::SqlServer),
        ("sqlConnectionRetryInterval", Mode::SqlServer),
        ("allowCustomSqlDatabase", Mode::SqlServer),
        ("customProvider", Mode::Custom),
    ];
    for (name, mode) in of_modes {
        let Some(attribute) = state.written(name).filter(|attribute| !attribute.value.is_empty()) else { continue };
        if state.mode != mode {
            let reason = "ASP.NET does not read it in this mode.";
            remarks.add(attribute.line, format!("`{name}`"), reason, "Nothing to do.");
        } else if ["sqlCommandTimeout", "sqlConnectionRetryInterval"].contains(&name) {
            let reason = "It says how the web server speaks to SQL Server, which it no longer does.";
            remarks.add(attribute.line, shown(attribute), reason, "Remove it.");
        }
    }
}

/// Only for attributes that hold no secret.
fn shown(attribute: &Attribute) -> String {
    format!("{}=\"{}\"", attribute.name, attribute.value.escape_debug())
}

/// The `<sessionState>` element to use with Cloakroom; `STATE_SERVER` stands for the connection string. `None` where
/// the application keeps no sessions.
pub(super) fn element(state: &SessionState) -> Option<String> {
    if state.mode == Mode::Off {
        return None;
    }
    let mut element = String::from("<sessionState mode=\"StateServer\" stateConnectionString=\"STATE_SERVER\"");
    for attribute in KEPT.iter().filter_map(|name| state.written(name)).filter(|attribute| !attribute.value.is_empty())
    {
        element.push_str(&format!(" {}=\"{}\"", attribute.name, xml(&attribute.value)));
    }
    Some(element + " />")
}

/// Text as XML writes it in an attribute.
fn xml(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => written.push_str("&amp;"),
            '<' => written.push_str("&lt;"),
            '>' => written.push_str("&gt;"),
            '"' => written.push_str("&quot;"),
            char if char.is_control() => written.push_str(&format!("&#{};", u32::from(char))),
            char => written.push(char),
        }
    }
    written
}

/// Settings elsewhere in the file that change how sessions behave.
pub(super) fn surroundings(work: &mut Translator<'_>) {
    for (key, setting) in &work.config.app_settings {
        let (reason, advice) = match key.as_str() {
            "aspnet:RequestQueueLimitPerSession" => (
                "The web server counts the requests that wait for one session itself.",
                "Keep it; Cloakroom wakes waiting requests at once, so that queues stay shorter.",
            ),
            "aspnet:AllowConcurrentRequestsPerSession" => (
                "It lets requests of one session run at once without a lock, so that they overwrite each other's data.",
                "Remove it, or set it to false: with Cloakroom a waiting request goes on the moment the lock is free.",
            ),
            key if key.starts_with("aspnet:") && key.to_ascii_lowercase().contains("session") => {
                ("It is a setting of the application's own session module.", "Keep it.")
            }
            _ => continue,
        };
        work.remarks.add(setting.line, format!("appSetting `{key}`"), reason, advice);
    }
    if let Some(line) = work.config.async_module {
        let reason = "The asynchronous session module works with providers of its own and not with mode StateServer.";
        let advice = "Give the module named `Session` back its type System.Web.SessionState.SessionStateModule.";
        work.remarks.add(line, "Microsoft.AspNet.SessionState module", reason, advice);
    }
    if let Some(line) = work.config.transform {
        let reason = "This is a transform (namespace xdt), which holds only what differs from another web.config.";
        let advice = "Run this command on the transformed file, as it is deployed, to be sure of every value.";
        work.remarks.add(line, "xdt:Transform", reason, advice);
    }
}
