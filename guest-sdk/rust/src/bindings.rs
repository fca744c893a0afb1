//! The contract in Rust: what `wit-bindgen` makes of `wit/`.
//!
//! Nothing here is written by hand but the lists of worlds; the friendly side is in `points`, `batch` and `fetch`, and
//! the types of `refusal.wit` are in `refusal`, where they have a better `Display` than the generator's.
//! There is one small world per point, not one for all: the world that is linked in must be exported completely, so
//! a plugin links in only the worlds that its `plugin!` names. Imports may be declared freely, unused ones vanish.
#![allow(missing_docs, reason = "generated; the documentation is that of the WIT files")]
#![allow(unreachable_pub, reason = "generated")]
#![allow(rust_2018_idioms, reason = "generated")]
#![allow(clippy::all, reason = "generated")]
#![allow(clippy::allow_attributes_without_reason, reason = "generated")]

/// The host's interfaces and the types of tables; every other world uses these types.
pub mod host {
    wit_bindgen::generate!({
        inline: "
            package plugwork:guest-host;
            world host {
                import plugwork:table/types@0.1.0;
                import plugwork:host/log@0.1.0;
                import plugwork:host/fetch@0.1.0;
                import plugwork:host/events@0.1.0;
            }
        ",
        path: ["../../wit/table", "../../wit/plugin", "../../wit/host"],
        generate_all,
        generate_unused_types: true,
        with: { "plugwork:plugin/refusal@0.1.0": crate::refusal },
        additional_derives: [Clone, PartialEq],
    });
}

/// Secrets: a world of its own, because a type that borrows a handle cannot derive what the types above do.
pub mod secrets_world {
    wit_bindgen::generate!({
        inline: "package plugwork:guest-secrets; world guest-secrets { import plugwork:host/secrets@0.1.0; }",
        path: ["../../wit/table", "../../wit/plugin", "../../wit/host"],
        with: {
            "plugwork:plugin/refusal@0.1.0": crate::refusal,
            "plugwork:host/fetch@0.1.0": crate::bindings::fetch,
            "plugwork:host/secrets@0.1.0": generate,
        },
    });
}

pub use host::plugwork::host::{events, fetch, log};
pub use host::plugwork::table::types;
pub use secrets_world::plugwork::host::secrets;

/// Every plugin's lifecycle.
pub mod lifecycle {
    wit_bindgen::generate!({
        inline: "package plugwork:guest-lifecycle; world guest-lifecycle { export plugwork:plugin/lifecycle@0.1.0; }",
        path: ["../../wit/table", "../../wit/plugin"],
        with: { "plugwork:plugin/refusal@0.1.0": crate::refusal },
        pub_export_macro: true,
    });
    pub use exports::plugwork::plugin::lifecycle::Guest as Exports;
}

/// What a plugin may export to keep its memory when it is replaced.
pub mod handover {
    wit_bindgen::generate!({
        inline: "package plugwork:guest-handover; world guest-handover { export plugwork:plugin/handover@0.1.0; }",
        path: ["../../wit/table", "../../wit/plugin"],
        with: { "plugwork:plugin/refusal@0.1.0": crate::refusal },
        pub_export_macro: true,
    });
    pub use exports::plugwork::plugin::handover::Guest as Exports;
}

/// One world that exports one point, sharing the types above.
macro_rules! point {
    ($(#[$documentation:meta])* $module:ident $wit:tt) => {
        $(#[$documentation])*
        pub mod $module {
            wit_bindgen::generate!({
                inline: $wit,
                path: ["../../wit/table", "../../wit/plugin", "../../wit/host", "../../wit/points"],
                with: {
                    "plugwork:plugin/refusal@0.1.0": crate::refusal,
                    "plugwork:table/types@0.1.0": crate::bindings::types,
                },
                pub_export_macro: true,
            });
            pub use exports::plugwork::points::$module::Guest as Exports;
        }
    };
}

point! {
    /// The point `data-source`.
    data_source
    "package plugwork:guest-data-source; world guest-data-source { export plugwork:points/data-source@0.1.0; }"
}
point! {
    /// The point `transformer`.
    transformer
    "package plugwork:guest-transformer; world guest-transformer { export plugwork:points/transformer@0.1.0; }"
}
point! {
    /// The point `analyzer`.
    analyzer
    "package plugwork:guest-analyzer; world guest-analyzer { export plugwork:points/analyzer@0.1.0; }"
}
point! {
    /// The point `exporter`.
    exporter
    "package plugwork:guest-exporter; world guest-exporter { export plugwork:points/exporter@0.1.0; }"
}
point! {
    /// The point `visualization`.
    visualization
    "package plugwork:guest-visualization; world guest-visualization { export plugwork:points/visualization@0.1.0; }"
}
/// The point `http-function`, which has no tables.
pub mod http_function {
    wit_bindgen::generate!({
        inline: "package plugwork:guest-http-function; world guest-http-function { export plugwork:points/http-function@0.1.0; }",
        path: ["../../wit/table", "../../wit/plugin", "../../wit/host", "../../wit/points"],
        with: { "plugwork:plugin/refusal@0.1.0": crate::refusal },
        pub_export_macro: true,
    });
    pub use exports::plugwork::points::http_function::Guest as Exports;
}

/// The point `guard`, which has no tables.
pub mod guard {
    wit_bindgen::generate!({
        inline: "package plugwork:guest-guard; world guest-guard { export plugwork:points/guard@0.1.0; }",
        path: ["../../wit/table", "../../wit/plugin", "../../wit/host", "../../wit/points"],
        with: { "plugwork:plugin/refusal@0.1.0": crate::refusal },
        additional_derives: [Clone, PartialEq],
        pub_export_macro: true,
    });
    pub use exports::plugwork::points::guard::Guest as Exports;
}

/// The point `event-handler`, which has no tables.
pub mod event_handler {
    wit_bindgen::generate!({
        inline: "package plugwork:guest-event-handler; world guest-event-handler { export plugwork:points/event-handler@0.1.0; }",
        path: ["../../wit/table", "../../wit/plugin", "../../wit/host", "../../wit/points"],
        with: { "plugwork:plugin/refusal@0.1.0": crate::refusal },
        additional_derives: [Clone, PartialEq],
        pub_export_macro: true,
    });
    pub use exports::plugwork::points::event_handler::Guest as Exports;
}
