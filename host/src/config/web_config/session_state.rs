//! The attributes of `<sessionState>`, with ASP.NET's own defaults and rules (facts 6).

use super::{
    Fault,
    report::Remarks,
    xml::{Attribute, Section},
};
use crate::config::document::nearest;

/// Every attribute that ASP.NET knows here.
const KNOWN: [&str; 17] = [
    "mode",
    "timeout",
    "cookieless",
    "cookieName",
    "cookieSameSite",
    "regenerateExpiredSessionId",
    "stateConnectionString",
    "stateNetworkTimeout",
    "sqlConnectionString",
    "sqlCommandTimeout",
    "sqlConnectionRetryInterval",
    "allowCustomSqlDatabase",
    "compressionEnabled",
    "customProvider",
    "partitionResolverType",
    "sessionIDManagerType",
    "useHostingIdentity",
];
/// Attributes of every section of a `web.config`, which say who may override what.
const OF_EVERY_SECTION: [&str; 6] = [
    "configProtectionProvider",
    "lockAttributes",
    "lockAllAttributesExcept",
    "lockElements",
    "lockItem",
    "lockAllElementsExcept",
];
const COOKIELESS: [&str; 6] = ["true", "false", "UseUri", "UseCookies", "AutoDetect", "UseDeviceProfile"];
const SAME_SITE: [&str; 4] = ["None", "Lax", "Strict", "-1"];
const MODES: [(&str, Mode); 5] = [
    ("Off", Mode::Off),
    ("InProc", Mode::InProc),
    ("StateServer", Mode::StateServer),
    ("SQLServer", Mode::SqlServer),
    ("Custom", Mode::Custom),
];
/// One year.
const MOST_MINUTES: u32 = 525_600;

/// Where an application keeps its sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Off,
    InProc,
    StateServer,
    SqlServer,
    Custom,
}

/// A `<sessionState>` element whose attributes are valid.
#[derive(Debug)]
pub(super) struct SessionState {
    pub(super) mode: Mode,
    /// Where the mode is written, or the element.
    pub(super) line: u32,
    /// Minutes.
    pub(super) timeout: u32,
    /// What was written, in the order of the file.
    written: Vec<Attribute>,
}

impl SessionState {
    pub(super) fn read(section: &Section, faults: &mut Vec<Fault>, remarks: &mut Remarks) -> Self {
        let mut state = Self { mode: Mode::InProc, line: section.element.line, timeout: 20, written: Vec::new() };
        for attribute in &section.element.attributes {
            match check(attribute) {
                Ok(()) => state.take(attribute),
                Err(message) => faults.push(Fault {
                    line: Some(attribute.line),
                    what: format!("sessionState {}", attribute.name),
                    value: Some(format!("\"{}\"", attribute.value.escape_debug())),
                    message,
                }),
            }
            unknown(attribute, remarks);
        }
        state
    }

    /// An attribute that was written.
    pub(super) fn written(&self, name: &str) -> Option<&Attribute> {
        self.written.iter().find(|attribute| attribute.name == name)
    }

    fn take(&mut self, attribute: &Attribute) {
        match attribute.name.as_str() {
            "mode" => {
                self.line = attribute.line;
                self.mode = mode(&attribute.value).unwrap_or(self.mode);
            }
            "timeout" => self.timeout = attribute.value.trim().parse().unwrap_or(self.timeout),
            _ => {}
        }
        self.written.push(attribute.clone());
    }
}

fn mode(value: &str) -> Option<Mode> {
    MODES.iter().find(|(name, _)| *name == value).map(|(_, mode)| *mode)
}

/// Whether ASP.NET takes the value. Connection strings are read only by the modes that use them.
fn check(attribute: &Attribute) -> Result<(), String> {
    let value = attribute.value.as_str();
    match attribute.name.as_str() {
        "mode" if mode(value).is_none() => Err(one_of(value, &MODES.map(|(name, _)| name))),
        "timeout" => match value.trim().parse::<u32>() {
            Ok(1..=MOST_MINUTES) => Ok(()),
            _ => Err(format!("allowed are whole minutes from 1 to {MOST_MINUTES} (a year)")),
        },
        "cookieless" if !COOKIELESS.contains(&value) => Err(one_of(value, &COOKIELESS)),
        "cookieSameSite" if !SAME_SITE.contains(&value) => Err(one_of(value, &SAME_SITE)),
        "regenerateExpiredSessionId" | "allowCustomSqlDatabase" | "compressionEnabled" | "useHostingIdentity"
            if boolean(value).is_none() =>
        {
            Err("allowed are true and false".into())
        }
        "stateNetworkTimeout" if !value.trim().parse::<u32>().is_ok_and(|seconds| seconds > 0) => {
            Err("allowed are whole seconds from 1".into())
        }
        "sqlCommandTimeout" | "sqlConnectionRetryInterval" if value.trim().parse::<u32>().is_err() => {
            Err("allowed are whole seconds".into())
        }
        _ => Ok(()),
    }
}

/// A truth value, in any letter case, as .NET reads it.
fn boolean(value: &str) -> Option<bool> {
    value.trim().to_ascii_lowercase().parse().ok()
}

fn one_of(value: &str, allowed: &[&str]) -> String {
    let list = allowed.join(", ");
    match nearest(value, allowed) {
        Some(near) if !value.is_empty() => format!("did you mean `{near}`? Allowed are {list} (letter case counts)"),
        _ => format!("allowed are {list}"),
    }
}

fn unknown(attribute: &Attribute, remarks: &mut Remarks) {
    let Attribute { line, name, .. } = attribute;
    if OF_EVERY_SECTION.contains(&name.as_str()) {
        let reason = "It says who may override or how to decrypt the section, which has no meaning outside web.config.";
        remarks.add(*line, name, reason, "Nothing to do.");
    } else if !KNOWN.contains(&name.as_str()) {
        let advice = nearest(name, &KNOWN).map_or_else(
            || "Remove it.".into(),
            |near| format!("If `{near}` is meant, correct it and run this again."),
        );
        remarks.add(*line, name, "ASP.NET knows no such attribute of <sessionState>.", advice);
    }
}
