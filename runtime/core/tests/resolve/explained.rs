//! What a person reads where nothing fits. Word for word, because words are what is promised here.

use plugwork_core::resolve::{Options, ResolveError, Strategy, resolve};

use crate::graphs::{index, roots, told};

#[track_caller]
fn says(lines: &str, asked: &[&str], expected: &[&str]) {
    let told = told(resolve(&index(lines), &roots(asked), &Options::default()));
    assert_eq!(told, expected.join("\n"), "\n{told}\n");
}

#[test]
fn each_range_without_a_version_is_told_with_who_has_it() {
    let index = index("a:x 1.0.0; needs a:z@^2\na:x 1.1.0; needs a:z@^3\na:z 1.0.0");
    let told = told(resolve(&index, &roots(&["a:x"]), &Options::default()));
    assert!(told.contains("`a:x` 1.0.0 needs `a:z@^2`: there is no such version, only 1.0.0"), "{told}");
    assert!(told.contains("`a:x` 1.1.0 needs `a:z@^3`: there is no such version, only 1.0.0"), "{told}");
}

#[test]
fn two_ranges_that_do_not_meet() {
    let lines = "
        a:geo 1.0.0
        a:geo 1.4.0
        a:geo 2.0.0
        a:maps 1.0.0; needs a:geo@^1
        a:maps 1.1.0; needs a:geo@^1
        a:tours 2.0.0; needs a:geo@<2
        a:tours 3.0.0; needs a:geo@^2
    ";
    says(
        lines,
        &["a:maps", "a:tours@^3"],
        &[
            "cannot resolve `a:maps@*` and `a:tours@^3`:",
            "  you ask for `a:maps@*` (1.0.0, 1.1.0)",
            "  you ask for `a:tours@^3` (3.0.0)",
            "  every `a:maps` needs `a:geo@^1` (1.0.0, 1.4.0)",
            "  `a:tours` 3.0.0 needs `a:geo@^2` (2.0.0)",
            "  no version of `a:geo` is in all of these ranges",
            "hint: without `a:maps@*` the rest fits",
            "hint: ask for `a:tours@^2.0.0` instead of `a:tours@^3`",
            "hint: with duplicates `isolate`, `a:geo@1.4.0` and `a:geo@2.0.0` would stand side by side",
        ],
    );
}

#[test]
fn a_name_that_nobody_knows() {
    says(
        "a:maps 1.0.0; needs a:goe@^1",
        &["a:maps"],
        &[
            "cannot resolve `a:maps@*`:",
            "  you ask for `a:maps@*` (1.0.0)",
            "  `a:maps` 1.0.0 needs `a:goe@^1`: there is no plugin `a:goe`",
        ],
    );
}

#[test]
fn a_range_without_a_version() {
    says(
        "a:geo 1.0.0\n a:geo 1.1.0\n a:geo 3.0.0\n a:geo 5.0.0\n a:geo 6.0.0",
        &["a:geo@^2"],
        &[
            "cannot resolve `a:geo@^2`:",
            "  you ask for `a:geo@^2`: there is no such version, only 6.0.0, 5.0.0, 3.0.0 and 2 more",
            "hint: ask for `a:geo@^6.0.0` instead of `a:geo@^2`",
        ],
    );
}

#[test]
fn versions_that_are_left_out() {
    says(
        "a:geo 1.0.0; unapproved\n a:geo 1.1.0; advisory ADV-1 leaks\u{202e}\n a:maps 1.0.0; needs a:geo@^1",
        &["a:maps"],
        &[
            "cannot resolve `a:maps@*`:",
            "  you ask for `a:maps@*` (1.0.0)",
            "  `a:maps` 1.0.0 needs `a:geo@^1` (1.0.0, 1.1.0)",
            "  `a:geo` 1.0.0 is left out: nobody has approved it",
            "  `a:geo` 1.1.0 is left out: advisory `ADV-1`: leaks\u{fffd}",
            "hint: with security `permissive` it would be `a:geo@1.1.0`, although advisory `ADV-1`: leaks\u{fffd}",
        ],
    );
}

#[test]
fn an_interface_that_nobody_has_in_a_form_that_fits() {
    let lines = "
        a:geo 1.0.0; exports a:i/lookup@2.0.0
        a:maps 1.0.0; needs a:i/lookup@^1; imports a:i/lookup@1.2.0
    ";
    says(
        lines,
        &["a:maps"],
        &[
            "cannot resolve `a:maps@*`:",
            "  you ask for `a:maps@*` (1.0.0)",
            "  `a:maps` 1.0.0 needs `a:i/lookup@^1`, which nobody has in a form that fits: of `a:geo` 1.0.0 it is `a:i/lookup@2.0.0`, on another track",
        ],
    );
}

#[test]
fn a_provider_that_others_do_not_allow() {
    let lines = "
        a:geo 1.0.0; exports a:i/lookup@1.0.0
        a:geo 2.0.0; exports a:i/lookup@2.0.0
        a:maps 1.0.0; needs a:i/lookup@^1; imports a:i/lookup@1.0.0
        a:tours 1.0.0; maybe-peer a:geo@^2
    ";
    says(
        lines,
        &["a:maps", "a:tours"],
        &[
            "cannot resolve `a:maps@*` and `a:tours@*`:",
            "  you ask for `a:maps@*` (1.0.0)",
            "  you ask for `a:tours@*` (1.0.0)",
            "  `a:maps` 1.0.0 needs `a:i/lookup@^1`, which `a:geo` 1.0.0 has",
            "  `a:tours` 1.0.0 allows beside it no `a:geo` but `a:geo@^2`",
            "hint: without `a:maps@*` the rest fits",
            "hint: without `a:tours@*` the rest fits",
        ],
    );
}

#[test]
fn a_lock_that_no_longer_fits() {
    let index = index("a:geo 1.0.0\n a:geo 1.1.0\n a:maps 1.0.0; needs a:geo@^1.1");
    let kept = [("a:geo", "1.0.0"), ("a:maps", "1.0.0")].map(|(name, version)| (name.parse().unwrap(), [version.parse().unwrap()].into()));
    let options = Options { strategy: Strategy::Locked, kept: kept.into(), ..Options::default() };
    let Err(ResolveError::Conflict(conflict)) = resolve(&index, &roots(&["a:maps"]), &options) else { panic!("it fits") };
    assert_eq!(conflict.reasons.last().unwrap(), "`a:geo` 1.1.0 is left out: it is not in the lock");
    assert_eq!(conflict.ways_out, ["resolve anew instead of from the lock: with other versions it fits"]);
}
