//! `NAME.wasm.sig`: the signatures of one component, one a line, each the public key and the signature in base64.

use std::{
    ffi::OsString,
    fmt,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::{PublicKey, SecretKey};

/// What a signature is for, so that it is good for nothing else.
const PURPOSE: &[u8] = b"cloakroom plugin signature 1\n";

/// The file with the signatures of the component in `component`.
#[must_use]
pub fn file_beside(component: &Path) -> PathBuf {
    let mut name = OsString::from(component);
    name.push(".sig");
    name.into()
}

/// Why a component does not count as signed by somebody who is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignatureError {
    /// There is no file with signatures.
    #[error(
        "it is not signed, and `plugins.trusted_keys` wants it to be; sign it with `cloakroom sign` and put NAME.wasm.sig \
         beside it"
    )]
    None,
    /// The file is something else.
    #[error(
        "line {line} of NAME.wasm.sig is not a signature (`ed25519:KEY SIGNATURE`); sign the component anew with \
         `cloakroom sign`"
    )]
    Malformed {
        /// The line, from 1.
        line: usize,
    },
    /// Nobody who signed is trusted.
    #[error(
        "it is signed by {signers}, and `plugins.trusted_keys` has none of these; trust the key, or refuse the plugin"
    )]
    NotTrusted {
        /// The keys that signed it.
        signers: String,
    },
    /// A trusted key signed something else.
    #[error(
        "the signature by {signer} is for another build than this one, which is sha256:{digest}; either the file was \
         changed after it was signed, or its NAME.wasm.sig was left behind: take both from where they were made"
    )]
    OtherBuild {
        /// The key.
        signer: String,
        /// What the component's digest is.
        digest: String,
    },
}

/// The signatures of a component.
#[derive(Debug, Clone, Default)]
pub struct Signatures(Vec<(PublicKey, [u8; 64])>);

impl Signatures {
    /// Reads what is in a `NAME.wasm.sig`.
    pub fn read(content: &[u8]) -> Result<Self, SignatureError> {
        let mut signatures = Vec::new();
        for (number, line) in content.split(|byte| *byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            let signature = std::str::from_utf8(line).ok().and_then(signature);
            signatures.push(signature.ok_or(SignatureError::Malformed { line: number + 1 })?);
        }
        Ok(Self(signatures))
    }

    /// The same with a signature by this key; signatures of other builds are dropped.
    #[must_use]
    pub fn with(mut self, component: &[u8], key: &SecretKey) -> Self {
        let message = message(component);
        self.0.retain(|(signer, signature)| *signer != key.public() && signer.has_signed(&message, signature));
        self.0.push((key.public(), key.sign(&message)));
        self
    }

    /// Who of the trusted signed this component.
    pub fn signer(&self, component: &[u8], trusted: &[PublicKey]) -> Result<PublicKey, SignatureError> {
        let message = message(component);
        let mut by_trusted = self.0.iter().filter(|(signer, _)| trusted.contains(signer)).peekable();
        let Some((first, _)) = by_trusted.peek().copied() else {
            let signers: Vec<String> = self.0.iter().map(|(signer, _)| signer.to_string()).collect();
            return Err(if signers.is_empty() {
                SignatureError::None
            } else {
                SignatureError::NotTrusted { signers: signers.join(", ") }
            });
        };
        match by_trusted.find(|(signer, signature)| signer.has_signed(&message, signature)) {
            Some((signer, _)) => Ok(*signer),
            None => Err(SignatureError::OtherBuild {
                signer: first.to_string(),
                digest: hex::encode(Sha256::digest(component)),
            }),
        }
    }
}

impl fmt::Display for Signatures {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(signer, signature)| writeln!(formatter, "{signer} {}", BASE64.encode(signature)))
    }
}

fn signature(line: &str) -> Option<(PublicKey, [u8; 64])> {
    let (signer, signature) = line.trim().split_once(' ')?;
    Some((signer.parse().ok()?, BASE64.decode(signature.trim_start()).ok()?.try_into().ok()?))
}

fn message(component: &[u8]) -> Vec<u8> {
    [PURPOSE, Sha256::digest(component).as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> SecretKey {
        SecretKey::new().expect("random numbers")
    }

    fn signed(component: &[u8], keys: &[&SecretKey]) -> Signatures {
        let signatures = keys.iter().fold(Signatures::default(), |signatures, key| signatures.with(component, key));
        Signatures::read(signatures.to_string().as_bytes()).expect("what was written can be read")
    }

    #[test]
    fn a_component_that_a_trusted_key_signed_is_recognised() {
        let (ours, theirs) = (key(), key());
        let signatures = signed(b"component", &[&theirs, &ours]);
        assert_eq!(signatures.signer(b"component", &[ours.public()]), Ok(ours.public()));
        assert_eq!(signatures.signer(b"component", &[theirs.public()]), Ok(theirs.public()));
    }

    #[test]
    fn a_component_that_nobody_signed_is_not() {
        let none = Signatures::default().signer(b"component", &[key().public()]);
        assert_eq!(none, Err(SignatureError::None));
    }

    #[test]
    fn the_signature_of_somebody_else_is_none() {
        let stranger = key();
        let refused = signed(b"component", &[&stranger]).signer(b"component", &[key().public()]);
        assert_eq!(refused, Err(SignatureError::NotTrusted { signers: stranger.public().to_string() }));
    }

    #[test]
    fn the_signature_of_another_build_is_none() {
        let key = key();
        let refused = signed(b"component", &[&key]).signer(b"compomemt", &[key.public()]);
        assert!(
            matches!(refused, Err(SignatureError::OtherBuild { signer, .. }) if signer == key.public().to_string())
        );
    }

    #[test]
    fn a_signature_under_another_name_is_none() {
        let (stranger, trusted) = (key(), key());
        let forged = signed(b"component", &[&stranger]).to_string();
        let forged = forged.replace(&stranger.public().to_string(), &trusted.public().to_string());
        let refused = Signatures::read(forged.as_bytes()).expect("lines").signer(b"component", &[trusted.public()]);
        assert!(matches!(refused, Err(SignatureError::OtherBuild { .. })), "{refused:?}");
    }

    #[test]
    fn signing_anew_keeps_the_signatures_of_others_for_this_build_only() {
        let (ours, theirs) = (key(), key());
        let both = signed(b"component", &[&theirs]).with(b"component", &ours).with(b"component", &ours);
        assert_eq!(both.to_string().lines().count(), 2);
        assert_eq!(both.with(b"another", &ours).to_string().lines().count(), 1);
    }

    #[test]
    fn what_is_no_signature_is_refused_with_its_line() {
        let text = format!("{}\n\nnot a signature\n", signed(b"component", &[&key()]));
        assert_eq!(Signatures::read(text.as_bytes()).err(), Some(SignatureError::Malformed { line: 4 }));
        assert_eq!(Signatures::read(&[0xff, 0xfe]).err(), Some(SignatureError::Malformed { line: 1 }));
    }
}
