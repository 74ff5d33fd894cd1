//! `expiry-callback`: where a provider's sweep hands the sessions that have expired.

use wasmtime::Result;

use super::{
    GuestContext,
    bindings::{expiry_callback, types},
    convert,
};
use crate::contract::{Item, SessionKey, StoreError};

/// Who hears of the sessions that a sweep finds expired.
pub trait ExpirySink: Send + Sync {
    /// Whether anybody wants to.
    fn listening(&self) -> bool;

    /// Takes on the report of an expired session. On an error the provider offers it again later.
    fn item_expired(&self, key: SessionKey, item: Item) -> Result<(), StoreError>;
}

impl expiry_callback::Host for GuestContext {
    fn listening(&mut self) -> Result<bool> {
        Ok(self.expiry.as_ref().is_some_and(|sink| sink.listening()))
    }

    fn item_expired(&mut self, key: types::SessionKey, item: types::Item) -> Result<Result<(), types::Error>> {
        let Some(sink) = self.expiry.clone() else {
            return Ok(Err(types::Error::InvalidArgument(
                "`item-expired` means something during `sweep` only".to_owned(),
            )));
        };
        let reported = convert::key(&key).and_then(|key| Ok((key, convert::item(&mut self.payloads, item)?)));
        Ok(match reported {
            Ok((key, item)) => sink.item_expired(key, item).map_err(types::Error::from),
            Err(nonsense) => Err(types::Error::InvalidArgument(nonsense.to_string())),
        })
    }
}
