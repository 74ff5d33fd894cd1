//! The XML of a `web.config`: what in it concerns sessions, with line numbers.
//!
//! Elements are found by their local name, because files written by Visual Studio 2005 put everything into a
//! namespace (`http://schemas.microsoft.com/.NetConfiguration/v2.0`) and others do not.

use std::collections::BTreeMap;

use roxmltree::{Document, Node};

use super::Fault;

/// The namespace of transforms (`Web.Release.config`).
const TRANSFORM: &str = "http://schemas.microsoft.com/XML-Document-Transform";

/// What of a `web.config` concerns sessions.
#[derive(Debug)]
pub(super) struct WebConfig {
    /// The `<sessionState>` elements; there is at least one.
    pub(super) sections: Vec<Section>,
    /// `<connectionStrings>`, by name.
    pub(super) connection_strings: BTreeMap<String, Attribute>,
    /// `<appSettings>`, by key.
    pub(super) app_settings: BTreeMap<String, Attribute>,
    /// The line of the module that replaces ASP.NET's own (Microsoft.AspNet.SessionState).
    pub(super) async_module: Option<u32>,
    /// The first line that a transform has something to do with.
    pub(super) transform: Option<u32>,
}

/// One `<sessionState>` element.
#[derive(Debug)]
pub(super) struct Section {
    /// The `path` of the `<location>` around it.
    pub(super) location: Option<String>,
    pub(super) element: Element,
}

/// An element.
#[derive(Debug)]
pub(super) struct Element {
    pub(super) line: u32,
    pub(super) name: String,
    /// Those without a namespace, in the order of the file.
    pub(super) attributes: Vec<Attribute>,
    pub(super) children: Vec<Element>,
}

/// An attribute.
#[derive(Debug, Clone)]
pub(super) struct Attribute {
    pub(super) line: u32,
    pub(super) name: String,
    pub(super) value: String,
}

impl Element {
    pub(super) fn attribute(&self, name: &str) -> Option<&Attribute> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    pub(super) fn value(&self, name: &str) -> Option<&str> {
        self.attribute(name).map(|attribute| attribute.value.as_str())
    }
}

/// Reads a file.
pub(super) fn read(bytes: &[u8]) -> Result<WebConfig, Fault> {
    let text = decode(bytes)?;
    let document = Document::parse(&text).map_err(|error| syntax(&error))?;
    let root = document.root_element();
    if !["configuration", "sessionState"].contains(&root.tag_name().name()) {
        let message =
            format!("this is not a web.config: its root is <{}>, not <configuration>", root.tag_name().name());
        return Err(fault(line(root), "", message));
    }
    Ok(WebConfig {
        sections: sections(root)?,
        connection_strings: entries(root, "connectionStrings", "name", "connectionString"),
        app_settings: entries(root, "appSettings", "key", "value"),
        async_module: async_module(root),
        transform: transform(root),
    })
}

/// A fault with an element or, where `what` is empty, with the file.
fn fault(line: u32, what: &str, message: impl Into<String>) -> Fault {
    Fault { line: Some(line), what: what.into(), value: None, message: message.into() }
}

/// The text of a file in one of the encodings that Windows' editors write.
fn decode(bytes: &[u8]) -> Result<String, Fault> {
    let decoded = match bytes {
        [0xEF, 0xBB, 0xBF, rest @ ..] => String::from_utf8(rest.to_vec()).ok(),
        [0xFF, 0xFE, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xFE, 0xFF, rest @ ..] => utf16(rest, u16::from_be_bytes),
        bytes => String::from_utf8(bytes.to_vec()).ok(),
    };
    decoded.ok_or_else(|| {
        let message = "the file is neither UTF-8 nor UTF-16; save it as UTF-8";
        Fault { line: None, what: String::new(), value: None, message: message.into() }
    })
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| unit(*pair)).collect();
    if rest.is_empty() { String::from_utf16(&units).ok() } else { None }
}

