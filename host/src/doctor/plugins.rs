//! The plugins that stores name: there, granted what they ask for, and willing to start with their settings.

use std::{collections::BTreeMap, path::PathBuf};

use super::finding::Notes;
use crate::{
    capabilities::{Connections, kv::Kv},
    clock::Clock,
    config::{Config, StoreConfig},
    plugins::{FindError, PluginDirectory, Runtime},
};

/// Opens the plugins of every store as a host does, and calls none of them for anything else.
pub(super) async fn examine(config: &Config, connections: &Connections) -> Vec<Notes> {
    let directory = match read(config, connections) {
        Ok(directory) => directory,
        Err(why) => {
            let mut notes = Notes::new("plugins");
            let remedy = "say with `plugins.directory` or --plugins where they are";
            notes.error("plugins", format!("`{}`: {why}", config.plugins.directory.display()), remedy);
            return vec![notes];
        }
    };
    let mut all = Vec::new();
    for (name, store) in &config.stores {
        let mut notes = Notes::new(format!("store `{name}`"));
        look_at(&mut notes, &directory, name, store).await;
        all.push(notes);
    }
    all
}

fn read(config: &Config, connections: &Connections) -> anyhow::Result<PluginDirectory> {
    let clock = Clock::system();
    let runtime = Runtime::new(clock.clone(), Kv::new(clock), cache(config))?.with_connections(connections.clone());
    Ok(PluginDirectory::read(runtime, &config.plugins)?)
}

/// The host's compiled code, if there is any: whoever looks after a host is not to make its directory.
fn cache(config: &Config) -> Option<PathBuf> {
    let directory = config.data_dir.join("compiled");
    directory.metadata().is_ok_and(|found| found.is_dir() && !found.permissions().readonly()).then_some(directory)
}

async fn look_at(notes: &mut Notes, plugins: &PluginDirectory, name: &str, store: &StoreConfig) {
    let none = BTreeMap::new();
    let settings = |plugin: &str| store.plugin_settings.get(plugin).unwrap_or(&none);
    let mut behind = match plugins.provider(&store.provider, name, &store.settings, None).await {
        Ok(provider) => {
            notes.ok("plugin", format!("`{}` keeps its sessions ({})", store.provider, provider.name()));
            Some(provider)
        }
        Err(error) => {
            refused(notes, &error);
            None
        }
    };
    for plugin in store.wrapped_by.iter().rev() {
        let Some(inner) = behind.take() else { break };
        match plugins.provider(plugin, name, settings(plugin), Some(inner)).await {
            Ok(provider) => {
                notes.ok("plugin", format!("`{plugin}` wraps it ({})", provider.name()));
                behind = Some(provider);
            }
            Err(error) => refused(notes, &error),
        }
    }
    match plugins.id_manager(&store.id_generator, name, &store.id_settings).await {
        Ok(_) => notes.ok("plugin", format!("`{}` makes its IDs", store.id_generator)),
        Err(error) => refused(notes, &error),
    }
    for plugin in &store.events {
        match plugins.event_handler(plugin, name, settings(plugin)).await {
            Ok(_) => notes.ok("plugin", format!("`{plugin}` hears of its sessions")),
            Err(error) => refused(notes, &error),
        }
    }
}

fn refused(notes: &mut Notes, error: &FindError) {
    let remedy = match error {
        FindError::Missing { .. } => "put the file there, or name another plugin",
        FindError::Refused { .. } => {
            "correct its grant file, NAME.toml beside NAME.wasm; `cloakroom inspect` prints one"
        }
        FindError::OtherKind { .. } => "name a plugin of that kind",
        FindError::Refuses { .. } => "correct the settings of the store, or what is granted to the plugin",
    };
    notes.error("plugin", error, remedy);
}
