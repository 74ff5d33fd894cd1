//! What a component must show before anything of it is compiled: that it is the build that the operator meant, and that
//! somebody who is trusted made it.

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::{
    config::{Grants, PluginsConfig},
    signature::{PublicKey, SignatureError, Signatures},
};

/// The operator's demands on every plugin of a directory.
#[derive(Debug, Clone, Default)]
pub(super) struct Admission {
    require_digest: bool,
    trusted_keys: Vec<PublicKey>,
}

/// Why a component is not looked at further.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotAdmitted {
    /// It is another build.
    #[error(
        "its grant file is for the build `digest = \"{pinned}\"`, and this one is \"{found}\"; write that there if you \
         want this build, or put the other one back"
    )]
    OtherBuild {
        /// What the grant file says.
        pinned: String,
        /// What it is.
        found: String,
    },
    /// It is any build.
    #[error(
        "`plugins.require_digest` refuses plugins whose build nobody has chosen; if you want this one, write \
         `digest = \"{found}\"` into its grant file"
    )]
    NotPinned {
        /// What it is.
        found: String,
    },
    /// It is not signed by anybody who is trusted.
    #[error(transparent)]
    Signature(#[from] SignatureError),
}

impl Admission {
    /// The demands of a configuration.
    pub(super) fn new(config: &PluginsConfig) -> Self {
        Self { require_digest: config.require_digest, trusted_keys: config.trusted_keys.clone() }
    }

    /// Lets a component in, or says why not. `signatures` is what the file beside it contains.
    pub(super) fn admit(
        &self,
        component: &[u8],
        signatures: Option<&[u8]>,
        grants: &Grants,
    ) -> Result<(), NotAdmitted> {
        let found = || format!("sha256:{}", hex::encode(Sha256::digest(component)));
        match &grants.digest {
            None if self.require_digest => return Err(NotAdmitted::NotPinned { found: found() }),
            Some(pinned) if *pinned != found() => {
                return Err(NotAdmitted::OtherBuild { pinned: pinned.clone(), found: found() });
            }
            _ => {}
        }
        if !self.trusted_keys.is_empty() {
            Signatures::read(signatures.unwrap_or_default())?.signer(component, &self.trusted_keys)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::SecretKey;

    fn pinned(component: &[u8]) -> Grants {
        let digest = Some(format!("sha256:{}", hex::encode(Sha256::digest(component))));
        Grants { digest, ..Grants::default() }
    }

    #[test]
    fn whoever_demands_nothing_takes_any_build() {
        assert_eq!(Admission::default().admit(b"a", None, &Grants::default()), Ok(()));
    }

    #[test]
    fn a_pin_admits_its_own_build_and_names_both_where_it_is_another() {
        assert_eq!(Admission::default().admit(b"a", None, &pinned(b"a")), Ok(()));
        let refused = Admission::default().admit(b"b", None, &pinned(b"a")).expect_err("another").to_string();
        for component in [b"a", b"b"] {
            assert!(refused.contains(&hex::encode(Sha256::digest(component))), "{refused}");
        }
    }

    #[test]
    fn where_a_digest_is_required_a_component_without_one_is_refused_with_the_line_to_write() {
        let strict = Admission { require_digest: true, ..Admission::default() };
        assert_eq!(strict.admit(b"a", None, &pinned(b"a")), Ok(()));
        let refused = strict.admit(b"a", None, &Grants::default()).expect_err("no pin").to_string();
        let line = format!("`digest = \"sha256:{}\"`", hex::encode(Sha256::digest(b"a")));
        assert!(refused.contains(&line), "{refused}");
    }

    #[test]
    fn where_keys_are_trusted_a_component_needs_the_signature_of_one() {
        let (ours, theirs) = (SecretKey::new().expect("a key"), SecretKey::new().expect("a key"));
        let strict = Admission { trusted_keys: vec![ours.public()], ..Admission::default() };
        let by = |key: &SecretKey| Signatures::default().with(b"a", key).to_string();
        let admit = |component: &[u8], signatures: Option<&str>| {
            strict.admit(component, signatures.map(str::as_bytes), &Grants::default())
        };
        assert_eq!(admit(b"a", Some(&by(&ours))), Ok(()));
        assert_eq!(admit(b"a", None), Err(NotAdmitted::Signature(SignatureError::None)));
        assert_eq!(admit(b"a", Some("")), Err(NotAdmitted::Signature(SignatureError::None)));
        for (component, signatures) in [(b"a", by(&theirs)), (b"b", by(&ours)), (b"a", "nonsense".to_owned())] {
            assert!(admit(component, Some(&signatures)).is_err(), "{signatures}");
        }
    }
}
