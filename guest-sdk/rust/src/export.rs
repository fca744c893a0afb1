//! The macros that turn types into a plugin.
//!
//! `plugin!` is for plugwork's own points, `export!` for an application's own WIT after `bindings!`. Both install the
//! panic hook; use one of them once in a plugin.

/// Exports a plugin: its descriptor, and for each point the type that implements it.
///
/// ```no_run
/// use plugwork_guest::prelude::*;
///
/// struct Count(usize);
///
/// impl Analyzer for Count {
///     fn start(_: &Options) -> Result<Self> {
///         Ok(Self(0))
///     }
///     fn push(&mut self, batch: &Batch) -> Result<()> {
///         self.0 += batch.rows();
///         Ok(())
///     }
///     fn finish(&mut self) -> Result<Vec<Table>> {
///         let mut table = TableBuilder::new([Field::i64("rows")]);
///         table.push(row![self.0])?;
///         Ok(vec![table.into_table("counts")])
///     }
/// }
///
/// plugwork_guest::plugin! {
///     descriptor: r#"{"points":{"plugwork:points/analyzer":{"summary":"Counts rows","options":{"type":"object"}}}}"#,
///     analyzer: Count,
/// }
/// # fn main() {}
/// ```
///
/// The points are `data_source`, `transformer`, `analyzer`, `exporter`, `visualization`, `http_function`, `event_handler` and `guard`, each at most once; between
/// `descriptor` and the points may stand `lifecycle: Type` for a type that implements
/// [`Lifecycle`](crate::Lifecycle). Among the points may stand `handover: Type` for one that implements
/// [`Handover`](crate::Handover).
#[macro_export]
macro_rules! plugin {
    (descriptor: $descriptor:expr, lifecycle: $lifecycle:ty, $($point:ident : $type:ty),+ $(,)?) => {
        const _: () = {
            struct Descriptor;
            impl $crate::__private::Describe for Descriptor {
                const DESCRIPTOR: &'static str = $descriptor;
            }
            $crate::__export!(lifecycle $crate::__private::LifecycleExport<$lifecycle, Descriptor>);
        };
        $($crate::__point!($point $type);)+
        $crate::__panic_hook!();
    };
    (descriptor: $descriptor:expr, $($point:ident : $type:ty),+ $(,)?) => {
        $crate::plugin! {
            descriptor: $descriptor, lifecycle: $crate::__private::LifecycleDefault, $($point: $type),+
        }
    };
}

/// One point of `plugin!`.
#[doc(hidden)]
#[macro_export]
macro_rules! __point {
    (data_source $type:ty) => {
        $crate::__export!(data_source $crate::__private::DataSourceExport<$type>);
    };
    (transformer $type:ty) => {
        $crate::__export!(transformer $crate::__private::TransformerExport<$type>);
    };
    (analyzer $type:ty) => {
        $crate::__export!(analyzer $crate::__private::AnalyzerExport<$type>);
    };
    (exporter $type:ty) => {
        $crate::__export!(exporter $crate::__private::ExporterExport<$type>);
    };
    (visualization $type:ty) => {
        $crate::__export!(visualization $crate::__private::VisualizationExport<$type>);
    };
    (http_function $type:ty) => {
        $crate::__export!(http_function $crate::__private::HttpFunctionExport<$type>);
    };
    (event_handler $type:ty) => {
        $crate::__export!(event_handler $crate::__private::EventHandlerExport<$type>);
    };
    (guard $type:ty) => {
        $crate::__export!(guard $crate::__private::GuardExport<$type>);
    };
    (handover $type:ty) => {
        $crate::__export!(handover $crate::__private::HandoverExport<$type>);
    };
    ($point:ident $type:ty) => {
        ::core::compile_error!(::core::concat!(
            "`", ::core::stringify!($point), "` is no point; write one of `data_source`, `transformer`, `analyzer`, ",
            "`exporter`, `visualization`, `http_function`, `event_handler`, `guard`, `handover`"
        ));
    };
}

/// One exported interface of the contract.
///
/// Only in WebAssembly: the names of exports hold colons, which the linkers of other targets refuse, and a plugin's own
/// unit tests need none of them. Elsewhere it is only checked that the type will do.
#[doc(hidden)]
#[macro_export]
macro_rules! __export {
    ($module:ident $exported:ty) => {
        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Exported = $exported;
    $crate::bindings::$module::export!(Exported with_types_in $crate::bindings::$module);
        };
        #[cfg(not(target_arch = "wasm32"))]
        const _: fn() = || {
            fn will_do<T: $crate::bindings::$module::Exports>() {}
            will_do::<$exported>();
        };
    };
}

/// Exports a type for the interfaces of an application's own WIT, by the names of the modules that
/// [`bindings!`](crate::bindings!) made: `export!(Shout: text_filter)`.
///
/// The lifecycle is exported with its defaults; `export!(Shout: text_filter; lifecycle: Type)` changes them, and
/// `export!(Shout: text_filter; no lifecycle)` leaves it out, as a plugin that is to be fused into its callers does.
/// `handover: Type`, alone or after the lifecycle and a comma, exports a [`Handover`](crate::Handover).
#[macro_export]
macro_rules! export {
    ($type:ident : $($interface:ident),+ $(,)?) => {
        $crate::export!($type: $($interface),+; lifecycle: $crate::__private::LifecycleDefault);
    };
    ($type:ident : $($interface:ident),+ ; handover: $handover:ty $(,)?) => {
        $crate::export!($type: $($interface),+; lifecycle: $crate::__private::LifecycleDefault, handover: $handover);
    };
    ($type:ident : $($interface:ident),+ ; lifecycle: $lifecycle:ty, handover: $handover:ty $(,)?) => {
        $crate::export!($type: $($interface),+; lifecycle: $lifecycle);
        $crate::__point!(handover $handover);
    };
    ($type:ident : $($interface:ident),+ ; lifecycle: $lifecycle:ty $(,)?) => {
        const _: () = {
            struct Descriptor;
            impl $crate::__private::Describe for Descriptor {
                // The points of an application are its own affair, and so is what it wants to know about them.
                const DESCRIPTOR: &'static str = r#"{"points":{}}"#;
            }
            $crate::__export!(lifecycle $crate::__private::LifecycleExport<$lifecycle, Descriptor>);
        };
        $crate::export!($type: $($interface),+; no lifecycle);
    };
    ($type:ident : $($interface:ident),+ ; no lifecycle $(,)?) => {
        const _: fn() = || {
            $({
                fn will_do<T: $interface::Guest>() {}
                will_do::<$type>();
            })+
        };
        // The generated code is unsafe inside, and counts as the plugin's own: `bindings!` wrote it there.
        #[allow(unsafe_code, reason = "generated; crosses the boundary")]
        const _: () = {
            $($interface::__export!($type with_types_in $interface);)+
        };
        $crate::__panic_hook!();
    };
}

/// What stands for the generated export macros outside WebAssembly.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_nothing {
    ($($tokens:tt)*) => {};
}
