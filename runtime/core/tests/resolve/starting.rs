//! The order of starting, and what is asked about a resolution: why, and what below what.

use plugwork_core::resolve::{Options, PluginId, Resolution, resolve};
use plugwork_core::startup::{Cycle, Order};
use plugwork_core::why::{tree, ways, why};

use crate::graphs::{Dice, Sort, dependency, index, random, roots};

fn resolved(lines: &str, asked: &[&str]) -> Resolution {
    resolve(&index(lines), &roots(asked), &Options::default()).unwrap()
}

fn names(plugins: &[PluginId]) -> String {
    plugins.iter().map(|id| id.name.name()).collect::<Vec<_>>().join(" ")
}

#[test]
fn each_is_started_after_what_it_needs_and_with_all_that_can_be() {
    let lines = "a:top 1.0.0; needs a:left@*; needs a:right@*\n a:left 1.0.0; needs a:base@*\n a:right 1.0.0; needs a:base@*\n a:base 1.0.0\n a:alone 1.0.0";
    let order = Order::of(&resolved(lines, &["a:top", "a:alone"])).unwrap();
    let batches: Vec<String> = order.batches.iter().map(|batch| names(batch)).collect();
    assert_eq!(batches, ["alone base", "left right", "top"]);
}

#[test]
fn the_shortest_circle_is_named() {
    let lines = "
        a:p1 1.0.0; needs a:p2@*
        a:p2 1.0.0; needs a:p3@*
        a:p3 1.0.0; needs a:p4@*
        a:p4 1.0.0; needs a:p1@*; needs a:p3@*
        a:p5 1.0.0; needs a:p1@*
    ";
    let cycle = Order::of(&resolved(lines, &["a:p5"])).unwrap_err();
    assert_eq!((names(&cycle.plugins).as_str(), cycle.entangled), ("p3 p4", 4));
    let told = "cannot start `a:p3@1.0.0`: it needs `a:p4@1.0.0`, which needs `a:p3@1.0.0` again (4 plugins are in such circles)\n\
                hint: let one of them do without another, or move what both need into a third";
    assert_eq!(cycle.to_string(), told);
    assert_eq!(Cycle::CODE, "E-RESOLVE-CYCLE");
}

#[test]
fn ten_thousand_in_a_row_and_in_a_circle_are_ordered_without_a_deep_stack() {
    let chain = |last: &str| {
        let lines: String = (0..10_000).map(|at| format!("a:p{at} 1.0.0; needs a:p{}@*\n", at + 1)).collect();
        format!("{lines}a:p10000 1.0.0{last}")
    };
    let order = Order::of(&resolved(&chain(""), &["a:p0"])).unwrap();
    assert_eq!((order.batches.len(), names(&order.batches[0]).as_str()), (10_001, "p10000"));
    let cycle = Order::of(&resolved(&chain("; needs a:p0@*"), &["a:p0"])).unwrap_err();
    assert_eq!((cycle.plugins.len(), cycle.entangled), (10_001, 10_001));
    assert!(cycle.to_string().len() < 600, "{cycle}");
}

#[test]
fn order_and_circles_hold_on_random_graphs() {
    let sort = Sort { names: 12, versions: 2, paths: 1, resources: false };
    let (mut ordered, mut circles) = (0, 0);
    for seed in 0..2_000 {
        let (lines, asked) = random(&mut Dice::new(seed + 9_000_000), &sort);
        let asked: Vec<_> = asked.iter().map(|root| dependency(root)).collect();
        let Ok(resolution) = resolve(&index(&lines), &asked, &Options::default()) else { continue };
        match Order::of(&resolution) {
            Ok(order) => {
                ordered += 1;
                let place = |id: &PluginId| order.batches.iter().position(|batch| batch.contains(id)).unwrap();
                for member in &resolution.members {
                    let latest = member.needs().into_iter().map(place).max();
                    assert_eq!(place(&member.id), latest.map_or(0, |latest| latest + 1), "{}: {lines}", member.id);
                }
                assert_eq!(order.batches.iter().map(Vec::len).sum::<usize>(), resolution.members.len());
            }
            Err(cycle) => {
                circles += 1;
                for (at, id) in cycle.plugins.iter().enumerate() {
                    let next = &cycle.plugins[(at + 1) % cycle.plugins.len()];
                    assert!(resolution.member(id).unwrap().needs().contains(next), "{cycle}\n{lines}");
                }
                // No shorter one: nobody reaches itself in fewer steps.
                for member in &resolution.members {
                    let mut reached = vec![&member.id];
                    for _ in 1..cycle.plugins.len() {
                        reached = reached.iter().flat_map(|id| resolution.member(id).unwrap().needs()).collect();
                        reached.sort_unstable();
                        reached.dedup();
                        assert!(!reached.contains(&&member.id), "{} is in a shorter circle than {cycle}\n{lines}", member.id);
                    }
                }
            }
        }
    }
    assert!(ordered > 200 && circles > 25, "{ordered} ordered, {circles} circles");
}

