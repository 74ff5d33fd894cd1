//! The macros that make a component of a type.

/// Makes a component of a [`Provider`](crate::Provider): `export_provider!(MyStore);`.
///
/// Optional operations that it implements are named behind it: `export_provider!(MyStore, SessionIndex, SessionScan);`
/// with [`SessionIndex`](crate::SessionIndex), [`SessionScan`](crate::SessionScan),
/// [`SessionRename`](crate::SessionRename), [`StateTransfer`](crate::StateTransfer).
#[macro_export]
macro_rules! export_provider {
    ($provider:ty $(, $optional:ident)* $(,)?) => {
        $crate::__export!($provider: Provider $($optional)*);
    };
}

/// Makes a component of a [`Middleware`](crate::Middleware): `export_middleware!(MyWrapper);`.
///
/// Of the optional operations those are named behind it that it passes on, if the provider that it wraps has them:
/// `export_middleware!(MyWrapper, SessionIndex, SessionScan, SessionRename);`.
#[macro_export]
macro_rules! export_middleware {
    ($middleware:ty $(, $optional:ident)* $(,)?) => {
        $crate::__export!($crate::middleware::Wrapping<$middleware>: Provider ExpiryFilter $($optional)*);
    };
}

/// Makes a component of an [`IdManager`](crate::IdManager): `export_id_manager!(MyGenerator);`.
#[macro_export]
macro_rules! export_id_manager {
    ($manager:ty) => {
        $crate::__export!($manager: IdManager);
    };
}

/// Makes a component of a [`SessionEvents`](crate::SessionEvents): `export_session_events!(MyHandler);`.
#[macro_export]
macro_rules! export_session_events {
    ($handler:ty) => {
        $crate::__export!($handler: SessionEvents);
    };
}

/// Makes a component of a [`PartitionResolver`](crate::PartitionResolver): `export_partition_resolver!(MyResolver);`.
#[macro_export]
macro_rules! export_partition_resolver {
    ($resolver:ty) => {
        $crate::__export!($resolver: PartitionResolver);
    };
}

/// What the macros above have in common.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($plugin:ty: $($interface:ident)+) => {
        // On every target, so that an ordinary `cargo check` tells what is missing.
        const _: fn() = || {
            fn implements<P: $($crate::$interface +)+>() {}
            implements::<$plugin>();
        };

        // A component exists in WebAssembly only; elsewhere the crate is a library with tests.
        #[cfg(target_family = "wasm")]
        #[allow(unsafe_code)]
        const _: () = {
            struct Exported;

            ::std::thread_local! {
                static SLOT: $crate::instance::Slot<$plugin> = const { ::std::cell::RefCell::new(None) };
            }

            impl $crate::instance::Instance for Exported {
                type Plugin = $plugin;

                fn with_slot<R>(use_slot: impl FnOnce(&$crate::instance::Slot<$plugin>) -> R) -> R {
                    SLOT.with(use_slot)
                }
            }

            $($crate::__export_interface!($interface Exported);)+
        };
    };
}

/// Exports one interface of an instance.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_interface {
    (Provider $instance:ident) => {
        $crate::bindings::provider::export!($instance with_types_in $crate::bindings::provider);
    };
    (SessionIndex $instance:ident) => {
        $crate::bindings::session_index::export!($instance with_types_in $crate::bindings::session_index);
    };
    (SessionScan $instance:ident) => {
        $crate::bindings::session_scan::export!($instance with_types_in $crate::bindings::session_scan);
    };
    (SessionRename $instance:ident) => {
        $crate::bindings::session_rename::export!($instance with_types_in $crate::bindings::session_rename);
    };
    (ExpiryFilter $instance:ident) => {
        $crate::bindings::expiry_filter::export!($instance with_types_in $crate::bindings::expiry_filter);
    };
    (StateTransfer $instance:ident) => {
        $crate::bindings::state_transfer::export!($instance with_types_in $crate::bindings::state_transfer);
    };
    (IdManager $instance:ident) => {
        $crate::bindings::id_manager::export!($instance with_types_in $crate::bindings::id_manager);
    };
    (SessionEvents $instance:ident) => {
        $crate::bindings::session_events::export!($instance with_types_in $crate::bindings::session_events);
    };
    (PartitionResolver $instance:ident) => {
        $crate::bindings::partition_resolver::export!($instance with_types_in $crate::bindings::partition_resolver);
    };
}
