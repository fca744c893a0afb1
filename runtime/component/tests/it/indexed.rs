//! What the resolver knows is read from components: what is imported and exported, the types of functions, whose resources they speak of.

use plugwork_component::{PackageMemory, index};
use plugwork_core::Dependency;
use plugwork_core::resolve::{Interface, MemoryIndex, Options, resolve};

use crate::folder::{now, package, packed};

fn indexed(packages: &[Vec<u8>]) -> MemoryIndex {
    let mut source = PackageMemory::default();
    for (at, bytes) in packages.iter().enumerate() {
        source.insert(bytes.clone(), &at.to_string()).unwrap();
    }
    let found = now(index(&source)).unwrap();
    assert!(found.broken.is_empty(), "{:?}", found.broken);
    found.index
}

fn imports(text: &str) -> Vec<Interface> {
    let index = indexed(&[packed("acme:a", "1.0.0", "", text)]);
    index.releases(&"acme:a".parse().unwrap())[0].imports.clone()
}

/// The one function of the one import, with these types before it.
fn types(text: &str) -> plugwork_core::Digest {
    let [import] = &imports(&format!("(component (import \"acme:geo/lookup@1.0.0\" (instance {text})))"))[..] else { panic!("{text}") };
    import.functions.as_ref().unwrap()["find"].unwrap()
}

