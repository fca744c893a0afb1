//! Each rule by an example: which versions are taken, who provides what, what is left out, what cannot stand side by side.

use std::collections::{BTreeMap, BTreeSet};

use plugwork_core::resolve::{Duplicates, Options, Provider, ResolveError, Security, Strategy, resolve};

use crate::graphs::{index, interface, members, roots, told};

fn resolved(lines: &str, asked: &[&str], options: &Options<'_>) -> String {
    let index = index(lines);
    members(&resolve(&index, &roots(asked), options).unwrap_or_else(|error| panic!("{error}")))
}

const GEO: &str = "
    a:geo 1.0.0; exports a:geo/lookup@1.0.0
    a:geo 1.2.0; exports a:geo/lookup@1.1.0
    a:geo 2.0.0; exports a:geo/lookup@2.0.0
    a:maps 1.0.0; needs a:geo@^1; imports a:geo/lookup@1.0.0
    a:tours 1.0.0; needs a:geo@^2; imports a:geo/lookup@2.0.0
";

#[test]
fn the_strategy_takes_the_newest_the_oldest_or_what_is_kept() {
    let kept = BTreeMap::from([("a:geo".parse().unwrap(), BTreeSet::from(["1.0.0".parse().unwrap()]))]);
    let with = |strategy, kept: &BTreeMap<_, _>| Options { strategy, kept: kept.clone(), ..Options::default() };
    assert_eq!(resolved(GEO, &["a:geo"], &with(Strategy::Highest, &BTreeMap::new())), "a:geo@2.0.0");
    assert_eq!(resolved(GEO, &["a:geo"], &with(Strategy::Lowest, &BTreeMap::new())), "a:geo@1.0.0");
    assert_eq!(resolved(GEO, &["a:geo"], &with(Strategy::Highest, &kept)), "a:geo@1.0.0");
    assert_eq!(resolved(GEO, &["a:geo"], &with(Strategy::Locked, &kept)), "a:geo@1.0.0");
    assert!(matches!(resolve(&index(GEO), &roots(&["a:maps"]), &with(Strategy::Locked, &kept)), Err(ResolveError::Conflict(_))));
}

#[test]
fn an_import_is_linked_to_the_plugin_that_was_taken() {
    let index = index(GEO);
    let resolution = resolve(&index, &roots(&["a:maps"]), &Options::default()).unwrap();
    let maps = resolution.members.iter().find(|member| member.id.name.as_str() == "a:maps").unwrap();
    let (import, provider) = &maps.imports[0];
    assert_eq!((import.to_string(), provider.to_string()), ("a:geo/lookup@1.0.0".to_owned(), "a:geo@1.2.0".to_owned()));
    assert_eq!(maps.needs().len(), 1);
}

#[test]
fn a_version_that_resolves_and_would_not_link_is_not_taken() {
    let lines = "
        a:geo 1.0.0; exports a:geo/lookup@1.0.0 types one
        a:geo 1.1.0; exports a:geo/lookup@1.0.0 types other
        a:geo 1.2.0; exports a:geo/other@1.0.0
        a:maps 1.0.0; needs a:geo@^1; imports a:geo/lookup@1.0.0 types one
    ";
    assert_eq!(resolved(lines, &["a:maps"], &Options::default()), "a:geo@1.0.0 a:maps@1.0.0");
}

#[test]
fn two_versions_stand_side_by_side_only_where_that_is_asked_for() {
    let isolate = Options { duplicates: Duplicates::Isolate, ..Options::default() };
    assert!(told(resolve(&index(GEO), &roots(&["a:maps", "a:tours"]), &Options::default())).contains("a:geo"));
    assert_eq!(resolved(GEO, &["a:maps", "a:tours"], &isolate), "a:geo@1.2.0 a:geo@2.0.0 a:maps@1.0.0 a:tours@1.0.0");
}

const SHAPES: &str = "
    a:geo 1.0.0; exports a:geo/shapes@1.0.0 resources
    a:geo 2.0.0; exports a:geo/shapes@1.0.0 resources
    a:draw 1.0.0; needs a:geo@^1; imports a:geo/shapes@1.0.0 resources; exports a:draw/canvas@1.0.0 uses a:geo/shapes
    a:plot 1.0.0; needs a:geo@^2; needs a:draw@*; imports a:geo/shapes@1.0.0 resources; imports a:draw/canvas@1.0.0 uses a:geo/shapes
    a:alone 1.0.0; needs a:geo@^2; imports a:geo/shapes@1.0.0 resources
";