/// A mistake in the XML. The parser's own words are used only where they cannot repeat a piece of a value: an
/// unescaped `&` in a password makes the letters after it look like an entity's name.
fn syntax(error: &roxmltree::Error) -> Fault {
    use roxmltree::Error as Xml;
    let message = match error {
        Xml::UnknownEntityReference(..) | Xml::MalformedEntityReference(_) => {
            "this is not XML: a `&` that does not begin an entity must be written `&amp;`".into()
        }
        Xml::InvalidAttributeValue(_) => "this is not XML: a `<` in a value must be written `&lt;`".into(),
        Xml::UnexpectedCloseTag(expected, actual, _) => {
            format!("this is not XML: </{actual}> stands where <{expected}> should be closed")
        }
        Xml::DuplicatedAttribute(name, _) => format!("this is not XML: the attribute `{name}` is there twice"),
        Xml::UnclosedRootNode => "this is not XML: the file ends before its root element is closed".into(),
        Xml::DtdDetected => "a web.config has no DTD; remove the <!DOCTYPE>".into(),
        Xml::NoRootNode => "this is not XML: there is no element in it".into(),
        _ => "this is not XML; an XML editor or `xmllint` shows what is wrong here".into(),
    };
    let position = error.pos();
    let known = !matches!(error, Xml::NoRootNode | Xml::DtdDetected | Xml::UnclosedRootNode);
    Fault { line: known.then_some(position.row), what: String::new(), value: None, message }
}

fn sections(root: Node<'_, '_>) -> Result<Vec<Section>, Fault> {
    let mut sections: Vec<Section> = Vec::new();
    for node in root.descendants().filter(|node| is(*node, "sessionState")) {
        if node != root && !node.parent_element().is_some_and(|parent| is(parent, "system.web")) {
            let message = "stands outside <system.web>, where ASP.NET does not read it; move it there";
            return Err(fault(line(node), "<sessionState>", message));
        }
        let location = node.ancestors().find(|node| is(*node, "location")).and_then(|node| node.attribute("path"));
        let section = Section {
            location: location.filter(|path| !["", "."].contains(path)).map(Into::into),
            element: element(node),
        };
        if let Some(first) = sections.iter().find(|other| other.location == section.location) {
            let first = first.element.line;
            let message = format!("is there a second time; ASP.NET refuses that. The first is in line {first}");
            return Err(fault(line(node), "<sessionState>", message));
        }
        if node.children().any(|child| is(child, "EncryptedData")) {
            let message = "is encrypted; decrypt it first with `aspnet_regiis -pdf \"system.web/sessionState\" FOLDER`";
            return Err(fault(line(node), "<sessionState>", message));
        }
        if let Some(file) = node.attribute("configSource") {
            let message = format!("keeps its content in `{file}` (configSource); run this command on that file");
            return Err(fault(line(node), "<sessionState>", message));
        }
        sections.push(section);
    }
    if sections.is_empty() {
        let message = "there is no <sessionState> in <system.web>, so the application has ASP.NET's defaults (mode \
                       InProc, 20 minutes), to which Cloakroom's own defaults fit: no configuration file is needed";
        return Err(Fault { line: None, what: String::new(), value: None, message: message.into() });
    }
    Ok(sections)
}

/// The `<add>`s of a list that is a child of the root.
fn entries(root: Node<'_, '_>, list: &str, name: &str, value: &str) -> BTreeMap<String, Attribute> {
    let lists = root.children().filter(|node| is(*node, list));
    let adds = lists.flat_map(|list| list.children()).filter(|node| is(*node, "add"));
    adds.filter_map(|add| {
        let name = add.attribute(name)?.to_owned();
        let value = add.attribute(value)?.to_owned();
        Some((name.clone(), Attribute { line: line(add), name, value }))
    })
    .collect()
}

fn async_module(root: Node<'_, '_>) -> Option<u32> {
    let mut modules = root.descendants().filter(|node| is(*node, "add"));
    let found = modules.find(|node| {
        node.attribute("type").is_some_and(|name| name.starts_with("Microsoft.AspNet.SessionState.SessionStateModule"))
    });
    found.map(line)
}

fn transform(root: Node<'_, '_>) -> Option<u32> {
    let mut nodes = root.descendants().filter(|node| is(*node, "sessionState"));
    let touched = |node: Node<'_, '_>| {
        let transforms =
            |node: Node<'_, '_>| node.attributes().any(|attribute| attribute.namespace() == Some(TRANSFORM));
        node.ancestors().any(transforms) || node.descendants().any(transforms)
    };
    nodes.find(|node| touched(*node)).map(line)
}

fn element(node: Node<'_, '_>) -> Element {
    let document = node.document();
    let attributes = node.attributes().filter(|attribute| attribute.namespace().is_none()).map(|attribute| Attribute {
        line: document.text_pos_at(attribute.range().start).row,
        name: attribute.name().into(),
        value: attribute.value().into(),
    });
    Element {
        line: line(node),
        name: node.tag_name().name().into(),
        attributes: attributes.collect(),
        children: node.children().filter(Node::is_element).map(element).collect(),
    }
}

fn is(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().name() == name
}

fn line(node: Node<'_, '_>) -> u32 {
    node.document().text_pos_at(node.range().start).row
}
