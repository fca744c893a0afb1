//! Locks: one spelling, what was locked fits until something changes, and every change is found.

use std::collections::BTreeMap;

use plugwork_core::lock::{LOCK_PLUGINS_MAX, Lock, granted};
use plugwork_core::resolve::{Duplicates, MemoryIndex, Options, PluginId, Provider, Security, Strategy, resolve};
use plugwork_core::{Dependency, Digest, Grants};

use crate::checker::Rules;
use crate::graphs::{Dice, Sort, dependency, index, random, roots};

const LINES: &str = "
    a:geo 1.0.0; exports a:geo/lookup@1.0.0
    a:geo 1.2.0; exports a:geo/lookup@1.1.0
    a:maps 1.0.0; needs a:geo@^1; imports a:geo/lookup@1.0.0; imports wasi:http/types@0.2.0
";

fn lock(index: &MemoryIndex, asked: &[&str]) -> Lock {
    Lock::of(&resolve(index, &roots(asked), &Options::default()).unwrap(), |_| None)
}

fn misfits(lock: &Lock, index: &MemoryIndex, asked: &[&str]) -> Vec<String> {
    lock.misfits(index, &roots(asked), &Options::default(), |_| None).iter().map(ToString::to_string).collect()
}

#[test]
fn a_lock_says_one_thing_in_each_line() {
    let index = index(LINES);
    let text = lock(&index, &["a:maps@^1"]).to_string();
    let shown: Vec<&str> = text.lines().filter(|line| !line.contains("sha256:")).collect();
    let expected = "# Written by plugwork: which versions this application has. Keep it with the sources.
version = 1

[roots]
\"a:maps\" = \"^1\"

[[plugin]]
name = \"a:geo\"
version = \"1.2.0\"

[[plugin]]
name = \"a:maps\"
version = \"1.0.0\"
needs = [
    \"a:geo@1.2.0\",
]
imports = [
    \"a:geo/lookup@1.0.0 = a:geo@1.2.0\",
    \"wasi:http/types@0.2.0 = host\",
]";
    assert_eq!(shown.join("\n"), expected);
}

#[test]
fn what_a_lock_says_of_its_plugins_is_what_a_resolution_of_them_says() {
    let index = index(&format!("{LINES}\n    a:idle 1.0.0"));
    let good = lock(&index, &["a:maps@^1"]);
    let idle = lock(&index, &["a:idle@^1"]);
    let (maps, stray) = (good.plugins.keys().last().unwrap().clone(), idle.plugins.keys().next().unwrap().clone());
    let told = |lock: &Lock| misfits(lock, &index, &["a:maps@^1"]);
    // A line that a merge or a hand has put in keeps nobody.
    let mut kept = good.clone();
    kept.plugins.extend(idle.plugins.clone());
    kept.plugins.get_mut(&maps).unwrap().needs.insert(stray.clone());
    let expected = ["plugin.a:maps@1.0.0: it does not need `a:idle@1.0.0`", "plugin.a:idle@1.0.0: nobody needs it any more"];
    assert_eq!(told(&kept), expected);
    let mut more = good.clone();
    let import = "wasi:http/outgoing-handler@0.2.0".parse().unwrap();
    more.plugins.get_mut(&maps).unwrap().imports.insert(import, Provider::Host);
    assert_eq!(told(&more), ["plugin.a:maps@1.0.0: `wasi:http/outgoing-handler@0.2.0` comes from nobody now, and came from the host"]);
    assert!(told(&good).is_empty());
}

#[test]
fn what_was_locked_comes_again_from_any_graph() {
    let sort = Sort { names: 7, versions: 4, paths: 2, resources: true };
    let mut locked = 0;
    for seed in 0..1_500 {
        let mut dice = Dice::new(seed + 5_000_000);
        let (lines, asked) = random(&mut dice, &sort);
        let index = index(&lines);
        let asked: Vec<Dependency> = asked.iter().map(|root| dependency(root)).collect();
        let duplicates = *dice.pick(&[Duplicates::Dedupe, Duplicates::Isolate]);
        let options = |strategy| Options { strategy, duplicates, security: Security::Audit, ..Options::default() };
        let Ok(resolution) = resolve(&index, &asked, &options(*dice.pick(&[Strategy::Highest, Strategy::Lowest]))) else { continue };
        locked += 1;
        let grants = |id: &PluginId| (id.name.as_str().len().is_multiple_of(2)).then(|| Digest::of(id.to_string().as_bytes()));
        let lock = Lock::of(&resolution, grants);
        let text = lock.to_string();
        assert_eq!(Lock::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}")), lock, "{text}");
        assert_eq!(Lock::parse(&text).unwrap().to_string(), text);
        let misfits = lock.misfits(&index, &asked, &options(Strategy::Highest), grants);
        assert!(misfits.is_empty(), "seed {seed}: {misfits:?}\n{lines}\n{text}");
        let options = Options { kept: lock.kept(), wired: lock.wired(), ..options(Strategy::Locked) };
        let again = resolve(&index, &asked, &options).unwrap();
        Rules { index: &index, roots: &asked, options: &options }.check(&again).unwrap();
        for member in &again.members {
            assert!(
                member.imports.iter().map(|(name, provider)| (name, provider)).eq(&lock.plugins[&member.id].imports),
                "seed {seed}\n{lines}\n{text}"
            );
        }
    }
    assert!(locked > 300, "{locked}");
}

