//! Session IDs as ASP.NET makes them: 24 characters, 120 random bits.
//!
//! For stores that the stock `SessionIDManager` must be able to share: it takes nothing but IDs of this form. For
//! anything else `signed-id` is the better choice.

mod encoding;

use cloakroom_plugin_sdk::{Error, IdContext, IdForm, IdManager, IdManagerInfo, Settings, export_id_manager, random};

/// The generator. It has no state.
struct AspNetId;

impl IdManager for AspNetId {
    fn initialize(_store: &str, settings: &Settings) -> Result<Self, Error> {
        settings.allow_only(&[])?;
        Ok(Self)
    }

    fn info(&self) -> IdManagerInfo {
        IdManagerInfo {
            name: concat!("aspnet-id ", env!("CARGO_PKG_VERSION")).to_owned(),
            entropy_bits: encoding::RANDOM_BITS,
            form: IdForm::Aspnet,
            verifiable: false,
        }
    }

    fn create(&self, _context: IdContext) -> Result<String, Error> {
        let mut bytes = [0; encoding::RANDOM_BYTES];
        random::fill(&mut bytes);
        Ok(encoding::encode(bytes))
    }

    fn validate(&self, id: &str) -> bool {
        encoding::is_well_formed(id)
    }
}

export_id_manager!(AspNetId);