const SHOP: &str = "
    a:shop 1.0.0; needs a:maps@^1; needs a:tax@^1
    a:maps 1.0.0; needs a:geo@^1
    a:tax 1.0.0; needs a:geo@^1; needs a:i/round@^1
    a:geo 1.0.0; needs a:round@*
    a:round 1.0.0; exports a:i/round@1.0.0
";

#[test]
fn why_tells_the_shortest_way_of_each_root() {
    let resolution = resolved(SHOP, &["a:shop", "a:geo"]);
    let ways: Vec<String> =
        why(&resolution, &"a:round".parse().unwrap()).iter().map(|way| format!("{}: {}", way.root, names(&way.steps))).collect();
    assert_eq!(ways, ["a:geo@*: geo round", "a:shop@*: shop tax round"]);
    assert!(why(&resolution, &"a:nobody".parse().unwrap()).is_empty());
}

#[test]
fn a_tree_tells_each_plugin_in_full_once() {
    let lines = |depth| {
        let told = tree(&resolved(SHOP, &["a:shop"]), depth);
        told.iter()
            .map(|line| format!("{}{}{}", " ".repeat(line.depth), line.provider, if line.is_repeated { " (above)" } else { "" }))
            .collect::<Vec<_>>()
    };
    let expected =
        ["a:shop@1.0.0", " a:maps@1.0.0", "  a:geo@1.0.0", "   a:round@1.0.0", " a:tax@1.0.0", "  a:geo@1.0.0 (above)", "  a:round@1.0.0"];
    assert_eq!(lines(9), expected);
    assert_eq!(lines(1), ["a:shop@1.0.0", " a:maps@1.0.0", " a:tax@1.0.0"]);
}

#[test]
fn what_is_cut_off_at_the_depth_is_told_in_full_where_it_stands_higher() {
    let told = tree(&resolved(SHOP, &["a:maps", "a:round", "a:shop"]), 1);
    let lines: Vec<String> = told
        .iter()
        .map(|line| format!("{}{}{}", " ".repeat(line.depth), line.provider, if line.is_repeated { " (above)" } else { "" }))
        .collect();
    let expected = ["a:maps@1.0.0", " a:geo@1.0.0", "a:round@1.0.0", "a:shop@1.0.0", " a:maps@1.0.0 (above)", " a:tax@1.0.0"];
    assert_eq!(lines, expected);
    let told = tree(&resolved(SHOP, &["a:geo", "a:shop"]), 1);
    assert!(told.iter().all(|line| !line.is_repeated), "{told:#?}");
}

fn all(resolution: &Resolution, name: &str, ways_max: usize) -> (Vec<String>, bool) {
    let found = ways(resolution, &name.parse().unwrap(), ways_max);
    (found.ways.iter().map(|way| format!("{}: {}", way.root, names(&way.steps))).collect(), found.is_all)
}

#[test]
fn every_way_is_told_shortest_first_and_no_more_than_asked_for() {
    let resolution = resolved(SHOP, &["a:shop", "a:geo"]);
    let expected = ["a:geo@*: geo round", "a:shop@*: shop tax round", "a:shop@*: shop maps geo round", "a:shop@*: shop tax geo round"];
    assert_eq!(all(&resolution, "a:round", 9), (expected.map(str::to_owned).to_vec(), true));
    assert!(all(&resolution, "a:round", 4).1);
    assert_eq!(all(&resolution, "a:round", 3), (expected[..3].iter().map(|way| (*way).to_owned()).collect(), false));
    assert_eq!(all(&resolution, "a:nobody", 9), (Vec::new(), true));
    let circle = resolved("a:p 1.0.0; needs a:q@*\n a:q 1.0.0; needs a:p@*; needs a:r@*\n a:r 1.0.0", &["a:p"]);
    assert_eq!(all(&circle, "a:r", 9), (vec!["a:p@*: p q r".to_owned()], true), "none goes through a plugin twice");
}

#[test]
fn ways_through_very_many_plugins_end() {
    // Two to the power of sixty ways, and a chain of ten thousand.
    let ladder: String = (0..60)
        .map(|at| {
            format!(
                "a:l{at} 1.0.0; needs a:l{}@*; needs a:r{}@*\na:r{at} 1.0.0; needs a:l{}@*; needs a:r{}@*\n",
                at + 1,
                at + 1,
                at + 1,
                at + 1
            )
        })
        .collect();
    let ladder = resolved(&format!("{ladder}a:l60 1.0.0\na:r60 1.0.0"), &["a:l0"]);
    let (told, is_all) = all(&ladder, "a:r60", 20);
    assert_eq!((told.len(), is_all), (20, false));
    let chain: String = (0..10_000).map(|at| format!("a:p{at} 1.0.0; needs a:p{}@*\n", at + 1)).collect();
    let (told, is_all) = all(&resolved(&format!("{chain}a:p10000 1.0.0"), &["a:p0"]), "a:p10000", 20);
    assert_eq!((told.len(), is_all), (1, true));
}
