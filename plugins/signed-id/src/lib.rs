//! Session IDs that carry a signature: a forged or mistyped one is told from a real one without asking the store.
//!
//! An ID is `1.KEY.RANDOM.SIGNATURE` (see `token.rs`). The settings:
//! - `keys`: the keys that sign, `NAME:BASE64` each, separated by commas. The first signs new IDs, all of them verify:
//!   to change the key, put a new one first, and take the old one out when the last of its sessions has ended.
//! - `entropy_bits`: random bits in an ID, 128 (the default) to 256.

mod key;
mod keyring;
mod token;

use cloakroom_plugin_sdk::{Error, IdContext, IdForm, IdManager, IdManagerInfo, Settings, export_id_manager, random};

use crate::{keyring::Keyring, token::Entropy};

/// The generator.
struct SignedId {
    keyring: Keyring,
    entropy: Entropy,
}

impl SignedId {
    fn new(settings: &Settings) -> Result<Self, Error> {
        settings.allow_only(&["keys", "entropy_bits"])?;
        Ok(Self {
            keyring: Keyring::parse(settings.get("keys").unwrap_or_default())?,
            entropy: Entropy::new(settings.parse("entropy_bits")?)?,
        })
    }

    /// The ID of these random bytes.
    fn sign(&self, random: &[u8]) -> String {
        token::sign(self.keyring.signer(), random)
    }
}

impl IdManager for SignedId {
    fn initialize(_store: &str, settings: &Settings) -> Result<Self, Error> {
        Self::new(settings)
    }

    fn info(&self) -> IdManagerInfo {
        IdManagerInfo {
            name: concat!("signed-id ", env!("CARGO_PKG_VERSION")).to_owned(),
            entropy_bits: self.entropy.bits(),
            form: IdForm::Custom,
            verifiable: true,
        }
    }

    fn create(&self, _context: IdContext) -> Result<String, Error> {
        let mut bytes = vec![0; self.entropy.bytes()];
        random::fill(&mut bytes);
        Ok(self.sign(&bytes))
    }

    fn validate(&self, id: &str) -> bool {
        token::verify(&self.keyring, id)
    }
}

export_id_manager!(SignedId);

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "old:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const NEW: &str = "new:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

    fn settings(settings: &[(&str, &str)]) -> Settings {
        Settings::new(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn generator(keys: &str) -> SignedId {
        SignedId::new(&settings(&[("keys", keys)])).unwrap()
    }

    #[test]
    fn an_id_is_valid_for_the_generator_that_made_it() {
        let generator = generator(NEW);
        assert!(generator.validate(&generator.sign(&[7; 16])));
    }

    #[test]
    fn an_id_made_with_another_key_of_the_same_name_is_not_valid() {
        let forged = generator(&OLD.replace("old:", "new:")).sign(&[7; 16]);
        assert!(!generator(NEW).validate(&forged));
    }

    #[test]
    fn after_a_change_of_keys_ids_of_the_old_key_stay_valid_and_new_ones_have_the_new_key() {
        let before = generator(OLD).sign(&[7; 16]);
        let during = generator(&format!("{NEW}, {OLD}"));
        assert!(during.validate(&before));
        assert!(during.sign(&[7; 16]).starts_with("1.new."));
        assert!(generator(NEW).validate(&during.sign(&[7; 16])));
        assert!(!generator(NEW).validate(&before));
    }

    #[test]
    fn without_keys_it_refuses_and_shows_how_to_make_one() {
        let error = SignedId::new(&settings(&[])).err().unwrap();
        assert!(error.message().contains("openssl rand -base64 32"), "{error}");
    }

    #[test]
    fn less_than_128_bits_are_refused() {
        let error = SignedId::new(&settings(&[("keys", NEW), ("entropy_bits", "120")])).err().unwrap();
        assert!(error.message().contains("`entropy_bits` is 120"), "{error}");
    }

    #[test]
    fn what_it_says_of_its_entropy_is_what_it_draws() {
        let generator = SignedId::new(&settings(&[("keys", NEW), ("entropy_bits", "130")])).unwrap();
        assert_eq!(generator.info().entropy_bits, 136);
        assert_eq!(generator.entropy.bytes() * 8, 136);
    }
}