#[test]
fn two_versions_that_would_exchange_resources_are_refused() {
    let isolate = Options { duplicates: Duplicates::Isolate, ..Options::default() };
    let told = told(resolve(&index(SHAPES), &roots(&["a:plot"]), &isolate));
    assert!(told.contains("nobody provides `a:geo/shapes` to all of them"), "{told}");
    // Nobody hands a shape from one to the other here.
    assert_eq!(resolved(SHAPES, &["a:draw", "a:alone"], &isolate), "a:alone@1.0.0 a:draw@1.0.0 a:geo@1.0.0 a:geo@2.0.0");
}

#[test]
fn resources_come_from_where_the_interface_that_speaks_of_them_comes_from() {
    let lines = "
        a:one 1.0.0; exports a:i/shapes@1.0.0 resources; exports a:i/lookup@1.0.0 uses a:i/shapes
        a:two 1.0.0; exports a:i/shapes@1.0.0 resources
        a:two 2.0.0; exports a:i/shapes@1.0.0 resources; exports a:i/lookup@1.0.0 uses a:i/shapes
        a:user 1.0.0; needs a:i/shapes@^1; needs a:i/lookup@^1; imports a:i/shapes@1.0.0 resources; imports a:i/lookup@1.0.0 uses a:i/shapes
    ";
    for asked in [["a:user", "a:two@^1"], ["a:user", "a:one"]] {
        let index = index(lines);
        let resolution = resolve(&index, &roots(&asked), &Options::default()).unwrap();
        let user = resolution.members.iter().find(|member| member.id.name.as_str() == "a:user").unwrap();
        let providers: BTreeSet<&Provider> = user.imports.iter().map(|(_, provider)| provider).collect();
        assert_eq!(providers.len(), 1, "{user:?}");
    }
}

#[test]
fn any_plugin_with_the_interface_will_do_and_one_that_is_there_comes_first() {
    let lines = "
        a:fast 1.0.0; exports a:i/hash@1.2.0
        a:slow 1.0.0; exports a:i/hash@1.9.0
        a:user 1.0.0; needs a:i/hash@^1.1; imports a:i/hash@1.0.0
    ";
    assert_eq!(resolved(lines, &["a:user"], &Options::default()), "a:slow@1.0.0 a:user@1.0.0");
    assert_eq!(resolved(lines, &["a:user", "a:fast"], &Options::default()), "a:fast@1.0.0 a:user@1.0.0");
    let host = Options { host: vec![interface("a:i/hash@1.3.0")], ..Options::default() };
    assert_eq!(resolved(lines, &["a:user"], &host), "a:user@1.0.0");
    let old = Options { host: vec![interface("a:i/hash@1.0.0")], ..Options::default() };
    assert_eq!(resolved(lines, &["a:user"], &old), "a:slow@1.0.0 a:user@1.0.0");
    assert_eq!(resolved(lines, &["a:i/hash@=1.2.0"], &Options::default()), "a:fast@1.0.0");
}

#[test]
fn interfaces_of_hosts_need_no_plugin_and_others_do() {
    let own = "a:p 1.0.0; imports wasi:http/outgoing-handler@0.2.6; imports plugwork:host/log@0.1.0";
    assert_eq!(resolved(own, &["a:p"], &Options::default()), "a:p@1.0.0");
    let told = told(resolve(&index("a:p 1.0.0; imports a:i/x@1.0.0"), &roots(&["a:p"]), &Options::default()));
    assert!(told.contains("imports `a:i/x@1.0.0`, which neither the host nor a plugin it depends on has"), "{told}");
}

const THEMES: &str = "
    a:theme 1.0.0; exports a:theme/colours@1.0.0
    a:theme 2.0.0; exports a:theme/colours@1.0.0
    a:user 1.0.0; maybe a:theme@^1; imports a:theme/colours@1.0.0
";

#[test]
fn an_optional_dependency_is_taken_where_it_is_asked_for() {
    assert_eq!(resolved(THEMES, &["a:user"], &Options::default()), "a:user@1.0.0");
    assert_eq!(resolved(THEMES, &["a:user", "a:theme"], &Options::default()), "a:theme@1.0.0 a:user@1.0.0");
    let with = Options { with: BTreeSet::from(["a:theme".parse().unwrap()]), ..Options::default() };
    assert_eq!(resolved(THEMES, &["a:user"], &with), "a:theme@1.0.0 a:user@1.0.0");
}

