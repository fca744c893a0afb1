//! Graphs of plugins for tests: written as lines, or at random from a seed.
//!
//! A line is `name version`, then clauses after `;`: `needs`, `maybe`, `peer`, `maybe-peer` with a dependency, `imports` and `exports` with an interface and
//! perhaps `resources` and `uses PATH`, `yanked WHY`, `advisory ID TITLE`, `unapproved`.

use plugwork_core::resolve::{Advisory, Interface, MemoryIndex, Release, Resolution, ResolveError};
use plugwork_core::{Dependency, Digest};

pub(crate) fn index(lines: &str) -> MemoryIndex {
    let mut index = MemoryIndex::default();
    for line in lines.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let mut clauses = line.split(';').map(str::trim);
        let (name, version) = clauses.next().unwrap().split_once(' ').unwrap();
        let mut release = Release::new(version.parse().unwrap(), Digest::of(line.as_bytes()));
        for clause in clauses.filter(|clause| !clause.is_empty()) {
            let (verb, rest) = clause.split_once(' ').unwrap_or((clause, ""));
            match verb {
                "needs" | "maybe" | "peer" | "maybe-peer" => {
                    let mut dependency = dependency(rest);
                    dependency.optional = verb.starts_with("maybe");
                    dependency.peer = verb.ends_with("peer");
                    release.dependencies.push(dependency);
                }
                "imports" => release.imports.push(interface(rest)),
                "exports" => release.exports.push(interface(rest)),
                "yanked" => release.yanked = Some(rest.to_owned()),
                "advisory" => {
                    let (id, title) = rest.split_once(' ').unwrap();
                    release.advisories.push(Advisory { id: id.to_owned(), title: title.to_owned() });
                }
                "unapproved" => release.approved = false,
                other => panic!("{other}"),
            }
        }
        index.insert(&name.parse().unwrap(), release).unwrap();
    }
    index
}

pub(crate) fn dependency(text: &str) -> Dependency {
    text.parse().unwrap()
}

pub(crate) fn roots(texts: &[&str]) -> Vec<Dependency> {
    texts.iter().map(|text| dependency(text)).collect()
}

pub(crate) fn interface(text: &str) -> Interface {
    let mut words = text.split(' ');
    let mut interface = Interface::new(words.next().unwrap().parse().unwrap());
    while let Some(word) = words.next() {
        match word {
            "resources" => interface.resources = true,
            "uses" => interface.uses.push(words.next().unwrap().to_owned()),
            "types" => interface.functions = Some([("f".to_owned(), Some(Digest::of(words.next().unwrap().as_bytes())))].into()),
            other => panic!("{other}"),
        }
    }
    interface
}

/// The members, as one line.
pub(crate) fn members(resolution: &Resolution) -> String {
    resolution.members.iter().map(|member| member.id.to_string()).collect::<Vec<_>>().join(" ")
}

/// The reasons and the ways out, as lines.
pub(crate) fn told(result: Result<Resolution, ResolveError>) -> String {
    result.unwrap_err().to_string()
}

/// Numbers that are the same for the same seed (xorshift).
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// A number below this one.
    pub(crate) fn below(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % sides as u64) as usize
    }

    pub(crate) fn pick<'t, T>(&mut self, of: &'t [T]) -> &'t T {
        &of[self.below(of.len())]
    }

    /// True once in so many.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

const VERSIONS: [&str; 7] = ["0.1.0", "0.2.0", "1.0.0", "1.1.0", "1.2.0", "2.0.0", "2.1.0"];
const RANGES: [&str; 20] = [
    "*",
    "*",
    "*",
    ">=1",
    ">=1",
    ">=0.1",
    "^1",
    "^1",
    "^2",
    "=1.1.0",
    ">=1.1",
    "<2",
    "<2",
    "<=2",
    "~1.0",
    "^0.1",
    ">=1, <3",
    "^1.1",
    "<1.2",
    ">=0.2, <=1.0.0",
];
const INTERFACES: [&str; 9] = ["1.0.0", "1.0.0", "1.0.0", "1.0.0", "1.1.0", "2.0.0", "0.1.0", "1.2.0", "1.2.0"];

/// How a random graph is made.
pub(crate) struct Sort {
    pub(crate) names: usize,
    pub(crate) versions: usize,
    pub(crate) paths: usize,
    pub(crate) resources: bool,
}

/// A random graph as lines, and roots.
pub(crate) fn random(dice: &mut Dice, sort: &Sort) -> (String, Vec<String>) {
    let names = 2 + dice.below(sort.names - 1);
    let mut lines = String::new();
    for name in 0..names {
        let mut versions: Vec<&str> = (0..1 + dice.below(sort.versions)).map(|_| *dice.pick(&VERSIONS)).collect();
        versions.sort_unstable();
        versions.dedup();
        for version in versions {
            lines += &format!("a:p{name} {version}");
            let mut targets: Vec<usize> = (0..dice.below(4))
                .map(|_| if dice.once_in(60) { names } else { dice.below(names) })
                .filter(|other| *other != name)
                .collect();
            targets.sort_unstable();
            targets.dedup();
            for other in targets {
                let verb = *dice.pick(&[
                    "needs",
                    "needs",
                    "needs",
                    "needs",
                    "needs",
                    "needs",
                    "needs",
                    "maybe",
                    "maybe",
                    "peer",
                    "maybe-peer",
                    "maybe-peer",
                ]);
                lines += &format!("; {verb} a:p{other}@{}", dice.pick(&RANGES));
            }
            for path in 0..sort.paths {
                let uses = |dice: &mut Dice, path: usize| match sort.resources && path > 0 && dice.once_in(2) {
                    true => format!(" resources uses a:i/i{}", path - 1),
                    false => if sort.resources { " resources" } else { "" }.to_owned(),
                };
                // Resources matter only where much is linked, so such graphs agree on versions more often.
                let (named, unnamed, exported) = if sort.resources { (2, 12, 2) } else { (4, 8, 2) };
                let version = |dice: &mut Dice| if sort.resources && !dice.once_in(8) { "1.0.0" } else { *dice.pick(&INTERFACES) };
                let is_named = dice.once_in(named);
                if is_named {
                    let verb = *dice.pick(&["needs", "needs", "maybe"]);
                    let range = if sort.resources { "*" } else { *dice.pick(&RANGES) };
                    lines += &format!("; {verb} a:i/i{path}@{range}");
                }
                if is_named && (sort.resources || dice.once_in(2)) || dice.once_in(unnamed) {
                    lines += &format!("; imports a:i/i{path}@{}{}", version(dice), uses(dice, path));
                }
                if dice.once_in(exported) {
                    lines += &format!("; exports a:i/i{path}@{}{}", version(dice), uses(dice, path));
                }
            }
            for clause in ["; yanked because", "; advisory A-1 bad", "; unapproved"] {
                if dice.once_in(20) {
                    lines += clause;
                }
            }
            lines += "\n";
        }
    }
    let mut roots: Vec<String> = Vec::new();
    for _ in 0..1 + dice.below(3) {
        let target = if sort.paths > 0 && dice.once_in(5) {
            format!("a:i/i{}", dice.below(sort.paths))
        } else {
            format!("a:p{}", dice.below(names))
        };
        if !roots.iter().any(|root| root.starts_with(&format!("{target}@"))) {
            roots.push(format!("{target}@{}", dice.pick(&RANGES)));
        }
    }
    (lines, roots)
}
