//! Signatures of components: who built this, told by ed25519 keys.
//!
//! A signature lies beside the component, in `NAME.wasm.sig`, and not in it: signing changes no byte, so that the digest
//! by which a build is pinned, cached and known elsewhere stays what it was, and nothing has to understand wasm to check
//! one. What it costs is a second file to carry along. A file may hold the signatures of several keys, one a line, so
//! that a key can be replaced while hosts still trust the old one.
//!
//! Signed is a short text that says what the signature is for, and the component's SHA-256: a key that signs other
//! things too cannot be tricked into signing a component. The grant file is not signed: it is the operator's own.
//!
//! Keys and signatures are read and written here; the plugin runtime asks for them before it compiles anything.

mod key;
mod signatures;

pub use key::{KeyError, PublicKey, SecretKey};
pub use signatures::{SignatureError, Signatures, file_beside};
