//! `settings`: what the operator wrote for the component.

use wasmtime::Result;

use super::{GuestContext, bindings::settings};

impl settings::Host for GuestContext {
    fn get(&mut self, name: String) -> Result<Option<String>> {
        Ok(self.setup.settings.get(&name).cloned())
    }

    fn all(&mut self) -> Result<Vec<(String, String)>> {
        Ok(self.setup.settings.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }
}
