//! Encrypts sessions on their way to the provider behind it, with XChaCha20-Poly1305.
//!
//! Setting:
//! - `keys`: `ID:BASE64` each, separated by commas. The first encrypts, all of them decrypt: to change keys, put a new
//!   one in front and take the old one out once the sessions of it have ended.
//!
//! A payload is bound to its session's application and ID, so that whoever can write to the store cannot give one
//! visitor the session of another. Therefore a session cannot be given a new ID here: under that its payload, which may
//! be locked and so out of reach, would belong to nobody. Versions, timeouts, subjects and media types are not encrypted.
//!
//! Reading and making payloads needs the grant `payload = true`.

mod keyring;
mod seal;

use cloakroom_plugin_sdk::{Error, Middleware, Payload, SessionKey, Settings, export_middleware, random};

use crate::{
    keyring::Keyring,
    seal::{NONCE_BYTES, OVERHEAD, Place},
};

struct Encrypt {
    keys: Keyring,
}

impl Middleware for Encrypt {
    const NAME: &'static str = concat!("encrypt ", env!("CARGO_PKG_VERSION"));

    fn initialize(_store: &str, settings: &Settings) -> Result<Self, Error> {
        settings.allow_only(&["keys"])?;
        Ok(Self { keys: Keyring::parse(settings.get("keys").unwrap_or_default())? })
    }

    fn store(&self, key: &SessionKey, payload: Payload) -> Result<Payload, Error> {
        let content_type = payload.content_type();
        // Random nonces of 24 bytes do not meet in the lifetime of any key.
        let mut nonce = [0; NONCE_BYTES];
        random::fill(&mut nonce);
        let sealed = seal::seal(self.keys.first(), nonce, &place(key, content_type.as_deref()), &payload.read())?;
        Ok(Payload::from_bytes(&sealed, content_type.as_deref()))
    }

    fn load(&self, key: &SessionKey, payload: Payload) -> Result<Payload, Error> {
        let content_type = payload.content_type();
        let plain = seal::open(&self.keys, &place(key, content_type.as_deref()), &payload.read())?;
        Ok(Payload::from_bytes(&plain, content_type.as_deref()))
    }

    fn loaded_size(&self, stored: u64) -> u64 {
        stored.saturating_sub(OVERHEAD as u64)
    }
}

fn place<'p>(key: &'p SessionKey, content_type: Option<&'p str>) -> Place<'p> {
    Place { application: &key.application, id: &key.id, content_type }
}

export_middleware!(Encrypt, SessionIndex, SessionScan);
