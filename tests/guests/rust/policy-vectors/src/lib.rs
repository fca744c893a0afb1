//! Decides the vectors of `plugwork-core` on wasm32, the way a host in a browser would: each argument is one text of cases.
//!
//! The answer is how many cases there were; the error is the cases that came out otherwise. Nothing is read here: the test hands over the texts.

plugwork_guest::bindings!("../../wit");

use plugwork_core::policy::vectors;

/// The guest.
pub struct PolicyVectors;

impl probe::Guest for PolicyVectors {
    fn run(arguments: Vec<String>) -> Result<String, String> {
        let reports: Vec<_> = arguments.iter().map(|text| vectors::run(text)).collect();
        let mismatches: Vec<_> = reports.iter().flat_map(|report| &report.mismatches).map(ToString::to_string).collect();
        let cases: usize = reports.iter().map(|report| report.cases).sum();
        if mismatches.is_empty() { Ok(cases.to_string()) } else { Err(mismatches.join("\n")) }
    }
}

plugwork_guest::export!(PolicyVectors: probe);
