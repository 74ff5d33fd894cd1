//! The keys that are in use.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305};
use cloakroom_plugin_sdk::Error;

/// Bytes of a key's ID in what is stored, and so its longest.
pub(crate) const ID_BYTES: usize = 8;

/// What `openssl rand -base64 32` writes; with or without the `=` at the end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key with its ID, filled up with zeros. It has no `Debug`, so that it cannot get into a log.
pub(crate) struct Key {
    pub(crate) id: [u8; ID_BYTES],
    pub(crate) cipher: XChaCha20Poly1305,
}

/// At least one key; the first encrypts, all decrypt.
pub(crate) struct Keyring {
    first: Key,
    others: Vec<Key>,
}

impl Keyring {
    /// Reads the setting `keys`. Errors name a key and never show it.
    pub(crate) fn parse(setting: &str) -> Result<Self, Error> {
        let mut texts = setting.split(',').map(str::trim).filter(|text| !text.is_empty());
        let Some(first) = texts.next() else {
            return Err(Error::InvalidArgument(
                "encrypt has no key; make one with `openssl rand -base64 32` and put it into the setting `keys` with an \
                 ID before it, as in keys = \"k1:THE-BASE64-TEXT\""
                    .to_owned(),
            ));
        };
        let mut keyring = Self { first: parse(first)?, others: Vec::new() };
        for text in texts {
            let key = parse(text)?;
            if keyring.find(&key.id).is_some() {
                return Err(Error::InvalidArgument(format!(
                    "the setting `keys` has two keys with the ID `{}`; sessions are matched to keys by ID, so give each \
                     its own",
                    shown(&key.id)
                )));
            }
            keyring.others.push(key);
        }
        Ok(keyring)
    }

    /// The key that encrypts.
    pub(crate) fn first(&self) -> &Key {
        &self.first
    }

    /// The key with an ID. IDs are no secret: every session carries one.
    pub(crate) fn find(&self, id: &[u8; ID_BYTES]) -> Option<&Key> {
        std::iter::once(&self.first).chain(&self.others).find(|key| key.id == *id)
    }
}

/// Reads `ID:BASE64`.
fn parse(text: &str) -> Result<Key, Error> {
    let invalid = |why: String| Err(Error::InvalidArgument(why));
    let Some((name, secret)) = text.split_once(':') else {
        return invalid("a key in the setting `keys` has no ID; write it as ID:BASE64, such as k1:…".to_owned());
    };
    let letters = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if name.is_empty() || name.len() > ID_BYTES || !name.bytes().all(letters) {
        return invalid(format!(
            "`{}` in the setting `keys` is no ID of a key; use 1 to {ID_BYTES} letters, digits, `-` or `_`",
            name.escape_debug()
        ));
    }
    let Ok(secret) = BASE64.decode(secret) else {
        return invalid(format!("the key `{name}` is not in base64; make one with `openssl rand -base64 32`"));
    };
    let Ok(cipher) = XChaCha20Poly1305::new_from_slice(&secret) else {
        return invalid(format!(
            "the key `{name}` has {} bytes and has to have 32; make one with `openssl rand -base64 32`",
            secret.len()
        ));
    };
    let mut id = [0; ID_BYTES];
    id.iter_mut().zip(name.bytes()).for_each(|(place, byte)| *place = byte);
    Ok(Key { id, cipher })
}

/// A key's ID as the operator wrote it.
pub(crate) fn shown(id: &[u8; ID_BYTES]) -> String {
    String::from_utf8_lossy(id).trim_end_matches('\0').escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(setting: &str) -> String {
        Keyring::parse(setting).err().expect("it is refused").message().to_owned()
    }

    #[test]
    fn the_first_key_encrypts_and_all_are_found() {
        let (one, other) = ("A".repeat(43), "B".repeat(42) + "A=");
        let keyring = Keyring::parse(&format!(" k1:{one} ,\nk2:{other},")).ok().unwrap();
        assert_eq!(shown(&keyring.first().id), "k1");
        assert!(keyring.find(b"k2\0\0\0\0\0\0").is_some() && keyring.find(b"k3\0\0\0\0\0\0").is_none());
    }

    #[test]
    fn wrong_keys_are_refused_with_the_reason_and_not_shown() {
        let secret = "A".repeat(43);
        assert!(refused("").contains("openssl rand"));
        assert!(refused(&secret).contains("has no ID"));
        assert!(refused(&format!("k 1:{secret}")).contains("`k 1` in the setting"));
        assert!(refused("k1:!").contains("`k1` is not in base64"));
        assert!(refused("k1:QUJD").contains("`k1` has 3 bytes and has to have 32"));
        let twice = refused(&format!("k1:{secret},k1:{secret}"));
        assert!(twice.contains("two keys with the ID `k1`") && !twice.contains(&secret));
    }
}
