//! A generator of session IDs behind a component.

use std::{collections::BTreeMap, sync::Arc};

use wasmtime::{
    Store,
    component::{ComponentType, Instance, Lift, Lower, TypedFunc},
};

use super::{
    CallError, Plugin,
    build::{Build, Judged, Shard},
    code::Code,
    exports::{Answer, Exports, InitializeParams},
    instance::InstanceState,
    serving::Serving,
    succession::Use,
};
use crate::{capabilities::Nonsense, contract::StoreError};

/// The least entropy that a generator may have: OWASP ASVS 5.0, requirement 7.2.3.
pub const MIN_ENTROPY_BITS: u32 = 128;

/// The longest ID that State Server clients accept (section 1.3 of the protocol notes).
pub const MAX_ID_CHARACTERS: usize = 80;

/// What a generator says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdManagerInfo {
    /// Its name and version.
    pub name: String,
    /// Random bits in each ID.
    pub entropy_bits: u32,
    /// Whether IDs have the form that ASP.NET gives them.
    pub aspnet_form: bool,
    /// Whether `validate` recognises the generator's own IDs.
    pub verifiable: bool,
}

/// The form of the IDs, as the component says in `initialize`.
#[derive(ComponentType, Lift, Debug, Clone, Copy, PartialEq, Eq)]
#[component(enum)]
#[repr(u8)]
#[expect(dead_code, reason = "only components make a value of `custom`")]
enum IdForm {
    #[component(name = "custom")]
    Custom,
    #[component(name = "aspnet")]
    Aspnet,
}

/// What a generator says of itself, as it comes over the boundary.
#[derive(ComponentType, Lift, Debug, Clone)]
#[component(record)]
struct Info {
    name: String,
    #[component(name = "entropy-bits")]
    entropy_bits: u32,
    form: IdForm,
    verifiable: bool,
}

/// What an ID is made for.
#[derive(ComponentType, Lower, Clone)]
#[component(record)]
struct Context {
    application: String,
    previous: Option<String>,
}

/// The functions of one instance.
#[derive(Clone, Copy)]
struct Functions {
    initialize: TypedFunc<InitializeParams, Answer<Info>>,
    create: TypedFunc<(Context,), Answer<String>>,
    validate: TypedFunc<(String,), (bool,)>,
}

impl Exports for Functions {
    type Info = Info;

    fn find(code: &Code, store: &mut Store<InstanceState>, instance: &Instance) -> wasmtime::Result<Self> {
        const ID_MANAGER: &str = "id-manager";
        Ok(Self {
            initialize: code.function(store, instance, ID_MANAGER, "initialize")?,
            create: code.function(store, instance, ID_MANAGER, "create")?,
            validate: code.function(store, instance, ID_MANAGER, "validate")?,
        })
    }

    fn initialize(&self) -> TypedFunc<InitializeParams, Answer<Info>> {
        self.initialize
    }
}

impl Judged for Functions {
    /// Refuses a generator whose IDs could be guessed.
    async fn accept(build: &Build<Self>) -> Result<(), CallError> {
        let Info { name, entropy_bits, form, .. } = &build.info;
        let aspnet_form = *form == IdForm::Aspnet;
        if *entropy_bits < MIN_ENTROPY_BITS && !aspnet_form {
            return Err(CallError::Store(StoreError::InvalidArgument(format!(
                "ID generator `{name}` makes IDs of {entropy_bits} random bits; at least {MIN_ENTROPY_BITS} are \
                 required (only the ASP.NET form may have 120)"
            ))));
        }
        // The exemption is for the form, so one ID is looked at to see that it has it.
        let context = Context { application: "probe".to_owned(), previous: None };
        build
            .call(
                "create",
                |functions| functions.create,
                (context,),
                |id: String| fault(&id, aspnet_form).map_or(Ok(()), |fault| Err(Nonsense(fault))),
            )
            .await
    }
}

/// A generator for one store, over a pool of instances of its component. Cheap to clone.
#[derive(Clone)]
pub struct IdManager {
    serving: Arc<Serving<Functions>>,
    /// The plugin's name, which no change of its build changes.
    plugin: Arc<str>,
    /// Whether an ID without the form that the contract asks for is an error.
    checked: bool,
}

