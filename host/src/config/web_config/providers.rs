//! The `<providers>` of mode Custom.

use super::{
    Fault,
    session_state::SessionState,
    xml::{Element, Section},
};

/// What a provider's type is known to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Microsoft.Web.RedisSessionStateProvider
    MicrosoftRedis,
    /// Harbour.RedisSessionStateStore
    HarbourRedis,
    /// Microsoft.AspNet.SessionState's provider for SQL Server
    AsyncSql,
    /// Microsoft.AspNet.SessionState's provider for Cosmos DB
    AsyncCosmos,
    /// The "universal providers" that Visual Studio 2012's templates brought
    Universal,
    /// Any other
    Unknown,
}

/// The beginnings of type names.
const TYPES: [(&str, Kind); 5] = [
    ("Microsoft.Web.Redis.RedisSessionStateProvider", Kind::MicrosoftRedis),
    ("Harbour.RedisSessionStateStore.", Kind::HarbourRedis),
    ("Microsoft.AspNet.SessionState.SqlSessionStateProvider", Kind::AsyncSql),
    ("Microsoft.AspNet.SessionState.CosmosDBSessionStateProvider", Kind::AsyncCosmos),
    ("System.Web.Providers.DefaultSessionStateProvider", Kind::Universal),
];

/// The provider that the application uses.
#[derive(Debug)]
pub(super) struct Provider<'e> {
    pub(super) kind: Kind,
    /// The type without its assembly.
    pub(super) type_name: &'e str,
    /// Its `<add>`.
    pub(super) add: &'e Element,
}

/// The provider that `customProvider` names, if all is well.
pub(super) fn chosen<'e>(section: &'e Section, state: &SessionState, faults: &mut Vec<Fault>) -> Option<Provider<'e>> {
    let defined = defined(&section.element, faults);
    let Some(wanted) = state.written("customProvider").filter(|attribute| !attribute.value.is_empty()) else {
        let message = "mode Custom needs `customProvider`, the name of one of the <providers>";
        faults.push(fault(state.line, "sessionState", message));
        return None;
    };
    let Some(add) = defined.iter().find(|add| add.value("name") == Some(&wanted.value)) else {
        let names: Vec<&str> = defined.iter().filter_map(|add| add.value("name")).collect();
        let known = if names.is_empty() { "there are none".into() } else { format!("they are {}", names.join(", ")) };
        let message = format!("no such provider among the <providers> here; {known}");
        let value = Some(format!("\"{}\"", wanted.value.escape_debug()));
        faults.push(Fault { value, ..fault(wanted.line, "sessionState customProvider", &message) });
        return None;
    };
    let type_name = add.value("type")?.split(',').next().unwrap_or_default().trim();
    let kind = TYPES.iter().find(|(start, _)| type_name.starts_with(start)).map_or(Kind::Unknown, |(_, kind)| *kind);
    Some(Provider { kind, type_name, add })
}

/// The providers after all `add`, `remove` and `clear`, in the order of the file.
fn defined<'e>(session_state: &'e Element, faults: &mut Vec<Fault>) -> Vec<&'e Element> {
    let mut defined: Vec<&Element> = Vec::new();
    let lists = session_state.children.iter().filter(|child| child.name == "providers");
    for entry in lists.flat_map(|list| &list.children) {
        match entry.name.as_str() {
            "clear" => defined.clear(),
            "remove" => defined.retain(|add| add.value("name") != entry.value("name")),
            "add" => add(entry, &mut defined, faults),
            other => {
                let message = format!("<{other}> is not allowed in <providers>; it takes add, remove and clear");
                faults.push(fault(entry.line, "providers", &message));
            }
        }
    }
    defined
}

fn add<'e>(entry: &'e Element, defined: &mut Vec<&'e Element>, faults: &mut Vec<Fault>) {
    for needed in ["name", "type"] {
        if entry.value(needed).is_none_or(str::is_empty) {
            faults.push(fault(entry.line, "providers add", &format!("a provider needs the attribute `{needed}`")));
        }
    }
    if let Some(first) = defined.iter().find(|add| add.value("name") == entry.value("name")) {
        let message = format!("a provider of this name is there already, in line {}", first.line);
        faults.push(fault(entry.line, "providers add", &message));
    }
    defined.push(entry);
}

fn fault(line: u32, what: &str, message: &str) -> Fault {
    Fault { line: Some(line), what: what.into(), value: None, message: message.into() }
}
