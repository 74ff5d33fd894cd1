//! One signing key.

use base64::{
    Engine,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use cloakroom_plugin_sdk::Error;
use hmac_sha256::HMAC;
use subtle::ConstantTimeEq;

/// The fewest bytes of a key: as many as the hash has. A shorter one would be the weakest part of an ID.
const MIN_BYTES: usize = 32;

/// The longest name of a key. Longer ones would not leave room for 256 random bits in 80 characters.
pub(crate) const MAX_NAME: usize = 8;

/// Bytes of a signature: half of the hash, as RFC 2104 (5) allows at the least. A forger has one chance in 2^128.
pub(crate) const SIGNATURE_BYTES: usize = 16;

/// What `openssl rand -base64 32` writes; with or without the `=` at the end.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A key with its name. It has no `Debug`, so that it cannot get into a log.
pub(crate) struct Key {
    name: String,
    /// The key, already mixed in: a signature begins with a copy.
    hmac: HMAC,
}

impl Key {
    /// Reads `NAME:BASE64`. Errors name the key and never show it.
    pub(crate) fn parse(text: &str) -> Result<Self, Error> {
        let (name, secret) = text.split_once(':').ok_or_else(|| {
            invalid("a key in the setting `keys` has no name; write it as NAME:BASE64, such as k1:…".to_owned())
        })?;
        if !is_name(name) {
            return Err(invalid(format!(
                "`{}` in the setting `keys` is no name of a key; use 1 to {MAX_NAME} letters, digits, `-` or `_`",
                name.escape_debug()
            )));
        }
        let secret = BASE64.decode(secret).map_err(|_| {
            invalid(format!("the key `{name}` is not in base64; make one with `openssl rand -base64 32`"))
        })?;
        if secret.len() < MIN_BYTES {
            return Err(invalid(format!(
                "the key `{name}` has {} bytes; at least {MIN_BYTES} are needed: make one with `openssl rand -base64 32`",
                secret.len()
            )));
        }
        Ok(Self { name: name.to_owned(), hmac: HMAC::new(secret) })
    }

    /// Its name, which every ID carries.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The signature of a text.
    pub(crate) fn sign(&self, text: &str) -> [u8; SIGNATURE_BYTES] {
        let mut hmac = self.hmac.clone();
        hmac.update(text);
        let full = hmac.finalize();
        let mut signature = [0; SIGNATURE_BYTES];
        signature.iter_mut().zip(full).for_each(|(byte, of_full)| *byte = of_full);
        signature
    }

    /// Whether a signature is that of a text; takes as long for a nearly right one as for a wrong one.
    pub(crate) fn verify(&self, text: &str, signature: &[u8; SIGNATURE_BYTES]) -> bool {
        self.sign(text).ct_eq(signature).into()
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

fn invalid(message: String) -> Error {
    Error::InvalidArgument(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Key::parse(text).err().unwrap().message().to_owned()
    }

    #[test]
    fn a_key_is_read_with_and_without_padding() {
        assert!(Key::parse(&format!("k1:{}=", "A".repeat(43))).is_ok());
        assert!(Key::parse(&format!("k1:{}", "A".repeat(43))).is_ok());
    }

    #[test]
    fn a_signature_is_the_first_half_of_hmac_sha256() {
        // The well-known HMAC-SHA256 of an empty text under an empty key: HMAC fills keys up with zeros, so a key of
        // zeros is the same.
        let key = Key::parse(&format!("k1:{}", "A".repeat(43))).unwrap();
        assert_eq!(
            key.sign(""),
            [0xb6, 0x13, 0x67, 0x9a, 0x08, 0x14, 0xd9, 0xec, 0x77, 0x2f, 0x95, 0xd7, 0x78, 0xc3, 0x5f, 0xc5]
        );
    }

    #[test]
    fn short_keys_are_refused_by_name_and_length_and_never_shown() {
        assert_eq!(
            error("k1:c2VjcmV0"),
            "the key `k1` has 6 bytes; at least 32 are needed: make one with `openssl rand -base64 32`"
        );
    }

    #[test]
    fn text_that_is_no_key_is_refused_without_showing_it() {
        let secret = "s3cr3t!".repeat(8);
        for text in [secret.clone(), format!("k1:{secret}")] {
            assert!(!error(&text).contains("s3cr3t"), "{}", error(&text));
        }
        assert!(error(":AAAA").contains("is no name of a key"));
        assert!(error("key.one:AAAA").contains("`key.one`"));
        assert!(error("ninechars:AAAA").contains("1 to 8"));
    }
}