/// Exports `find` of a point, and `more` if that is said.
fn provider(version: &str, of: &str, more: bool) -> Vec<u8> {
    let (body, exported) = match more {
        true => ("(func $more (canon lift (core func $i \"more\")))", "(export \"more\" (func $more))"),
        false => ("", ""),
    };
    let core = of.split(' ').map(|ty| if ty == "u32" { "i32" } else { ty }).collect::<Vec<_>>().join(" ");
    let text = format!(
        "(component
           (core module $m (func (export \"find\") (param {core}) (result i32) i32.const 7) (func (export \"more\")))
           (core instance $i (instantiate $m))
           (func $find (param \"at\" (tuple {of})) (result u32) (canon lift (core func $i \"find\")))
           {body}
           (instance $lookup (export \"find\" (func $find)) {exported})
           (export \"acme:geo/lookup@1.2.0\" (instance $lookup)))"
    );
    packed("acme:geo", version, "", &text)
}

const USER: &str =
    "(component (import \"acme:geo/lookup@1.0.0\" (instance (export \"find\" (func (param \"at\" (tuple f64 f64)) (result u32))))))";

#[test]
fn what_resolves_also_links_down_to_the_types_of_functions() {
    let user = packed("acme:maps", "1.0.0", "[dependencies]\n\"acme:geo\" = \"^1\"\n", USER);
    let index =
        indexed(&[user, provider("1.0.0", "f64 f64", false), provider("1.1.0", "f64 f64", true), provider("1.2.0", "f64 u32", true)]);
    let roots: Vec<Dependency> = vec!["acme:maps".parse().unwrap()];
    let resolution = resolve(&index, &roots, &Options::default()).unwrap();
    let members: Vec<_> = resolution.members.iter().map(|member| member.id.to_string()).collect();
    assert_eq!(members, ["acme:geo@1.1.0", "acme:maps@1.0.0"], "1.2.0 has other types");
    let (_, provider) = &resolution.members[1].imports[0];
    assert_eq!(provider.to_string(), "acme:geo@1.1.0");
}

#[test]
fn a_conflict_of_types_is_told_as_one() {
    let user = packed("acme:maps", "1.0.0", "[dependencies]\n\"acme:geo\" = \"^1\"\n", USER);
    let index = indexed(&[user, provider("1.2.0", "f64 u32", true)]);
    let error = resolve(&index, &["acme:maps".parse().unwrap()], &Options::default()).unwrap_err().to_string();
    assert!(error.contains("other types"), "{error}");
}

#[test]
fn names_of_fields_and_cases_count_and_names_of_types_do_not() {
    let record = |name: &str, field: &str| {
        types(&format!(
            "(type $r (record (field \"{field}\" f64))) (export \"{name}\" (type $p (eq $r))) (export \"find\" (func (param \"at\" $p) (result u32)))"
        ))
    };
    assert_eq!(record("point", "x"), record("place", "x"));
    assert_ne!(record("point", "x"), record("point", "y"));
    let of = |ty: &str| types(&format!("(export \"find\" (func (result {ty})))"));
    let all = [
        "u32",
        "s32",
        "string",
        "(list u8)",
        "(option u8)",
        "(result u8)",
        "(result (error u8))",
        "(result u8 (error u8))",
        "(tuple u8)",
        "(tuple u8 u8)",
    ];
    let digests: std::collections::BTreeSet<_> = all.iter().map(|ty| of(ty)).collect();
    assert_eq!(digests.len(), all.len(), "all are different");
    let variant =
        |cases: &str| types(&format!("(type $v ({cases})) (export \"v\" (type $e (eq $v))) (export \"find\" (func (result $e)))"));
    let all = [
        "variant (case \"a\")",
        "variant (case \"a\" u8)",
        "variant (case \"a\") (case \"b\")",
        "enum \"a\"",
        "enum \"b\"",
        "flags \"a\"",
        "flags \"a\" \"b\"",
    ];
    assert_eq!(all.iter().map(|cases| variant(cases)).collect::<std::collections::BTreeSet<_>>().len(), all.len());
    let parameter = |name: &str| types(&format!("(export \"find\" (func (param \"{name}\" u8)))"));
    assert_ne!(parameter("a"), parameter("b"));
}

#[test]
fn a_resource_is_its_owners_and_who_takes_it_is_known() {
    let text = |owner: &str, handle: &str| {
        format!(
            "(component
               (import \"{owner}@1.0.0\" (instance $s (export \"cursor\" (type (sub resource)))))
               (alias export $s \"cursor\" (type $cursor))
               (import \"acme:geo/lookup@1.0.0\" (instance
                 (alias outer 1 $cursor (type $c)) (export \"cursor\" (type $d (eq $c)))
                 (export \"open\" (func (param \"it\" ({handle} $d)))))))"
        )
    };
    let lookup = |owner: &str, handle: &str| imports(&text(owner, handle))[1].clone();
    let own = lookup("acme:geo/shapes", "own");
    assert_eq!((own.resources, &own.uses[..]), (true, &["acme:geo/shapes".to_owned()][..]));
    assert_eq!(own.functions, lookup("acme:geo/shapes", "own").functions);
    assert_ne!(own.functions, lookup("acme:geo/shapes", "borrow").functions);
    assert_ne!(own.functions, lookup("other:geo/shapes", "own").functions);
    // On another track it is another resource, whatever its name.
    let other = imports(&text("acme:geo/shapes", "own").replace("shapes@1.0.0", "shapes@2.0.0"))[1].clone();
    assert_ne!(own.functions.unwrap()["open"], other.functions.unwrap()["open"]);
    let own = lookup("acme:geo/shapes", "own");
    assert_eq!(
        own.functions.unwrap()["open"],
        imports(&text("acme:geo/shapes", "own").replace("shapes@1.0.0", "shapes@1.2.0"))[1].functions.as_ref().unwrap()["open"]
    );
    let shapes = &imports(&text("acme:geo/shapes", "own"))[0];
    assert!(shapes.resources && shapes.uses.is_empty() && shapes.functions.as_ref().unwrap()["resource cursor"].is_some());
}

#[test]
fn types_that_double_with_each_name_or_are_deep_are_looked_at_once() {
    let doubled: String = (0..15).map(|at| format!("(type $t{} (tuple $t{at} $t{at}))", at + 1)).collect();
    types(&format!("(type $t0 (tuple u8 u8)) {doubled} (export \"find\" (func (param \"a\" $t15)))"));
    let deep: String = (0..80).map(|at| format!("(type $t{} (list $t{at}))", at + 1)).collect();
    let found = imports(&format!(
        "(component (import \"acme:geo/lookup@1.0.0\" (instance (type $t0 (list u8)) {deep} (export \"find\" (func (param \"a\" $t80))))))"
    ));
    assert!(found[0].functions.as_ref().unwrap()["find"].is_some());
}

#[test]
fn two_files_that_are_one_version_and_differ_are_both_left_out() {
    let mut source = PackageMemory::default();
    source.insert(provider("1.0.0", "f64 f64", false), "one").unwrap();
    source.insert(provider("1.0.0", "f64 f64", true), "two").unwrap();
    source.insert(package("acme:b", "1.0.0"), "three").unwrap();
    let found = now(index(&source)).unwrap();
    assert_eq!(found.index.iter().count(), 1);
    assert_eq!((found.broken.len(), found.places.len()), (1, 1));
}

#[test]
fn who_passes_on_a_resource_beside_one_of_its_own_fits_nobody_who_wants_that() {
    let own = |exported: &str, of: &str| {
        let text = format!(
            "(component
               (import \"acme:geo/shapes@1.0.0\" (instance $s (export \"cursor\" (type (sub resource)))))
               (alias export $s \"cursor\" (type $theirs))
               (type $ours (resource (rep i32)))
               (core module $m (func (export \"open\") (param i32)))
               (core instance $i (instantiate $m))
               (instance $shapes (export \"cursor\" (type $ours)))
               (export \"{exported}\" (instance $shapes))
               (func $open (param \"it\" (own {of})) (canon lift (core func $i \"open\")))
               (instance $lookup (export \"cursor\" (type {of})) (export \"open\" (func $open)))
               (export \"acme:geo/lookup@1.0.0\" (instance $lookup)))"
        );
        let index = indexed(&[packed("acme:a", "1.0.0", "", &text)]);
        let exports = &index.releases(&"acme:a".parse().unwrap())[0].exports;
        exports.iter().find(|export| export.name.path() == "acme:geo/lookup").unwrap().functions.as_ref().unwrap()["open"]
    };
    let passed_on = own("acme:geo/shapes@1.0.0", "$theirs");
    assert_ne!(passed_on, own("acme:geo/shapes@1.0.0", "$ours"));
    assert_ne!(passed_on, own("acme:geo/others@1.0.0", "$theirs"), "alone it is the one that everybody means");
}
