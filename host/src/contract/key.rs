//! The name of one session.

use std::{fmt, sync::Arc};

use thiserror::Error;

/// The most bytes of UTF-8 that application and ID may have together.
pub const MAX_KEY_BYTES: usize = 1024;

/// Names one session: an application and an ID, compared byte by byte.
///
/// Both are non-empty, free of U+0000 and together at most [`MAX_KEY_BYTES`] long. Clones share the text. `Debug`
/// shows no ID, so that a key can stand in a log line.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey {
    application: Arc<str>,
    id: Arc<str>,
}

impl SessionKey {
    /// Checks the two parts.
    pub fn new(application: impl Into<Arc<str>>, id: impl Into<Arc<str>>) -> Result<Self, KeyError> {
        let (application, id) = (application.into(), id.into());
        if application.is_empty() {
            return Err(KeyError::Empty { part: "application" });
        }
        if id.is_empty() {
            return Err(KeyError::Empty { part: "session ID" });
        }
        let length = application.len() + id.len();
        if length > MAX_KEY_BYTES {
            return Err(KeyError::TooLong { length });
        }
        if application.contains('\0') || id.contains('\0') {
            return Err(KeyError::Nul);
        }
        Ok(Self { application, id })
    }

    /// The application that the session belongs to.
    #[must_use]
    pub fn application(&self) -> &str {
        &self.application
    }

    /// The session ID. A secret: never log it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Both parts, to share.
    #[must_use]
    pub fn parts(&self) -> (Arc<str>, Arc<str>) {
        (self.application.clone(), self.id.clone())
    }

    /// The same application with another ID.
    pub fn with_id(&self, id: &str) -> Result<Self, KeyError> {
        Self::new(self.application.clone(), id)
    }
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SessionKey({}/…)", self.application)
    }
}

/// Why two strings do not name a session.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyError {
    /// A part is empty.
    #[error("the {part} is empty; give at least one character")]
    Empty {
        /// Which part.
        part: &'static str,
    },
    /// Together too long.
    #[error("application and session ID have {length} bytes together; at most {MAX_KEY_BYTES} are allowed")]
    TooLong {
        /// How many bytes they have.
        length: usize,
    },
    /// A part contains U+0000.
    #[error("application or session ID contains U+0000, which is not allowed")]
    Nul,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_come_back_as_given() {
        let key = SessionKey::new("/LM/W3SVC/1/ROOT(x=)", "abc").unwrap();
        assert_eq!((key.application(), key.id()), ("/LM/W3SVC/1/ROOT(x=)", "abc"));
    }

    #[test]
    fn parts_that_join_to_the_same_text_are_different_keys() {
        assert_ne!(SessionKey::new("ab", "c").unwrap(), SessionKey::new("a", "bc").unwrap());
    }

    #[test]
    fn case_matters() {
        assert_ne!(SessionKey::new("A", "x").unwrap(), SessionKey::new("a", "x").unwrap());
    }

    #[test]
    fn wrong_parts_are_refused_with_the_reason() {
        assert_eq!(SessionKey::new("", "x"), Err(KeyError::Empty { part: "application" }));
        assert_eq!(SessionKey::new("a", ""), Err(KeyError::Empty { part: "session ID" }));
        assert_eq!(SessionKey::new("a", "x".repeat(1024)), Err(KeyError::TooLong { length: 1025 }));
        assert!(SessionKey::new("a", "x".repeat(1023)).is_ok());
        assert_eq!(SessionKey::new("a\0", "x"), Err(KeyError::Nul));
    }

    #[test]
    fn debug_output_does_not_show_the_id() {
        let shown = format!("{:?}", SessionKey::new("shop", "secret").unwrap());
        assert!(shown.contains("shop") && !shown.contains("secret"), "{shown}");
    }
}
