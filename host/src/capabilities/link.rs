//! Decides from a component's imports and its grants what it is given.

use std::collections::BTreeSet;

use thiserror::Error;
use wasmtime::component::{HasData, Linker, LinkerInstance};

use super::{
    GuestContext, GuestView,
    bindings::{clock, expiry_callback, log, payload_content, payloads, random, settings, types},
    inner,
    kv_interface::link_kv,
    redis, sql,
    wasi::{self, Interface},
};
use crate::{
    config::Grants,
    contract::{CONTRACT_PACKAGE, CONTRACT_VERSION},
};

/// What linking a component found out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Linked {
    /// Whether a call may wait for something outside the host, so that it has to run on a fiber.
    pub waits: bool,
    /// Whether it wraps another provider.
    pub wraps: bool,
}

/// Why a component cannot have what it asks for. Each says what to do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LinkError {
    /// The operator has not granted it.
    #[error(
        "it imports `{import}`, which it has not been granted; write `{grant}` into its grant file if it shall have it"
    )]
    NotGranted {
        /// The import.
        import: String,
        /// The line of the grant file that would grant it.
        grant: &'static str,
    },
    /// The contract in another version.
    #[error(
        "it was built for version {wanted} of the contract and this host speaks {CONTRACT_VERSION}; rebuild it with the {CONTRACT_VERSION} SDK, or run it in a host that speaks {wanted}"
    )]
    OtherVersion {
        /// The version it wants.
        wanted: String,
    },
    /// HTTP in the host.
    #[error(
        "it imports `{import}`, and this host makes no HTTP requests for components; one that speaks HTTP itself can be \
         granted `sockets`"
    )]
    NoHttp {
        /// The import.
        import: String,
    },
    /// Nobody has it.
    #[error(
        "it imports `{import}`, which is not part of the contract; a component for Cloakroom imports from `{CONTRACT_PACKAGE}@{CONTRACT_VERSION}` and WASI 0.2 only"
    )]
    Unknown {
        /// The import.
        import: String,
    },
}

/// The data that the generated `add_to_linker` functions ask for.
struct Guest;

impl HasData for Guest {
    type Data<'a> = &'a mut GuestContext;
}

/// An interface of the contract, to link functions of it by hand.
pub(super) fn interface<'l, T: 'static>(
    linker: &'l mut Linker<T>,
    name: &str,
) -> Result<LinkerInstance<'l, T>, wasmtime::Error> {
    linker.instance(&format!("{CONTRACT_PACKAGE}/{name}@{CONTRACT_VERSION}"))
}

/// Links what a component imports, if it is granted. `inner_waits`: whether the provider that it wraps may wait.
pub fn link<'a, T: GuestView + 'static>(
    linker: &mut Linker<T>,
    imports: impl IntoIterator<Item = &'a str>,
    grants: &Grants,
    inner_waits: bool,
) -> Result<Result<Linked, LinkError>, wasmtime::Error> {
    let mut wanted = Wanted::default();
    for import in imports {
        match decide(import, grants) {
            Err(error) => return Ok(Err(error)),
            Ok(Decision::Contract) => wanted.contract = true,
            Ok(Decision::PayloadContent) => wanted.payload_content = true,
            Ok(Decision::Wasi(interface, kind)) => {
                // The same interface may be imported in several versions, which are one to the linker.
                wanted.wasi.insert(interface);
                wanted.waits |= kind != Interface::Plain;
            }
            Ok(Decision::Inner) => wanted.inner = true,
            Ok(Decision::Redis) => {
                wanted.redis = true;
                wanted.waits = true;
            }
            Ok(Decision::Sql) => {
                wanted.sql = true;
                wanted.waits = true;
            }
        }
    }
    if wanted.contract {
        types::add_to_linker::<T, Guest>(linker, T::guest)?;
        payloads::add_to_linker::<T, Guest>(linker, T::guest)?;
        link_kv(linker)?;
        expiry_callback::add_to_linker::<T, Guest>(linker, T::guest)?;
        log::add_to_linker::<T, Guest>(linker, T::guest)?;
        settings::add_to_linker::<T, Guest>(linker, T::guest)?;
        clock::add_to_linker::<T, Guest>(linker, T::guest)?;
        random::add_to_linker::<T, Guest>(linker, T::guest)?;
    }
    if wanted.payload_content {
        payload_content::add_to_linker::<T, Guest>(linker, T::guest)?;
    }
    for interface in wanted.wasi {
        wasi::link(linker, interface)?;
    }
    if wanted.redis {
        redis::bindings::add_to_linker::<T, Guest>(linker, T::guest)?;
    }
    if wanted.sql {
        sql::bindings::add_to_linker::<T, Guest>(linker, T::guest)?;
    }
    if wanted.inner {
        inner::link_inner(linker, wanted.waits || inner_waits)?;
    }
    Ok(Ok(Linked { waits: wanted.waits, wraps: wanted.inner }))
}

/// What a component turned out to want.
#[derive(Default)]
struct Wanted {
    contract: bool,
    payload_content: bool,
    wasi: BTreeSet<&'static str>,
    waits: bool,
    redis: bool,
    sql: bool,
    inner: bool,
}

/// One import, allowed.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// An interface of the contract that everybody has.
    Contract,
    /// The content of payloads.
    PayloadContent,
    /// An interface of WASI.
    Wasi(&'static str, Interface),
    /// The provider that it wraps.
    Inner,
    /// Connections to Redis.
    Redis,
    /// Connections to SQL databases.
    Sql,
}

