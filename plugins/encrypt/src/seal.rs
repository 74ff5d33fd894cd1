//! A payload as it is stored: a version, the ID of its key, a random nonce, and what XChaCha20-Poly1305 makes of it.
//!
//! ```text
//!  1 byte    VERSION
//!  8 bytes   the key's ID, filled up with zeros
//! 24 bytes   nonce
//!            ciphertext, and the tag of 16 bytes
//! ```
//!
//! Bound to it (associated data) are the first nine bytes, the session's application and ID, and the payload's media
//! type. So a payload cannot be put into another session, and nothing of it can be changed.

use chacha20poly1305::{
    XNonce,
    aead::{Aead, Payload},
};
use cloakroom_plugin_sdk::Error;

use crate::keyring::{ID_BYTES, Key, Keyring, shown};

const VERSION: u8 = 1;
pub(crate) const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;

/// How much larger a payload is in its store.
pub(crate) const OVERHEAD: usize = 1 + ID_BYTES + NONCE_BYTES + TAG_BYTES;

/// What a payload belongs to.
pub(crate) struct Place<'p> {
    pub(crate) application: &'p str,
    pub(crate) id: &'p str,
    pub(crate) content_type: Option<&'p str>,
}

impl Place<'_> {
    /// Each part with its length, so that no two places are the same bytes.
    fn associated(&self, key: &[u8; ID_BYTES]) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(key);
        for part in [Some(self.application), Some(self.id), self.content_type] {
            bytes.push(u8::from(part.is_some()));
            let part = part.unwrap_or_default().as_bytes();
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }
}

/// Encrypts under a key with a nonce that was never used before.
pub(crate) fn seal(key: &Key, nonce: [u8; NONCE_BYTES], place: &Place<'_>, plain: &[u8]) -> Result<Vec<u8>, Error> {
    let message = Payload { msg: plain, aad: &place.associated(&key.id) };
    let sealed = key.cipher.encrypt(XNonce::from_slice(&nonce), message);
    let sealed = sealed.map_err(|_| Error::Other("the payload is too large to be encrypted".to_owned()))?;
    Ok([&[VERSION][..], &key.id, &nonce, &sealed].concat())
}

/// Decrypts under whichever key it was encrypted with.
pub(crate) fn open(keys: &Keyring, place: &Place<'_>, stored: &[u8]) -> Result<Vec<u8>, Error> {
    let parts = stored
        .split_first_chunk::<1>()
        .and_then(|(version, rest)| Some((version, rest.split_first_chunk::<ID_BYTES>()?)))
        .and_then(|(version, (id, rest))| Some((version, id, rest.split_first_chunk::<NONCE_BYTES>()?)));
    let Some((&[VERSION], id, (nonce, sealed))) = parts else {
        return Err(Error::Other(
            "the stored payload is not one that `encrypt` has encrypted: it was stored without, or changed since"
                .to_owned(),
        ));
    };
    let Some(key) = keys.find(id) else {
        return Err(Error::Other(format!(
            "the stored payload is encrypted with the key `{}`, which is not in the setting `keys`; put it there behind \
             the others for as long as sessions of it live",
            shown(id)
        )));
    };
    let message = Payload { msg: sealed, aad: &place.associated(id) };
    key.cipher.decrypt(XNonce::from_slice(nonce), message).map_err(|_| {
        Error::Other(format!(
            "the stored payload cannot be decrypted with the key `{}`: it was changed, it belongs to another session, or \
             the key is another one of that ID",
            shown(id)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place<'_> = Place { application: "shop", id: "a", content_type: Some("text/plain") };

    fn keys(setting: &str) -> Keyring {
        let (one, other) = ("A".repeat(43), "B".repeat(42) + "A");
        Keyring::parse(&setting.replace("ONE", &one).replace("OTHER", &other)).ok().unwrap()
    }

    fn sealed(keys: &Keyring) -> Vec<u8> {
        seal(keys.first(), [7; NONCE_BYTES], &PLACE, b"two coats").unwrap()
    }

    #[test]
    fn what_was_sealed_can_be_opened_and_not_be_read_otherwise() {
        let keys = keys("k1:ONE");
        let sealed = sealed(&keys);
        assert_eq!(sealed.len(), b"two coats".len() + OVERHEAD);
        assert!(!sealed.windows(4).any(|bytes| bytes == b"coat"));
        assert_eq!(open(&keys, &PLACE, &sealed).unwrap(), b"two coats");
    }

    #[test]
    fn what_was_changed_in_any_byte_is_refused() {
        let keys = keys("k1:ONE");
        let sealed = sealed(&keys);
        for place in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[place] ^= 1;
            assert!(open(&keys, &PLACE, &changed).is_err(), "byte {place}");
        }
        for length in 0..sealed.len() {
            assert!(open(&keys, &PLACE, &sealed[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn what_belongs_elsewhere_is_refused() {
        let keys = keys("k1:ONE");
        let sealed = sealed(&keys);
        let elsewhere = [
            Place { id: "b", ..PLACE },
            Place { application: "club", ..PLACE },
            Place { application: "shopa", id: "", ..PLACE },
            Place { content_type: None, ..PLACE },
            Place { content_type: Some("text/html"), ..PLACE },
        ];
        for place in elsewhere {
            let refused = open(&keys, &place, &sealed).unwrap_err();
            assert!(refused.message().contains("belongs to another session"), "{}", refused.message());
        }
    }

    #[test]
    fn keys_are_rotated_by_their_ids() {
        let (old, both, new) = (keys("k1:ONE"), keys("k2:OTHER,k1:ONE"), keys("k2:OTHER"));
        let sealed_before = sealed(&old);
        assert_eq!(open(&both, &PLACE, &sealed_before).unwrap(), b"two coats");
        assert_eq!(open(&new, &PLACE, &sealed(&both)).unwrap(), b"two coats", "the first key encrypts");
        let refused = open(&new, &PLACE, &sealed_before).unwrap_err();
        assert!(refused.message().contains("`k1`, which is not in the setting"), "{}", refused.message());
        assert!(open(&keys("k1:OTHER"), &PLACE, &sealed_before).is_err(), "another key of the same ID");
    }
}