#[test]
fn a_lock_says_everything_for_which_it_does_not_fit() {
    let before = index(LINES);
    let lock = lock(&before, &["a:maps@^1"]);
    assert_eq!(misfits(&lock, &before, &["a:maps@^1"]), Vec::<String>::new());
    // A newer version is no reason: that is what a lock is for.
    assert_eq!(misfits(&lock, &index(&format!("{LINES}\n a:geo 1.9.0; exports a:geo/lookup@1.1.0")), &["a:maps@^1"]), Vec::<String>::new());
    let found = misfits(&lock, &before, &["a:maps@^2", "a:geo"]);
    assert_eq!(found, ["roots.a:maps: the lock was made for `^1`; expected `^2`", "roots.a:geo: it is not in the lock; expected `*`"]);
    assert_eq!(misfits(&lock, &before, &[])[0], "roots.a:maps: it is not asked for any more");
    let gone =
        misfits(&lock, &index("a:maps 1.0.0; needs a:geo@^1; imports a:geo/lookup@1.0.0; imports wasi:http/types@0.2.0"), &["a:maps@^1"]);
    assert_eq!(gone, ["plugin.a:geo@1.2.0: nobody has it any more; expected another version"]);
    let changed = misfits(&lock, &index(&LINES.replace("lookup@1.1.0", "lookup@1.1.0; needs a:new@*")), &["a:maps@^1"]);
    assert!(changed[0].contains("a version never changes, so do not trust this one"), "{changed:?}");
    let mut advised = before.clone();
    let release = advised.releases(&"a:geo".parse().unwrap())[1].clone();
    advised = index("");
    for (name, releases) in before.iter() {
        for other in releases {
            let mut other = other.clone();
            if other.digest == release.digest {
                other.advisories.push(plugwork_core::resolve::Advisory { id: "ADV-2".to_owned(), title: "leaks".to_owned() });
            }
            advised.insert(name, other).unwrap();
        }
    }
    let found = misfits(&lock, &advised, &["a:maps@^1"]);
    assert!(found.iter().any(|line| line.contains("`a:geo` 1.2.0 is left out: advisory `ADV-2`: leaks")), "{found:?}");
}

#[test]
fn other_grants_are_found_and_another_spelling_of_the_same_is_not() {
    let bounds = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap().as_object().unwrap().clone();
    let grants = |text| granted(&Grants::none().with("http", bounds(text)));
    assert_eq!(grants(r#"{"hosts":["a"],"methods":["GET"]}"#), grants(r#"{"methods":["GET"],"hosts":["a"]}"#));
    assert_ne!(grants(r#"{"hosts":["a"]}"#), grants(r#"{"hosts":["b"]}"#));
    let index = index(LINES);
    let resolution = resolve(&index, &roots(&["a:maps"]), &Options::default()).unwrap();
    let lock = Lock::of(&resolution, |_| Some(grants(r#"{"hosts":["a"]}"#)));
    let now = |text| lock.misfits(&index, &roots(&["a:maps"]), &Options::default(), |_| Some(grants(text))).len();
    assert_eq!((now(r#"{"hosts":["a"]}"#), now(r#"{"hosts":["b"]}"#)), (0, 2));
}

#[test]
fn text_that_is_no_lock_is_refused_with_everything_that_is_wrong() {
    let digest = Digest::of(b"").to_string();
    let plugin = |name: &str, rest: &str| {
        format!("[[plugin]]\nname = '{name}'\nversion = '1.0.0'\ndigest = '{digest}'\ninterfaces = '{digest}'\n{rest}\n")
    };
    let found = |text: String| Lock::parse(&text).unwrap_err().issues.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert!(Lock::parse(&format!("version = 1\n{}", plugin("a:b", ""))).is_ok());
    assert_eq!(found("version = 2".to_owned()).len(), 1);
    assert_eq!(found(String::new()).len(), 1);
    assert_eq!(found("<<<<<<< ours".to_owned()).len(), 1);
    let twice = found(format!("version = 1\n{}{}", plugin("a:b", ""), plugin("a:b", "")));
    assert_eq!(twice, ["plugin[1]: `a:b@1.0.0` a second time; expected each plugin once"]);
    let wrong = format!(
        "version = 1\n[roots]\n'a:b' = '^x'\n'b' = '1'\n{}{}",
        plugin("B", "needs = ['a:c']\nimports = ['x']\nunknown = 1"),
        "[[plugin]]\nname = 'a:c'\nversion = '1'\ndigest = 'md5:1'\n"
    );
    assert_eq!(found(wrong).len(), 9);
    let many: BTreeMap<usize, String> = (0..=LOCK_PLUGINS_MAX).map(|at| (at, plugin(&format!("a:p{at}"), ""))).collect();
    let text = |count: usize| format!("version = 1\n{}", many.values().take(count).cloned().collect::<String>());
    assert!(Lock::parse(&text(LOCK_PLUGINS_MAX)).is_ok());
    assert!(Lock::parse(&text(LOCK_PLUGINS_MAX + 1)).is_err());
}
