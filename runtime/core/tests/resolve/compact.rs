//! The compact index beside the one in memory: it says the same, and so does the resolver with it.

use std::collections::BTreeSet;

use plugwork_core::resolve::{CompactIndex, Index, MemoryIndex, Options, Release, Security, resolve};
use plugwork_core::{Dependency, Digest, PackageName, Target};

use crate::graphs::{Dice, Sort, dependency, index, random};

fn compact(index: &MemoryIndex) -> CompactIndex {
    // Neither the order of plugins nor that of their versions matters.
    let turned = |releases: &[Release]| releases.iter().rev().cloned().collect();
    let plugins: Vec<(PackageName, Vec<Release>)> = index.iter().map(|(name, releases)| (name.clone(), turned(releases))).collect();
    CompactIndex::of(plugins.into_iter().rev()).unwrap()
}

#[test]
fn tells_of_every_release_what_the_one_in_memory_tells() {
    for seed in 0..300 {
        let (lines, _) = random(&mut Dice::new(seed), &Sort { names: 9, versions: 5, paths: 3, resources: seed % 2 == 0 });
        let plain = index(&lines);
        let compact = compact(&plain);
        let mut names: BTreeSet<PackageName> = plain.iter().map(|(name, _)| name.clone()).collect();
        let mut paths = BTreeSet::from(["a:i/nobody".to_owned()]);
        assert_eq!((compact.plugins(), compact.versions()), (names.len(), plain.iter().map(|(_, releases)| releases.len()).sum()));
        for (_, releases) in plain.iter() {
            for release in releases {
                paths.extend(release.exports.iter().map(|export| export.name.path().to_owned()));
                names.extend(release.dependencies.iter().filter_map(|dependency| match &dependency.target {
                    Target::Plugin(name) => Some(name.clone()),
                    Target::Interface(_) => None,
                }));
            }
        }
        names.insert("a:nobody".parse().unwrap());
        for name in &names {
            let (Some(one), Some(other)) = (compact.number(name), plain.number(name)) else {
                let versions = |index: &dyn Index| index.number(name).map_or_else(Vec::new, |number| index.versions(number));
                assert_eq!((versions(&compact), versions(&plain)), (Vec::new(), Vec::new()), "{name}\n{lines}");
                continue;
            };
            let versions = plain.versions(other);
            assert_eq!(Index::versions(&compact, one), versions, "{name}\n{lines}");
            assert_eq!(compact.is_optional_peer(one), plain.is_optional_peer(other), "{name}\n{lines}");
            for place in 0..versions.len() {
                assert_eq!(compact.release(one, place), plain.release(other, place), "{name} {place}\n{lines}");
                assert_eq!(compact.considered(one, place), plain.considered(other, place), "{name} {place}\n{lines}");
                assert_eq!(compact.interfaces(one, place), plain.release(other, place).interfaces(), "{name} {place}\n{lines}");
            }
        }
        for path in &paths {
            assert_eq!(compact.exports(path), plain.exports(path), "{path}\n{lines}");
        }
    }
}

#[test]
fn a_question_has_the_same_answer_from_both() {
    let (mut yes, mut no) = (0, 0);
    for seed in 0..1_000 {
        let mut dice = Dice::new(seed);
        let (lines, roots) = random(&mut dice, &Sort { names: 12, versions: 5, paths: 2, resources: seed % 4 == 0 });
        let roots: Vec<Dependency> = roots.iter().map(|root| dependency(root)).collect();
        let security = *dice.pick(&[Security::Strict, Security::Audit, Security::Permissive]);
        let options = Options { security, ..Options::default() };
        let plain = index(&lines);
        let answer = resolve(&plain, &roots, &options);
        assert_eq!(resolve(&compact(&plain), &roots, &options), answer, "{lines}");
        *if answer.is_ok() { &mut yes } else { &mut no } += 1;
    }
    assert!(yes > 100 && no > 100, "{yes} have an answer and {no} have none");
}

#[test]
fn refuses_a_plugin_or_a_version_that_is_there_twice() {
    let name: PackageName = "a:geo".parse().unwrap();
    let release = |version: &str| Release::new(version.parse().unwrap(), Digest::of(version.as_bytes()));
    let twice = CompactIndex::of([(name.clone(), vec![release("1.0.0"), release("2.0.0"), release("1.0.0")])]);
    assert_eq!(twice.unwrap_err().what, "there is a `a:geo` 1.0.0 already");
    let again = CompactIndex::of([(name.clone(), vec![release("1.0.0")]), (name, vec![release("2.0.0")])]);
    assert_eq!(again.unwrap_err().what, "there is a `a:geo` already");
}
