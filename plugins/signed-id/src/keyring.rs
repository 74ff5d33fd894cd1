//! The keys that are in use.

use cloakroom_plugin_sdk::Error;

use crate::key::Key;

/// At least one key; the first signs, all verify.
pub(crate) struct Keyring {
    signer: Key,
    others: Vec<Key>,
}

impl Keyring {
    /// Reads the setting `keys`.
    pub(crate) fn parse(setting: &str) -> Result<Self, Error> {
        let mut texts = setting.split(',').map(str::trim).filter(|text| !text.is_empty());
        let Some(first) = texts.next() else {
            return Err(Error::InvalidArgument(
                "signed-id has no key to sign session IDs with; make one with `openssl rand -base64 32` and put it into \
                 the setting `keys` with a name before it, as in keys = \"k1:THE-BASE64-TEXT\""
                    .to_owned(),
            ));
        };
        let mut keyring = Self { signer: Key::parse(first)?, others: Vec::new() };
        for text in texts {
            let key = Key::parse(text)?;
            if keyring.find(key.name()).is_some() {
                return Err(Error::InvalidArgument(format!(
                    "the setting `keys` has two keys named `{}`; IDs are matched to keys by name, so give each its own",
                    key.name()
                )));
            }
            keyring.others.push(key);
        }
        Ok(keyring)
    }

    /// The key that signs.
    pub(crate) fn signer(&self) -> &Key {
        &self.signer
    }

    /// The key with a name. Names are no secret: every ID carries one.
    pub(crate) fn find(&self, name: &str) -> Option<&Key> {
        std::iter::once(&self.signer).chain(&self.others).find(|key| key.name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> String {
        format!("{name}:{}", "A".repeat(43))
    }

    #[test]
    fn the_first_key_signs_and_all_are_found() {
        let keyring = Keyring::parse(&format!(" {} ,\n{},", key("a"), key("b"))).ok().unwrap();
        assert_eq!(keyring.signer().name(), "a");
        assert!(keyring.find("a").is_some() && keyring.find("b").is_some() && keyring.find("c").is_none());
    }

    #[test]
    fn two_keys_of_one_name_are_refused() {
        let error = Keyring::parse(&format!("{},{}", key("a"), key("a"))).err().unwrap();
        assert!(error.message().contains("two keys named `a`"));
    }
}
