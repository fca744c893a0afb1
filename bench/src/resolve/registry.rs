//! A registry that nobody published to: the same plugins and versions in every run, made one plugin after the other from its number.
//!
//! What is made how is told in `docs/benchmarks.md`, "Rows of `resolve`". May be misread: a plugin depends on those with smaller numbers alone, small ones above
//! all, so that a few are everywhere, most are nowhere, and no plugin needs itself. Circles are in the tests of the resolver.

use plugwork::core::resolve::{Advisory, Interface, Release};
use plugwork::core::{Dependency, Digest, InterfaceName, PackageName, Target};
use semver::Version;

use super::dice::Dice;

/// How those who publish treat each other.
#[derive(Clone, Copy)]
pub(super) struct Manners {
    /// One range in so many is `~1.2`, which its target's next minor version is not in.
    narrow_of: usize,
    /// One in so many stays where it was when its target comes to another track.
    stays_of: usize,
    /// One version in so many has one more dependency than the one before.
    grows_of: usize,
}

impl Manners {
    /// As in the index from which the targets come; `docs/benchmarks.md` has both shapes.
    pub(super) const USUAL: Self = Self { narrow_of: 2_000, stays_of: 1_000, grows_of: 19 };
    /// Everybody is in somebody's way.
    pub(super) const CONTESTED: Self = Self { narrow_of: 20, stays_of: 8, grows_of: 12 };
}

/// Versions of each plugin.
pub(super) const VERSIONS: usize = 9;
/// Interfaces of plugins that others import.
const SERVICES: usize = 400;
/// One plugin in so many exports one of them.
const EXPORTER_OF: usize = 25;
/// Interfaces of the host, each in some sets of functions: a component imports those that it uses.
const HOSTED: [&str; 8] = [
    "wasi:io/streams",
    "wasi:io/poll",
    "wasi:clocks/wall-clock",
    "wasi:cli/environment",
    "wasi:filesystem/types",
    "wasi:random/random",
    "wasi:http/types",
    "plugwork:host/log",
];
const WORDS: [&str; 16] = [
    "table", "chart", "map", "text", "sky", "river", "index", "filter", "image", "sound", "mail", "clock", "road", "price", "wind", "seed",
];

/// The name of a plugin.
fn name(number: usize) -> PackageName {
    let mut dice = Dice::new(number, "name");
    let (author, first, second) = (dice.rank(4_000), dice.pick(&WORDS), dice.pick(&WORDS));
    format!("author{author}:{first}-{second}-p{number}").parse().expect("letters and digits")
}

/// A plugin with all of its versions.
pub(super) fn plugin(number: usize, manners: Manners) -> (PackageName, Vec<Release>) {
    let mut dice = Dice::new(number, "releases");
    let name = name(number);
    let mut wishes = wishes(number, &mut dice);
    let mut imports: Vec<Interface> = Vec::new();
    for _ in 0..1 + dice.below(4) {
        let import = interface(&format!("{}@0.2.6", dice.pick(&HOSTED)), dice.below(8));
        if !imports.iter().any(|other| other.name == import.name) {
            imports.push(import);
        }
    }
    let service: Option<Dependency> = dice.once_in(10).then(|| {
        let path = service_path(dice.rank(SERVICES));
        imports.push(interface(&format!("{path}@1.0.0"), 1 + number % 4));
        Dependency::new(Target::Interface(path.parse::<InterfaceName>().expect("a path")), "^1".parse().expect("a range"))
    });
    let point = interface(&format!("plugwork:points/point{}@1.0.0", dice.below(20)), 0);
    // Functions are added in time, and none is taken away.
    let exported: Vec<Interface> = match number % EXPORTER_OF {
        7 => (0..3).map(|minor| interface(&format!("{}@1.{minor}.0", service_path(number / EXPORTER_OF % SERVICES)), 0)).collect(),
        _ => Vec::new(),
    };
    let mut releases = Vec::with_capacity(VERSIONS);
    for (time, version) in history(number).into_iter().enumerate() {
        if wishes.len() < 8 && dice.once_in(manners.grows_of) {
            wishes.extend(Wish::any(number, &mut dice));
            wishes.sort_by_key(|wish| wish.target);
            wishes.dedup_by_key(|wish| wish.target);
        }
        for wish in &mut wishes {
            wish.renew(time, manners, &mut dice);
        }
        let digest = Digest::of(format!("{name}@{version}").as_bytes());
        let mut release = Release::new(version, digest);
        release.dependencies = wishes.iter().map(Wish::dependency).chain(service.clone()).collect();
        release.imports.clone_from(&imports);
        release.exports = [&point].into_iter().chain(exported.get(time * 3 / VERSIONS)).cloned().collect();
        if dice.once_in(100) {
            release.yanked = Some("a mistake in the build".to_owned());
        }
        if dice.once_in(300) {
            release.advisories.push(Advisory { id: format!("ADV-{number}"), title: "reads past the end of its input".to_owned() });
        }
        release.approved = !dice.once_in(200);
        releases.push(release);
    }
    (name, releases)
}

