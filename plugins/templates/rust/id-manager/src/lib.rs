//! A generator of session IDs: 20 random bytes as 40 hexadecimal digits.

use cloakroom_plugin_sdk::{Error, IdContext, IdForm, IdManager, IdManagerInfo, Settings, export_id_manager, random};

const RANDOM_BYTES: usize = 20;

/// The generator. It has no state.
struct HexId;

impl IdManager for HexId {
    fn initialize(_store: &str, settings: &Settings) -> Result<Self, Error> {
        // A misspelt setting would be ignored in silence.
        settings.allow_only(&[])?;
        Ok(Self)
    }

    fn info(&self) -> IdManagerInfo {
        IdManagerInfo {
            name: concat!("my-plugin ", env!("CARGO_PKG_VERSION")).to_owned(),
            // The host refuses a generator of less than 128.
            entropy_bits: RANDOM_BYTES as u32 * 8,
            form: IdForm::Custom,
            // For generators that can tell an ID of their own from any other, by a signature in it.
            verifiable: false,
        }
    }

    fn create(&self, _context: IdContext) -> Result<String, Error> {
        let mut bytes = [0; RANDOM_BYTES];
        random::fill(&mut bytes);
        Ok(encode(&bytes))
    }

    fn validate(&self, id: &str) -> bool {
        is_well_formed(id)
    }
}

export_id_manager!(HexId);

fn encode(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn is_well_formed(id: &str) -> bool {
    id.len() == 2 * RANDOM_BYTES && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_40_hexadecimal_digits() {
        let id = encode(&[0xa5; RANDOM_BYTES]);
        assert_eq!(id, "a5".repeat(20));
        assert!(is_well_formed(&id));
    }

    #[test]
    fn what_is_too_short_or_has_other_characters_is_no_id() {
        assert!(!is_well_formed(&"a".repeat(39)));
        assert!(!is_well_formed(&"A".repeat(40)));
    }
}