fn decide(import: &str, grants: &Grants) -> Result<Decision, LinkError> {
    let (name, version) = import.split_once('@').unwrap_or((import, ""));
    if let Some(interface) = name.strip_prefix(CONTRACT_PACKAGE).and_then(|rest| rest.strip_prefix('/')) {
        if version != CONTRACT_VERSION {
            return Err(LinkError::OtherVersion { wanted: version.to_owned() });
        }
        return match interface {
            "types" | "payloads" | "kv" | "expiry-callback" | "log" | "settings" | "clock" | "random" => {
                Ok(Decision::Contract)
            }
            "payload-content" if grants.payload => Ok(Decision::PayloadContent),
            "payload-content" => Err(LinkError::NotGranted { import: import.to_owned(), grant: "payload = true" }),
            "provider" | "session-index" | "session-scan" | "session-rename" => Ok(Decision::Inner),
            "redis" if !grants.redis.is_empty() => Ok(Decision::Redis),
            "redis" => Err(LinkError::NotGranted { import: import.to_owned(), grant: "redis = [\"CONNECTION\"]" }),
            "sql" if !grants.sql.is_empty() => Ok(Decision::Sql),
            "sql" => Err(LinkError::NotGranted { import: import.to_owned(), grant: "sql = [\"CONNECTION\"]" }),
            _ => Err(LinkError::Unknown { import: import.to_owned() }),
        };
    }
    match wasi::interface(name).filter(|_| version.starts_with("0.2.")) {
        Some((_, Interface::Sockets)) if grants.sockets.is_empty() => {
            Err(LinkError::NotGranted { import: import.to_owned(), grant: "sockets = [\"HOST:PORT\"]" })
        }
        Some((interface, kind)) => Ok(Decision::Wasi(interface, kind)),
        None if name.starts_with("wasi:http/") => Err(LinkError::NoHttp { import: import.to_owned() }),
        None => Err(LinkError::Unknown { import: import.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Limits;

    #[test]
    fn what_cannot_hurt_is_given_to_everybody() {
        for name in ["kv", "payloads", "log", "clock", "random"] {
            let import = format!("cloakroom:session/{name}@0.1.0");
            assert_eq!(decide(&import, &Grants::default()), Ok(Decision::Contract));
        }
        for (import, kind) in [
            ("wasi:random/random@0.2.0", Interface::Plain),
            ("wasi:cli/environment@0.2.3", Interface::Plain),
            ("wasi:filesystem/preopens@0.2.6", Interface::Plain),
            ("wasi:io/poll@0.2.0", Interface::Waits),
        ] {
            let name = import.split('@').next().expect("a name");
            assert_eq!(decide(import, &Grants::default()), Ok(Decision::Wasi(name, kind)));
        }
    }

    #[test]
    fn payload_content_needs_its_grant() {
        let import = "cloakroom:session/payload-content@0.1.0";
        let refused = decide(import, &Grants::default()).unwrap_err();
        assert!(refused.to_string().contains("`payload = true`"), "{refused}");
        assert_eq!(decide(import, &Grants { payload: true, ..Grants::default() }), Ok(Decision::PayloadContent));
    }

    #[test]
    fn the_network_needs_its_grant_and_an_empty_list_is_none() {
        let grants = |text: &str| Grants::from_toml("", Path::new(""), text, Limits::default()).expect("grants");
        let import = "wasi:sockets/tcp@0.2.0";
        for text in ["", "sockets = []"] {
            let refused = decide(import, &grants(text)).unwrap_err();
            assert!(refused.to_string().contains("`sockets = [\"HOST:PORT\"]`"), "{refused}");
        }
        let granted = grants("sockets = [\"10.0.0.1:80\"]");
        assert_eq!(decide(import, &granted), Ok(Decision::Wasi("wasi:sockets/tcp", Interface::Sockets)));
    }

    #[test]
    fn connections_need_their_grant_and_an_empty_list_is_none() {
        let import = "cloakroom:session/redis@0.1.0";
        let refused = decide(import, &Grants::default()).unwrap_err();
        assert!(refused.to_string().contains("`redis = [\"CONNECTION\"]`"), "{refused}");
        let granted = Grants { redis: vec!["main".into()], ..Grants::default() };
        assert_eq!(decide(import, &granted), Ok(Decision::Redis));
        let import = "cloakroom:session/sql@0.1.0";
        let refused = decide(import, &granted).unwrap_err();
        assert!(refused.to_string().contains("`sql = [\"CONNECTION\"]`"), "{refused}");
        let granted = Grants { sql: vec!["main".into()], ..Grants::default() };
        assert_eq!(decide(import, &granted), Ok(Decision::Sql));
    }

    #[test]
    fn what_this_host_does_not_have_is_not_given_to_anybody() {
        let everything = Grants { payload: true, kv: vec!["a".into()], ..Grants::default() };
        let import = "wasi:http/outgoing-handler@0.2.0";
        assert_eq!(decide(import, &everything), Err(LinkError::NoHttp { import: import.to_owned() }));
        for import in ["wasi:cli/environment@0.3.0", "wasi:cli/environment", "wasi:keyvalue/store@0.2.0-draft"] {
            assert_eq!(decide(import, &everything), Err(LinkError::Unknown { import: import.to_owned() }));
        }
    }

    #[test]
    fn another_contract_version_is_named() {
        let refused = decide("cloakroom:session/kv@0.9.0", &Grants::default()).unwrap_err();
        assert!(refused.to_string().contains("version 0.9.0 of the contract and this host speaks 0.1.0"), "{refused}");
    }

    #[test]
    fn an_import_that_nobody_has_is_named() {
        let refused = decide("acme:magic/wand@1.0.0", &Grants::default()).unwrap_err();
        assert!(refused.to_string().contains("`acme:magic/wand@1.0.0`"), "{refused}");
    }
}
