//! What wit-bindgen makes of the WIT package: the imports once, and each export by itself.
//!
//! A component has to export what it implements and nothing else. So each interface that a plugin can export has a
//! world of its own here, which is described in the component only where the matching `export_…!` macro is used; the
//! linker unites the worlds it finds. Imports that a plugin does not use it leaves out.
//!
//! Plugins use what the crate re-exports by name, and the macros use this module; nobody else should.

// The WIT carries the documentation; what wit-bindgen adds of its own has none.
#![allow(missing_docs)]

/// What the host offers, and the types of the contract.
pub mod host {
    wit_bindgen::generate!({
        path: "../wit",
        inline: "
            package cloakroom:plugin-sdk;
            world imports {
                include cloakroom:session/host@0.1.0;
                import cloakroom:session/provider@0.1.0;
                import cloakroom:session/session-index@0.1.0;
                import cloakroom:session/session-scan@0.1.0;
                import cloakroom:session/session-rename@0.1.0;
            }
        ",
        world: "cloakroom:plugin-sdk/imports",
        generate_all,
        generate_unused_types: true,
    });
}

/// Makes the module of one exported interface, which uses the types of [`host`].
macro_rules! export {
    ($module:ident, $world:literal, $wit:literal) => {
        pub mod $module {
            wit_bindgen::generate!({
                path: "../wit",
                inline: $wit,
                world: $world,
                pub_export_macro: true,
                with: {
                    "cloakroom:session/types@0.1.0": crate::bindings::host::cloakroom::session::types,
                    "cloakroom:session/payloads@0.1.0": crate::bindings::host::cloakroom::session::payloads,
                },
            });
        }
    };
}

export!(
    provider,
    "cloakroom:plugin-sdk/export-provider",
    "package cloakroom:plugin-sdk; world export-provider { export cloakroom:session/provider@0.1.0; }"
);
export!(
    session_index,
    "cloakroom:plugin-sdk/export-session-index",
    "package cloakroom:plugin-sdk; world export-session-index { export cloakroom:session/session-index@0.1.0; }"
);
export!(
    session_scan,
    "cloakroom:plugin-sdk/export-session-scan",
    "package cloakroom:plugin-sdk; world export-session-scan { export cloakroom:session/session-scan@0.1.0; }"
);
export!(
    session_rename,
    "cloakroom:plugin-sdk/export-session-rename",
    "package cloakroom:plugin-sdk; world export-session-rename { export cloakroom:session/session-rename@0.1.0; }"
);
export!(
    expiry_filter,
    "cloakroom:plugin-sdk/export-expiry-filter",
    "package cloakroom:plugin-sdk; world export-expiry-filter { export cloakroom:session/expiry-filter@0.1.0; }"
);
export!(
    state_transfer,
    "cloakroom:plugin-sdk/export-state-transfer",
    "package cloakroom:plugin-sdk; world export-state-transfer { export cloakroom:session/state-transfer@0.1.0; }"
);
export!(
    id_manager,
    "cloakroom:plugin-sdk/export-id-manager",
    "package cloakroom:plugin-sdk; world export-id-manager { export cloakroom:session/id-manager@0.1.0; }"
);
export!(
    session_events,
    "cloakroom:plugin-sdk/export-session-events",
    "package cloakroom:plugin-sdk; world export-session-events { export cloakroom:session/session-events@0.1.0; }"
);
export!(
    partition_resolver,
    "cloakroom:plugin-sdk/export-partition-resolver",
    "package cloakroom:plugin-sdk; world export-partition-resolver { export cloakroom:session/partition-resolver@0.1.0; }"
);
