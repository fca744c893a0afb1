//! `plugwork build`: a plugin project becomes one component file. The work is done by `plugwork-build`; here is where the SDK and the
//! contract are found, where the result goes, and what is said about it.
//!
//! Easy to get wrong: `--sdk` and `--contract` name folders of plugwork itself (`guest-sdk`, `wit`), not of the plugin. An application's own
//! WIT is named in the project's `plugin.toml`.

use std::path::{Path, PathBuf};

use plugwork_build::{BuildError, BuildOptions, Built, Project};
use plugwork_component::Report;
use serde::Serialize;

use super::words::{count, size};
use crate::exit::Failure;
use crate::print;

/// Builds a plugin project (Rust, JavaScript or Python) into one `.wasm` file.
///
/// The project is a folder with `plugin.toml`. The file holds everything: code, `plugin.toml`, name, version and standard metadata. When
/// nothing has changed since the last build, no tool is run.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork build
  plugwork build plugins/csv -o csv.wasm

The SDKs and the contract (WIT) are those of --sdk and --contract, else of the
folder $PLUGWORK_HOME (with guest-sdk/ and wit/), else of the repository that
this binary was built in.

The JSON has: name, version, path, bytes, digest, cached, dev, seconds, points,
imports (names, without those that hold only types).")]
pub(crate) struct Build {
    /// The folder with `plugin.toml`.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// Where to write it: a file, or a folder that exists. Default: `DIR/target/plugwork/NAME.wasm`.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Keeps WASI (inert in a host) so that errors in the plugin come with exact messages.
    #[arg(long)]
    dev: bool,
    /// The folder with the guest SDKs (`rust`, `js`, `python`).
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
    /// The folder with plugwork's WIT packages.
    #[arg(long, value_name = "DIR")]
    contract: Option<PathBuf>,
    /// Where tools keep what may be thrown away. Default: $CARGO_TARGET_DIR, else the `target` of the checkout of plugwork that the project
    /// stands in, else `DIR/target`.
    #[arg(long, value_name = "DIR")]
    target_dir: Option<PathBuf>,
    /// Prints JSON instead of text.
    #[arg(long)]
    json: bool,
}

/// The JSON of `plugwork build --json`.
#[derive(Serialize)]
struct Told<'a> {
    name: String,
    version: String,
    path: String,
    bytes: u64,
    digest: String,
    /// Whether nothing had changed and no tool was run.
    cached: bool,
    dev: bool,
    seconds: f64,
    points: &'a [String],
    imports: Vec<&'a str>,
}

impl Build {
    pub(crate) fn run(self) -> Result<(), Failure> {
        if !self.dir.join("plugin.toml").is_file() {
            let hint = "a plugin project is a folder with a `plugin.toml`: give its path";
            return Err(Failure::not_found(format_args!("there is no `{}`\nhint: {hint}", self.dir.join("plugin.toml").display())));
        }
        let failed = |error: BuildError| Failure::failed(error);
        let home = Home::find(self.sdk.as_deref(), self.contract.as_deref())?;
        let project = Project::open(&self.dir).map_err(failed)?;
        let output = match &self.output {
            Some(path) if path.is_dir() => path.join(project.file_name()),
            Some(path) => path.clone(),
            None => default_output(&self.dir, project.manifest().name.name()),
        };
        let target_dir = self.target_dir.clone().or_else(|| variable("CARGO_TARGET_DIR")).unwrap_or_else(|| home.target_dir(&project));
        let options = BuildOptions {
            sdk_root: &home.sdk,
            contract: &home.contract,
            target_dir: &target_dir,
            dev: self.dev,
            progress: &|line| print::narrate(line),
        };
        let parent = output.parent().filter(|parent| !parent.as_os_str().is_empty());
        if let (Some(_), Some(parent)) = (&self.output, parent.filter(|parent| !parent.is_dir())) {
            return Err(Failure::not_found(format_args!("there is no folder `{}` to write to", parent.display())));
        }
        let built = project.build(&options, &output).map_err(failed)?;
        let component = super::component::Component::open(&built.path)?;
        self.tell(&project, &built, &component.report);
        Ok(())
    }

