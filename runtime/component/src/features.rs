//! Which WebAssembly features a component may use: the two sets, one for each engine profile.
//!
//! Built up from nothing, so that a feature which a newer parser turns on by default stays off here until somebody
//! decides otherwise. The engine's own switches are set in `plugwork`; `tests/it/features.rs` holds the two against each other.

use wasmparser::WasmFeatures;

/// The features of the hardened profile, in which everything runs that does not ask for more.
///
/// Left out, because each has cost an engine a sandbox fault or costs every instance: garbage collection, exceptions,
/// function references, threads, 64 bit memories, stack switching, relaxed SIMD (not deterministic), component-model
/// async, and references to values of the host (`externref`), which the engine cannot hold without a collector.
/// `MULTI_MEMORY` must stay: QuickJS components have three memories.
pub fn hardened_features() -> WasmFeatures {
    WasmFeatures::COMPONENT_MODEL
        | WasmFeatures::FLOATS
        | WasmFeatures::MUTABLE_GLOBAL
        | WasmFeatures::SATURATING_FLOAT_TO_INT
        | WasmFeatures::SIGN_EXTENSION
        | WasmFeatures::MULTI_VALUE
        | WasmFeatures::BULK_MEMORY
        | WasmFeatures::REFERENCE_TYPES
        | WasmFeatures::SIMD
        | WasmFeatures::EXTENDED_CONST
        | WasmFeatures::TAIL_CALL
        | WasmFeatures::MULTI_MEMORY
}

/// The hardened features and the async ABI of the component model (WASI 0.3) as the engine has it: without error
/// contexts, stackful lifts and the builtins that came later.
pub fn full_features() -> WasmFeatures {
    hardened_features() | WasmFeatures::CM_ASYNC
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hardened_profile_has_none_of_what_was_left_out() {
        let left_out = WasmFeatures::GC
            | WasmFeatures::EXCEPTIONS
            | WasmFeatures::LEGACY_EXCEPTIONS
            | WasmFeatures::FUNCTION_REFERENCES
            | WasmFeatures::THREADS
            | WasmFeatures::SHARED_EVERYTHING_THREADS
            | WasmFeatures::MEMORY64
            | WasmFeatures::STACK_SWITCHING
            | WasmFeatures::RELAXED_SIMD
            | WasmFeatures::CUSTOM_PAGE_SIZES
            | WasmFeatures::GC_TYPES
            | WasmFeatures::CM_ASYNC
            | WasmFeatures::CM_ERROR_CONTEXT
            | WasmFeatures::CM_THREADING
            | WasmFeatures::CM_GC
            | WasmFeatures::CM_VALUES;
        assert!(!hardened_features().intersects(left_out));
    }

    #[test]
    fn the_full_profile_adds_async_of_the_component_model_only() {
        assert_eq!(full_features() - hardened_features(), WasmFeatures::CM_ASYNC);
    }
}