/// A dependency as it changes from version to version.
struct Wish {
    target: usize,
    range: String,
}

impl Wish {
    fn any(number: usize, dice: &mut Dice) -> Option<Self> {
        (number > 0).then(|| Self { target: dice.rank(number), range: String::new() })
    }

    /// Mostly as it was; soon after the target has another track, or now and then, as of the newest version of the target that there was.
    fn renew(&mut self, time: usize, manners: Manners, dice: &mut Dice) {
        let history = history(self.target);
        let is_new_track = time > 0 && history[time].major != history[time - 1].major;
        if !(self.range.is_empty() || is_new_track && !dice.once_in(manners.stays_of) || dice.once_in(8)) {
            return;
        }
        let Version { major, minor, patch, .. } = history[time];
        let is_narrow = dice.once_in(manners.narrow_of);
        self.range = match dice.below(20) {
            _ if is_narrow => format!("~{major}.{minor}"),
            0 => format!(">={major}.{minor}"),
            1 => "*".to_owned(),
            2 => format!("^{major}.{minor}.{patch}"),
            _ if major == 0 => format!("^0.{minor}"),
            3..8 => format!("^{major}"),
            _ => format!("^{major}.{minor}"),
        };
    }

    fn dependency(&self) -> Dependency {
        Dependency::new(Target::Plugin(name(self.target)), self.range.parse().expect("a range"))
    }
}

/// What the first version depends on: nothing to eight plugins, two on average.
fn wishes(number: usize, dice: &mut Dice) -> Vec<Wish> {
    const HOW_MANY: [usize; 20] = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5, 6, 8];
    let count = *dice.pick(&HOW_MANY);
    let mut wishes: Vec<Wish> = (0..count).filter_map(|_| Wish::any(number, dice)).collect();
    wishes.sort_by_key(|wish| wish.target);
    wishes.dedup_by_key(|wish| wish.target);
    wishes
}

/// The versions of a plugin, the oldest first, on one to three tracks. What many depend on rarely has another.
fn history(number: usize) -> Vec<Version> {
    let mut dice = Dice::new(number, "history");
    let tracks = match dice.below(if number < 1_000 { 60 } else { 20 }) {
        0 => 3,
        1..5 => 2,
        _ => 1,
    };
    let mut version = Version::new(u64::from(!dice.once_in(6) || tracks == 1), dice.below(3) as u64, 0);
    let mut versions = vec![version.clone()];
    for time in 1..VERSIONS {
        if time % VERSIONS.div_ceil(tracks) == 0 {
            version = Version::new(version.major + 1, 0, 0);
        } else if dice.once_in(2) && version.major > 0 {
            version = Version::new(version.major, version.minor + 1, 0);
        } else {
            version.patch += 1;
        }
        versions.push(version.clone());
    }
    versions
}

fn service_path(service: usize) -> String {
    format!("services:s{service}/api")
}

/// An interface with six functions, or without one or the other of them.
fn interface(name: &str, variant: usize) -> Interface {
    let mut interface = Interface::new(name.parse().expect("the name of an interface"));
    let path = interface.name.path().to_owned();
    let functions = (0..6).filter(|at| *at < 3 || variant >> (at - 3) & 1 == 0);
    let typed = functions.map(|at| (format!("function-{at}"), Some(Digest::of(format!("{path} {at}").as_bytes()))));
    interface.functions = Some(typed.collect());
    interface
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_has_its_versions_in_order_and_a_mean_of_two_dependencies() {
        let all: Vec<_> = (0..2_000).map(|number| plugin(number, Manners::USUAL)).collect();
        for (name, releases) in &all {
            assert!(releases.windows(2).all(|pair| pair[0].version < pair[1].version), "{name}");
        }
        let newest = all.iter().map(|(_, releases)| releases[VERSIONS - 1].dependencies.len());
        let mean = newest.sum::<usize>() as f64 / all.len() as f64;
        assert!((1.5..3.5).contains(&mean), "{mean}");
        assert_eq!(plugin(1_234, Manners::USUAL), plugin(1_234, Manners::USUAL));
    }
}
