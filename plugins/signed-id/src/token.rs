//! The form of an ID: `1.KEY.RANDOM.SIGNATURE`.
//!
//! `1` is the version of this form, KEY the name of the key, RANDOM and SIGNATURE are base64url. The signature is that of
//! everything before it, the version and the key's name included, so that none of it can be exchanged. All characters are
//! among those that RFC 3986 leaves unreserved, and the longest ID has 77 of them.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use cloakroom_plugin_sdk::Error;

use crate::{
    key::{Key, SIGNATURE_BYTES},
    keyring::Keyring,
};

/// The version of the form.
const VERSION: &str = "1";

/// How many random bits an ID has, in whole bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entropy {
    bytes: u8,
}

impl Entropy {
    /// The fewest bits that the contract allows, and what an ID has unless told otherwise.
    const MIN: u32 = 128;
    /// As many as a key has. More would not fit into 80 characters.
    const MAX: u32 = 256;

    /// This many bits, rounded up to whole bytes.
    pub(crate) fn new(bits: Option<u32>) -> Result<Self, Error> {
        let bits = bits.unwrap_or(Self::MIN);
        let bytes = u8::try_from(bits.div_ceil(8)).ok().filter(|_| (Self::MIN..=Self::MAX).contains(&bits));
        let bytes = bytes.ok_or_else(|| {
            Error::InvalidArgument(format!(
                "the setting `entropy_bits` is {bits}; a session ID needs {} to {} random bits",
                Self::MIN,
                Self::MAX
            ))
        })?;
        Ok(Self { bytes })
    }

    /// Random bytes in an ID.
    pub(crate) fn bytes(self) -> usize {
        usize::from(self.bytes)
    }

    /// Random bits in an ID.
    pub(crate) fn bits(self) -> u32 {
        u32::from(self.bytes) * 8
    }
}

/// The ID of these random bytes under a key.
pub(crate) fn sign(key: &Key, random: &[u8]) -> String {
    let mut id = format!("{VERSION}.{}.{}", key.name(), URL_SAFE_NO_PAD.encode(random));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(&id));
    id.push('.');
    id.push_str(&signature);
    id
}

/// Whether an ID was made with one of the keys.
pub(crate) fn verify(keyring: &Keyring, id: &str) -> bool {
    let Some((signed, signature)) = id.rsplit_once('.') else { return false };
    let mut parts = signed.split('.');
    let (Some(VERSION), Some(name), Some(_random), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    let Some(key) = keyring.find(name) else { return false };
    let mut bytes = [0; SIGNATURE_BYTES];
    // Strict: of the ways to write the same bytes only the one that `sign` writes is taken.
    match URL_SAFE_NO_PAD.decode_slice(signature, &mut bytes) {
        Ok(SIGNATURE_BYTES) => key.verify(signed, &bytes),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring() -> Keyring {
        Keyring::parse(&format!("key-8_ch:{}", "A".repeat(43))).ok().unwrap()
    }

    fn id(bytes: usize) -> String {
        sign(keyring().signer(), &vec![0xa5; bytes])
    }

    #[test]
    fn an_id_has_four_parts_of_unreserved_characters() {
        let id = id(16);
        assert_eq!(id.split('.').map(str::len).collect::<Vec<_>>(), [1, 8, 22, 22]);
        assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)), "{id}");
    }

    #[test]
    fn the_longest_id_fits_into_80_characters() {
        let entropy = Entropy::new(Some(256)).unwrap();
        assert_eq!(id(entropy.bytes()).len(), 77);
    }

    #[test]
    fn changing_any_character_makes_it_invalid() {
        let (keyring, id) = (keyring(), id(16));
        assert!(verify(&keyring, &id));
        for place in 0..id.len() {
            for other in ['A', 'Q', '.', '=', '~', '0'] {
                let mut forged = id.clone();
                forged.replace_range(place..=place, &other.to_string());
                assert_eq!(verify(&keyring, &forged), forged == id, "{forged}");
            }
        }
    }

    #[test]
    fn a_signature_that_is_longer_shorter_or_missing_is_invalid() {
        let (keyring, id) = (keyring(), id(16));
        let unsigned = &id[..id.len() - 22];
        for forged in [format!("{id}A"), format!("{id}="), id[..id.len() - 1].to_owned(), unsigned.to_owned()] {
            assert!(!verify(&keyring, &forged), "{forged}");
        }
    }

    #[test]
    fn other_texts_are_invalid() {
        for text in ["", ".", "...", "1.key-8_ch..", "aiaeqbqafqboaeebkycyqgyb"] {
            assert!(!verify(&keyring(), text), "{text}");
        }
    }

    #[test]
    fn bits_are_rounded_up_to_bytes_and_kept_within_limits() {
        assert_eq!(Entropy::new(None).unwrap().bits(), 128);
        assert_eq!(Entropy::new(Some(129)).unwrap().bits(), 136);
        for bits in [0, 127, 257, u32::MAX] {
            assert!(Entropy::new(Some(bits)).is_err(), "{bits}");
        }
    }
}
