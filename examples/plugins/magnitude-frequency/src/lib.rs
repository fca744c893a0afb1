//! Gutenberg–Richter a and b of an earthquake catalogue, for each network apart.
//!
//! Lives here: the contents page. `catalogue` keeps the groups, `histogram` counts magnitudes, `estimate` has the formulas: pure
//! and without the SDK. `options` and `plugin` put the component around them. May be misread: nothing is filtered by type
//! of event; a quarry blast counts if the catalogue holds it.

pub mod catalogue;
pub mod estimate;
pub mod histogram;
pub mod options;
pub mod plugin;

plugwork_guest::plugin! {
    descriptor: include_str!("../descriptor.json"),
    analyzer: plugin::MagnitudeFrequency,
}