impl IdManager {
    /// Opens the generator as it is, and passes its IDs on as they come.
    pub(super) async fn open_unchecked(
        plugin: &Plugin,
        store: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<Self, CallError> {
        let serving = Serving::open_unchecked(plugin, store, settings).await?;
        Ok(Self { serving: Arc::new(serving), plugin: plugin.name().into(), checked: false })
    }

    /// Opens the generator and refuses it if its IDs could be guessed.
    pub(super) async fn open(
        plugin: &Plugin,
        store: &str,
        settings: &BTreeMap<String, String>,
    ) -> Result<Self, CallError> {
        let serving = Serving::open(plugin, store, settings).await?;
        Ok(Self { serving: Arc::new(serving), plugin: plugin.name().into(), checked: true })
    }

    /// Whether a call is wanted that tries a plugin which is not called otherwise, because it kept failing.
    #[must_use]
    pub fn is_due_for_attempt(&self) -> bool {
        self.serving.is_due_for_attempt()
    }

    /// Its use of the plugin.
    pub(super) fn usage(&self) -> Arc<dyn Use> {
        self.serving.clone()
    }

    /// What the generator says of itself.
    #[must_use]
    pub fn info(&self) -> IdManagerInfo {
        let Info { name, entropy_bits, form, verifiable } = self.serving.now().info.clone();
        IdManagerInfo { name, entropy_bits, aspnet_form: form == IdForm::Aspnet, verifiable }
    }

    /// Whether `validate` recognises the generator's own IDs.
    #[must_use]
    pub fn is_verifiable(&self) -> bool {
        self.serving.now.load().info.verifiable
    }

    /// The plugin's name: its file name without the extension.
    #[must_use]
    pub fn plugin(&self) -> &str {
        &self.plugin
    }

    /// A fresh ID. One that does not have the form that the contract asks for is an error of the plugin.
    pub async fn create(&self, application: &str, previous: Option<&str>) -> Result<String, CallError> {
        let context = Context { application: application.to_owned(), previous: previous.map(str::to_owned) };
        let (checked, aspnet_form) = (self.checked, self.serving.now().info.form == IdForm::Aspnet);
        self.serving
            .call(
                Shard::Number(0),
                "create",
                |functions| Some(functions.create),
                |_| Ok((context,)),
                |_, id| match fault(&id, aspnet_form) {
                    Some(fault) if checked => Err(Nonsense(fault)),
                    _ => Ok(id),
                },
            )
            .await
    }

    /// Whether an ID has the right form and, for a verifiable generator, was made by it.
    pub async fn validate(&self, id: &str) -> Result<bool, CallError> {
        self.serving
            .call_plain(
                Shard::Number(0),
                "validate",
                |functions| Some(functions.validate),
                |_| Ok((id.to_owned(),)),
                |_, valid| Ok(valid),
            )
            .await
    }
}

/// What is wrong with an ID, without showing it.
fn fault(id: &str, aspnet_form: bool) -> Option<String> {
    let length = id.chars().count();
    if length == 0 || length > MAX_ID_CHARACTERS {
        return Some(format!("it made an ID of {length} characters; 1 to {MAX_ID_CHARACTERS} are allowed"));
    }
    // RFC 3986, section 2.3.
    let unreserved = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~');
    if let Some(wrong) = id.chars().find(|&c| !unreserved(c)) {
        return Some(format!("it made an ID with the character {wrong:?}; only letters, digits, `-._~` are allowed"));
    }
    // Section 5 of the protocol notes: digits 6 to 9 never occur.
    if aspnet_form && !(length == 24 && id.chars().all(|c| matches!(c, 'a'..='z' | '0'..='5'))) {
        return Some("it says that its IDs have the ASP.NET form, and made one that has not".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_the_right_form_have_no_fault() {
        assert_eq!(fault("aiaeqbqafqboaeebkycyqgyb", true), None);
        assert_eq!(fault("A-z_0.9~", false), None);
    }

    #[test]
    fn every_fault_is_named_without_the_id() {
        assert!(fault("", false).unwrap().contains("0 characters"));
        assert!(fault(&"a".repeat(81), false).unwrap().contains("81 characters"));
        assert!(fault("a/b", false).unwrap().contains("'/'"));
        assert!(fault("aiaeqbqafqboaeebkycyqgy9", true).unwrap().contains("ASP.NET"));
        assert!(fault("abc", true).unwrap().contains("ASP.NET"));
    }
}
