//! What the contract is called.

/// The contract version that this host speaks.
pub const CONTRACT_VERSION: &str = "0.1.0";

/// The package of the contract.
pub const CONTRACT_PACKAGE: &str = "cloakroom:session";
