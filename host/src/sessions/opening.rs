//! What a store is opened with: its plugins, and whoever hears of its sessions.

use std::{collections::BTreeMap, sync::Arc};

use thiserror::Error;

use super::events::{Handler, HandlerLimits, Receiver, Webhook, WebhookError};
use crate::{
    capabilities::kv::Kv,
    clock::Clock,
    config::{Config, StoreConfig},
    plugins::{FindError, IdManager, PluginDirectory, Provider},
};

/// The plugins that keep its sessions and make its IDs.
pub(super) async fn open_plugins(
    name: &str,
    store: &StoreConfig,
    plugins: &PluginDirectory,
) -> Result<(Provider, IdManager), OpenError> {
    let unusable = |error: FindError| OpenError::Plugin { store: name.to_owned(), error };
    let mut provider = plugins.provider(&store.provider, name, &store.settings, None).await.map_err(unusable)?;
    let none = BTreeMap::new();
    for plugin in store.wrapped_by.iter().rev() {
        let settings = store.plugin_settings.get(plugin).unwrap_or(&none);
        provider = plugins.provider(plugin, name, settings, Some(provider)).await.map_err(unusable)?;
    }
    let ids = plugins.id_manager(&store.id_generator, name, &store.id_settings).await.map_err(unusable)?;
    Ok((provider, ids))
}

/// The plugins that hear of its sessions.
pub(super) async fn open_handlers(
    name: &str,
    store: &StoreConfig,
    plugins: &PluginDirectory,
    clock: &Clock,
    kv: &Kv,
) -> Result<Vec<Arc<Handler>>, OpenError> {
    let none = BTreeMap::new();
    let mut opened = Vec::new();
    for plugin in &store.events {
        let settings = store.plugin_settings.get(plugin).unwrap_or(&none);
        let handler = plugins.event_handler(plugin, name, settings).await;
        opened.push(handler.map_err(|error| OpenError::Plugin { store: name.to_owned(), error })?);
    }
    let open = |plugin| {
        let (receiver, limits) = (Receiver::Plugin(plugin), HandlerLimits::of_plugins(name, store));
        Arc::new(Handler::open(name, receiver, limits, clock, kv))
    };
    Ok(opened.into_iter().map(open).collect())
}

/// Who else is told, over HTTP.
pub(super) fn open_webhooks(
    store_name: &str,
    store: &StoreConfig,
    config: &Config,
    clock: &Clock,
    kv: &Kv,
) -> Result<Vec<Arc<Handler>>, OpenError> {
    let mut opened = Vec::new();
    for (name, config) in store.webhooks.iter().filter_map(|name| config.webhooks.get_key_value(name)) {
        let webhook = Webhook::open(name, config, clock).map_err(|error| OpenError::Webhook {
            store: store_name.to_owned(),
            webhook: name.clone(),
            error,
        })?;
        if config.is_readable_on_the_way() {
            tracing::warn!(
                store = store_name,
                webhook = name,
                "session IDs are posted without TLS to another machine; write https:// if it can"
            );
        }
        let (receiver, limits) = (Receiver::Webhook(Box::new(webhook)), HandlerLimits::of_webhook(name, config));
        opened.push(Arc::new(Handler::open(store_name, receiver, limits, clock, kv)));
    }
    Ok(opened)
}

/// Why a store could not be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The plugin is not there, not of the kind, or does not start.
    #[error("store `{store}` cannot be opened: {error}")]
    Plugin {
        /// The store.
        store: String,
        /// What is wrong with the plugin.
        error: FindError,
    },
    /// A webhook cannot be used.
    #[error("webhook `{webhook}` of store `{store}` cannot be used: {error}")]
    Webhook {
        /// The store.
        store: String,
        /// The webhook.
        webhook: String,
        /// What is wrong with it.
        error: WebhookError,
    },
    /// There is no such store.
    #[error("there is no store `{store}`; add a section `[stores.{store}]`")]
    NoSuchStore {
        /// The name that was looked for.
        store: String,
    },
}