#[test]
fn a_peer_is_the_one_that_the_application_asks_for() {
    let lines = THEMES.replace("maybe", "peer");
    let told = told(resolve(&index(&lines), &roots(&["a:user"]), &Options::default()));
    assert!(told.contains("needs an application that asks for `a:theme` itself"), "{told}");
    assert!(told.contains("hint: ask for `a:theme@^1` as well"), "{told}");
    assert_eq!(resolved(&lines, &["a:user", "a:theme"], &Options::default()), "a:theme@1.0.0 a:user@1.0.0");
    let isolate = Options { duplicates: Duplicates::Isolate, ..Options::default() };
    assert!(resolve(&index(&lines), &roots(&["a:user", "a:theme@^2"]), &isolate).is_err(), "another copy is not the application's");
}

#[test]
fn an_optional_peer_may_be_absent_and_fits_where_anybody_brings_it() {
    let lines = THEMES.replace("maybe", "maybe-peer") + "a:other 1.0.0; needs a:theme@*\n a:modern 1.0.0; needs a:theme@^2";
    assert_eq!(resolved(&lines, &["a:user"], &Options::default()), "a:user@1.0.0");
    let index = index(&lines);
    let resolution = resolve(&index, &roots(&["a:user", "a:other"]), &Options::default()).unwrap();
    assert_eq!(members(&resolution), "a:other@1.0.0 a:theme@1.0.0 a:user@1.0.0");
    assert_eq!(resolution.members[2].imports.len(), 1, "it is there, so it is linked");
    assert!(resolve(&index, &roots(&["a:user", "a:modern"]), &Options::default()).is_err());
}

const RISKY: &str = "
    a:p 1.0.0
    a:p 1.1.0; unapproved
    a:p 1.2.0; advisory ADV-7 reads what it should not
    a:p 1.3.0; yanked breaks on Mondays
";

#[test]
fn security_leaves_out_and_says_what_it_held_back() {
    let index = index(RISKY);
    let with = |security| resolve(&index, &roots(&["a:p"]), &Options { security, ..Options::default() }).unwrap();
    let strict = with(Security::Strict);
    assert_eq!(members(&strict), "a:p@1.0.0");
    let held: Vec<_> = strict.held_back.iter().map(|held| (held.version.to_string(), held.why.as_str())).collect();
    assert_eq!(held.len(), 3);
    assert_eq!(held[1], ("1.2.0".to_owned(), "advisory `ADV-7`: reads what it should not"));
    let audit = with(Security::Audit);
    assert_eq!((members(&audit).as_str(), audit.concerns.len(), audit.held_back.len()), ("a:p@1.0.0", 0, 1));
    let permissive = with(Security::Permissive);
    assert_eq!(members(&permissive), "a:p@1.3.0");
    assert_eq!(permissive.concerns[0].what, "it was taken back: breaks on Mondays");
}

#[test]
fn a_version_that_was_taken_back_stays_where_it_is_kept_and_one_with_an_advisory_does_not() {
    let index = index(RISKY);
    let kept = |version: &str| BTreeMap::from([("a:p".parse().unwrap(), BTreeSet::from([version.parse().unwrap()]))]);
    let with = |version: &str| members(&resolve(&index, &roots(&["a:p"]), &Options { kept: kept(version), ..Options::default() }).unwrap());
    assert_eq!(with("1.3.0"), "a:p@1.3.0");
    assert_eq!(with("1.2.0"), "a:p@1.0.0");
}

#[test]
fn diamonds_meet_and_circles_resolve() {
    let lines = "
        a:top 1.0.0; needs a:left@*; needs a:right@*
        a:left 1.0.0; needs a:base@>=1.1
        a:right 1.0.0; needs a:base@<1.3; needs a:top@*
        a:base 1.0.0
        a:base 1.2.0
        a:base 1.3.0
    ";
    assert_eq!(resolved(lines, &["a:top"], &Options::default()), "a:base@1.2.0 a:left@1.0.0 a:right@1.0.0 a:top@1.0.0");
}

#[test]
fn roots_that_are_none_are_refused_at_once() {
    let mut asked = roots(&["a:p@^1", "a:p@^2", "a:q"]);
    asked[2].peer = true;
    let error = resolve(&index(RISKY), &asked, &Options::default()).unwrap_err();
    assert_eq!(error.code(), "E-RESOLVE-ROOTS");
    assert!(matches!(&error, ResolveError::Roots(issues) if issues.len() == 2), "{error}");
    let many: Vec<String> = (0..257).map(|at| format!("a:p{at}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(resolve(&index(""), &roots(&many), &Options::default()).unwrap_err().code(), "E-RESOLVE-ROOTS");
    assert_eq!(resolve(&index(""), &[], &Options::default()).unwrap().members.len(), 0);
}
