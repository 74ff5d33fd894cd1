//! Whom a session belongs to, kept as the tag of its entry: the application, U+0000, the subject. Entries can be looked
//! up by tag, which is what the index is made of.

use cloakroom_plugin_sdk::{SessionKey, kv::TagChange};

/// The tag of the sessions of a subject.
pub(crate) fn tag(application: &str, subject: &str) -> String {
    SessionKey::storage_prefix(application) + subject
}

/// The subject in a tag.
pub(crate) fn subject(tag: &str) -> Option<String> {
    tag.split_once('\0').map(|(_, subject)| subject.to_owned())
}

/// What a write with this subject does to the tag: `None` keeps it, an empty one clears it.
pub(crate) fn tag_change(application: &str, subject: Option<&str>) -> TagChange {
    match subject {
        None => TagChange::Keep,
        Some("") => TagChange::Clear,
        Some(subject) => TagChange::Set(tag(application, subject)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_comes_back_out_of_its_tag_whatever_it_contains() {
        assert_eq!(subject(&tag("shop", "ann\0e")).as_deref(), Some("ann\0e"));
    }

    #[test]
    fn the_same_subject_of_two_applications_has_two_tags() {
        assert_ne!(tag("shop", "anne"), tag("bank", "anne"));
    }

    #[test]
    fn a_write_without_subject_keeps_it_and_an_empty_one_clears_it() {
        assert!(matches!(tag_change("shop", None), TagChange::Keep));
        assert!(matches!(tag_change("shop", Some("")), TagChange::Clear));
        assert!(matches!(tag_change("shop", Some("anne")), TagChange::Set(tag) if tag == "shop\0anne"));
    }
}
