//! How big the parts of a component may be: one table of names, reasons and defaults.
//!
//! The table makes two structs with the same fields, what is allowed and what was measured, so that neither can be
//! forgotten when the other grows. The walk that measures is in `structure.rs`. What may surprise: every count and
//! every sum is over the whole file, through all nesting, unless its text says "one".

use serde::Serialize;

macro_rules! measures {
    ($($(#[doc = $doc:literal])+ $name:ident: $default:expr,)+) => {
        /// The most that a component may have of each thing before it is validated, let alone compiled.
        ///
        /// Far below the limits of the WebAssembly validator (7.6 MB for one function, a million types), because an
        /// open registry pays for what it lets in. The defaults let every component pass that our toolchains build,
        /// with room to grow. Numbers in the texts below were measured on components of this contract, built with
        /// componentize-qjs 0.4.5 (QuickJS) and componentize-py 0.25.1 (CPython).
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        pub struct StructureLimits {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Default for StructureLimits {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        /// What the structural walk found; the fields are those of [`StructureLimits`].
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct Measured {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Measured {
            /// Every measure with its name, what was found and what is allowed, in the order of the fields.
            pub fn against(&self, limits: &StructureLimits) -> impl Iterator<Item = (&'static str, u64, u64)> {
                [$((stringify!($name), self.$name, limits.$name),)+].into_iter()
            }
        }

        impl StructureLimits {
            /// The limit of that name, for configuration and command lines; `None` when there is none.
            pub fn by_name(&mut self, name: &str) -> Option<&mut u64> {
                match name {
                    $(stringify!($name) => Some(&mut self.$name),)+
                    _ => None,
                }
            }
        }
    };
}

measures! {
    /// Bytes of the file, 50 MiB: QuickJS has 1.6 MB, CPython 18 to 20 MB before it has a single dependency.
    file_bytes: 50 << 20,
    /// Core modules, 128: QuickJS has 11, CPython 38, and each native Python extension is one more.
    modules_count: 128,
    /// Components within the component, 128: one for each exported interface, and 24 that stub WASI for QuickJS.
    components_count: 128,
    /// How deep components stand within components, 8; QuickJS has 3, a composition adds one for each step.
    component_depth_levels: 8,
    /// Instances of core modules, 512: one for each module and for each group of imports; CPython has 108.
    core_instances_count: 512,
    /// Instances of components, 256: one for each component within; QuickJS has 25.
    component_instances_count: 256,
    /// Imports of the component itself, 256. WASI 0.2 as a whole is about 40.
    imports_count: 256,
    /// Exports of the component itself, 256.
    exports_count: 256,
    /// Imports of components within, 8,192: the encoder repeats every type of an interface; QuickJS has 137.
    inner_imports_count: 8_192,
    /// Exports of components within, 8,192: as for their imports.
    inner_exports_count: 8_192,
    /// Aliases at component level, 16,384: one for each use of a core export or of a type of another interface;
    /// CPython has 1,448.
    aliases_count: 16_384,
    /// Canonical functions (lift, lower, resource), 8,192: a handful for each function of an interface; at most
    /// 127 seen.
    canonicals_count: 8_192,
    /// Component types and their declarations, 8,192, counted through nesting; QuickJS has 691. The validator's work
    /// grows with the square of the resources among them: 30,000 took it 2.7 s, 8,100 take 0.45 s.
    component_types_count: 8_192,
    /// Bytes of all component type, import and export sections, 4 MiB: all names in a report come from these.
    component_types_bytes: 4 << 20,
    /// How deep component and instance types are declared within each other, 16; WIT needs 2 or 3. The parser of such
    /// types is recursive, so beyond this it could end the whole process. (Values, `list<list<…>>`, nest to 100; the
    /// validator counts them.)
    type_depth_levels: 16,
    /// Core types, 65,536 in all modules; CPython has 1,329.
    core_types_count: 65_536,
    /// Imports of core modules, 65,536; CPython has 2,391, since native extensions import symbols by the hundred.
    core_imports_count: 65_536,
    /// Exports of core modules, 65,536; CPython has 4,449, since shared libraries export every symbol.
    core_exports_count: 65_536,
    /// Functions defined in core modules, 131,072; CPython has 13,488.
    functions_count: 131_072,
    /// Bytes of one function body, 1 MiB. QuickJS has 54,010, but CPython 426,843 (relocations of its libraries in one
    /// function), so the 256 KiB that would do for compiled languages would refuse every Python plugin.
    function_body_bytes: 1 << 20,
    /// Locals of one function, 5,000: the cost of register allocation grows faster than their number. At most 271 seen.
    function_locals_count: 5_000,
    /// Targets of one `br_table`, 16,384; CPython has 3,202. Only bodies with more bytes than the limit are searched,
    /// since every target takes a byte; `Measured` is 0 where none was.
    br_table_targets_count: 16_384,
    /// Globals of core modules, 65,536; CPython has 874.
    globals_count: 65_536,
    /// Tables of core modules, 64.
    tables_count: 64,
    /// Entries that the tables have at the start, summed, 1,048,576; an entry takes 8 to 16 bytes in every instance.
    table_entries_count: 1 << 20,
    /// Entries of element segments, 1,048,576.
    element_entries_count: 1 << 20,
    /// Linear memories that modules define, 16; QuickJS has 3.
    memories_count: 16,
    /// Bytes that all memories have at the start, 64 MiB; QuickJS has 2 MiB, CPython 14 MiB.
    memory_initial_bytes: 64 << 20,
    /// Data segments, 65,536; QuickJS has 10,004, as its snapshot is cut up at zeros.
    data_segments_count: 65_536,
    /// Bytes of all data segments, 48 MiB: CPython has 13 MB, its snapshot.
    data_bytes: 48 << 20,
    /// Custom sections, 1,024.
    custom_sections_count: 1_024,
    /// Bytes of all custom sections, 16 MiB: names for backtraces (CPython 416 KB), debug information.
    custom_bytes: 16 << 20,
}

impl Measured {
    /// The first measure that is over its limit.
    pub(crate) fn first_over(&self, limits: &StructureLimits) -> Option<(&'static str, u64, u64)> {
        self.against(limits).find(|(_, measured, allowed)| measured > allowed)
    }
}
