//! Keys of sessions as keys of a store.

use crate::SessionKey;

/// Between application and ID in a storage key. The contract keeps it out of both.
const SEPARATOR: char = '\0';

impl SessionKey {
    /// Application and ID as one string: the application, U+0000, the ID.
    ///
    /// ```
    /// # use cloakroom_plugin_sdk::SessionKey;
    /// let key = SessionKey { application: "shop".into(), id: "4711".into() };
    /// assert_eq!(key.into_storage_key(), "shop\u{0}4711");
    /// ```
    #[must_use]
    pub fn into_storage_key(self) -> String {
        let mut joined = self.application;
        joined.reserve_exact(1 + self.id.len());
        joined.push(SEPARATOR);
        joined.push_str(&self.id);
        joined
    }

    /// The key that [`into_storage_key`](Self::into_storage_key) made a storage key of; `None` if none did.
    #[must_use]
    pub fn from_storage_key(joined: &str) -> Option<Self> {
        let (application, id) = joined.split_once(SEPARATOR)?;
        Some(Self { application: application.to_owned(), id: id.to_owned() })
    }

    /// What the storage keys of an application's sessions begin with.
    #[must_use]
    pub fn storage_prefix(application: &str) -> String {
        format!("{application}{SEPARATOR}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_the_way_to_a_storage_key_and_back() {
        let key = SessionKey { application: "/LM/W3SVC/1/ROOT".into(), id: "a.b~c".into() };
        let back = SessionKey::from_storage_key(&key.clone().into_storage_key()).unwrap();
        assert_eq!((back.application, back.id), (key.application, key.id));
    }

    #[test]
    fn a_string_without_separator_is_no_storage_key() {
        assert!(SessionKey::from_storage_key("shop").is_none());
    }

    #[test]
    fn an_applications_prefix_is_no_prefix_of_another_applications_keys() {
        let key = SessionKey { application: "shop2".into(), id: "x".into() };
        assert!(!key.into_storage_key().starts_with(&SessionKey::storage_prefix("shop")));
    }
}
