//! Rust types and traits made from `wit/`: what a component can import from this host.

#![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

wasmtime::component::bindgen!({
    path: "../wit",
    inline: "
        package cloakroom:linked;

        world imports {
            import cloakroom:session/types@0.1.0;
            import cloakroom:session/payloads@0.1.0;
            import cloakroom:session/payload-content@0.1.0;
            import cloakroom:session/kv@0.1.0;
            import cloakroom:session/expiry-callback@0.1.0;
            import cloakroom:session/log@0.1.0;
            import cloakroom:session/settings@0.1.0;
            import cloakroom:session/clock@0.1.0;
            import cloakroom:session/random@0.1.0;
        }
    ",
    imports: { default: trappable },
    with: {
        "cloakroom:session/payloads.payload": crate::contract::Payload,
    },
});

pub use self::cloakroom::session::{
    clock, expiry_callback, kv, log, payload_content, payloads, random, settings, types,
};