    fn tell(&self, project: &Project, built: &Built, report: &Report) {
        let imports: Vec<&str> = report.imports.iter().filter(|import| !import.types_only).map(|import| import.name.as_str()).collect();
        if self.json {
            return print::json(&Told {
                name: project.manifest().name.to_string(),
                version: project.manifest().version.to_string(),
                path: built.path.display().to_string(),
                bytes: built.bytes,
                digest: built.digest.to_string(),
                cached: built.cached,
                dev: self.dev,
                seconds: built.elapsed.as_secs_f64(),
                points: &report.points,
                imports,
            });
        }
        let how = if built.cached { "unchanged".to_owned() } else { format!("built in {:.1} s", built.elapsed.as_secs_f64()) };
        print::narrate(format_args!("{} {} {how}", project.manifest().name, project.manifest().version));
        print::data(format_args!("{} {}", built.path.display(), size(built.bytes)));
        report.points.iter().for_each(|point| print::data(format_args!("  exports {point}")));
        match imports.len() {
            0..=8 => imports.iter().for_each(|import| print::data(format_args!("  imports {import}"))),
            // A build with WASI has twenty, and none of them says anything about this plugin.
            many => print::data(format_args!("  {}: see `plugwork inspect`", count(many, "import"))),
        }
    }
}

/// Where a project's component goes unless somebody says otherwise.
pub(super) fn default_output(dir: &Path, name: &str) -> PathBuf {
    dir.join("target/plugwork").join(format!("{name}.wasm"))
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The folders of plugwork that a build needs.
struct Home {
    /// The checkout; none where both folders were given one by one.
    checkout: Option<PathBuf>,
    sdk: PathBuf,
    contract: PathBuf,
}

impl Home {
    fn find(sdk: Option<&Path>, contract: Option<&Path>) -> Result<Self, Failure> {
        // Right for whoever works in a checkout of plugwork, which is everybody until there is a release to install.
        let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().filter(|folder| folder.join("guest-sdk").is_dir());
        let home = variable("PLUGWORK_HOME").or_else(|| repository.map(Path::to_owned));
        let folder = |given: Option<&Path>, name: &str, option: &str, marker: &str| {
            let folder = match (given, &home) {
                (Some(given), _) => given.to_owned(),
                (None, Some(home)) => home.join(name),
                (None, None) => {
                    let hint = "set PLUGWORK_HOME to a checkout of plugwork";
                    return Err(Failure::not_found(format_args!(
                        "it is not known where plugwork's `{name}` folder is: give `{option}`\nhint: {hint}"
                    )));
                }
            };
            if folder.join(marker).is_dir() {
                return Ok(folder);
            }
            let hint = format!("give `{option} DIR`, or set PLUGWORK_HOME to a checkout of plugwork");
            Err(Failure::not_found(format_args!(
                "`{}` is not plugwork's `{name}` folder: it has no `{marker}`\nhint: {hint}",
                folder.display()
            )))
        };
        let (sdk, contract) = (folder(sdk, "guest-sdk", "--sdk", "rust")?, folder(contract, "wit", "--contract", "points")?);
        Ok(Self { checkout: home, sdk, contract })
    }

    /// One folder for all projects of a checkout: a Rust plugin's dependencies take a minute to compile, once.
    fn target_dir(&self, project: &Project) -> PathBuf {
        let checkout = self.checkout.as_ref().and_then(|checkout| checkout.canonicalize().ok());
        match checkout.filter(|checkout| project.dir().starts_with(checkout)) {
            Some(checkout) => checkout.join("target"),
            None => project.dir().join("target"),
        }
    }
}
