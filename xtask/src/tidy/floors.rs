//! Floors: which crate of the house may lean on which. The table is the one of `docs/architecture.md`, section 3.
//!
//! Easily got wrong: dependencies of tests count as well, except that a crate's tests may use its neighbours on the same floor; and "no
//! engine" means at any depth, not only in the crate's own list.

use super::Finding;
use super::graph::Graph;

struct Room {
    name: &'static str,
    floor: u8,
    /// Whether wasmtime may be reached from it.
    may_reach_engine: bool,
}

const fn room(floor: u8, name: &'static str, may_reach_engine: bool) -> Room {
    Room { name, floor, may_reach_engine }
}

const TABLE: [Room; 20] = [
    room(0, "plugwork-core", false),
    room(1, "plugwork-component", false),
    room(1, "plugwork-registry-api", false),
    room(1, "plugwork-store", false),
    room(2, "plugwork", true),
    room(2, "plugwork-build", false),
    room(2, "plugwork-registry-client", false),
    room(3, "plugwork-points", true),
    room(3, "plugwork-capabilities", true),
    room(3, "plugwork-registry", false),
    room(4, "plugwork-http", true),
    room(5, "plugwork-edge", true),
    room(6, "plugwork-cli", true),
    room(6, "plugwork-tests", true),
    room(6, "plugwork-attacks", true),
    room(6, "plugwork-model", false),
    room(6, "plugwork-examples", true),
    room(6, "plugwork-bench", true),
    // Everybody waits for it before anything else is built.
    room(6, "xtask", false),
    // Guests' code that the benchmark runs natively; it may not know that a host exists.
    room(0, "group-stats", false),
];

/// The one crate that may name wasmtime in its own list, and those that bind interfaces with its macro through it.
const ENGINE_OWNER: &str = "plugwork";

/// Checks the workspace's own crates.
pub(super) fn check(graph: &Graph) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, package) in graph.packages.iter().enumerate().filter(|(_, package)| package.is_member) {
        let name = &package.name;
        let Some(here) = find(name) else {
            let advice = "add it to the table in `docs/architecture.md` and to `xtask/src/tidy/floors.rs`";
            findings.push(Finding::error(name, "has no floor", advice));
            continue;
        };
        for need in &package.needs {
            let other = &graph.packages[need.package];
            let Some(there) = find(&other.name).filter(|_| other.source.is_none()) else { continue };
            if there.floor > here.floor || there.floor == here.floor && !need.is_dev {
                let complaint = format!("is on floor {} and needs `{}` on floor {}", here.floor, other.name, there.floor);
                findings.push(Finding::error(name, complaint, "move what is shared to a lower floor"));
            }
        }
        let reached = graph.closure(index).into_iter().find(|index| graph.packages[*index].name == "wasmtime");
        if reached.is_some() && !here.may_reach_engine {
            findings.push(Finding::error(name, "reaches wasmtime", "see `cargo tree --invert wasmtime` and cut the arrow"));
        }
        let direct = package.needs.iter().any(|need| graph.packages[need.package].name.starts_with("wasmtime"));
        if direct && here.floor < 6 && name != ENGINE_OWNER {
            let advice = "use what `plugwork` exports again: it is the one owner of the engine";
            findings.push(Finding::error(name, "names wasmtime in its `Cargo.toml`", advice));
        }
    }
    findings
}

fn find(name: &str) -> Option<&'static Room> {
    TABLE.iter().find(|room| room.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::graph::tests::drawn;

    fn complaints(lines: &[&str]) -> Vec<String> {
        check(&drawn(lines)).iter().map(|finding| format!("{} {}", finding.place, finding.complaint)).collect()
    }

    #[test]
    fn arrows_that_point_down_are_fine() {
        let lines = [
            "plugwork -> plugwork-core, plugwork-component, wasmtime@48.0.8",
            "plugwork-component -> plugwork-core",
            "plugwork-points -> plugwork",
            "plugwork-cli -> plugwork-points, plugwork-build",
            "plugwork-build -> plugwork-component, serde@1.0.0",
        ];
        assert_eq!(complaints(&lines), [""; 0]);
    }

    #[test]
    fn an_arrow_that_points_up_is_found() {
        assert_eq!(
            complaints(&["plugwork-core -> plugwork-component"]),
            ["plugwork-core is on floor 0 and needs `plugwork-component` on floor 1"]
        );
    }

    #[test]
    fn neighbours_may_meet_in_tests_only() {
        assert_eq!(complaints(&["plugwork-points -> plugwork-capabilities?"]), [""; 0]);
        assert_eq!(complaints(&["plugwork-points -> plugwork-capabilities"]).len(), 1);
        assert_eq!(complaints(&["plugwork -> plugwork-points?"]).len(), 1);
    }

    #[test]
    fn the_engine_is_found_at_any_depth() {
        let found = complaints(&["xtask -> plugwork-cli?, helper@1.0.0", "helper@1.0.0 -> wasmtime@48.0.8"]);
        assert_eq!(found, ["xtask reaches wasmtime"]);
    }

    #[test]
    fn only_one_crate_owns_the_engine() {
        let found = complaints(&["plugwork-points -> plugwork, wasmtime@48.0.8"]);
        assert_eq!(found, ["plugwork-points names wasmtime in its `Cargo.toml`"]);
    }

    #[test]
    fn a_crate_without_a_floor_is_found() {
        assert_eq!(complaints(&["plugwork-attic"]), ["plugwork-attic has no floor"]);
    }
}
