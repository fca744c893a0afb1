//! A project's folder becomes a component file, for `build` and `dev`: where the SDKs, the contract and the tools' folder are, and where the
//! result goes. The work is done by `plugwork-build`.
//!
//! Easy to get wrong: `--sdk` and `--contract` name folders of plugwork itself, not of the plugin.

use std::path::{Path, PathBuf};

use plugwork_build::{BuildError, BuildOptions, Built, Project};

use crate::exit::Failure;
use crate::print;

/// Where plugwork's own folders are.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Tools {
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
}

impl Tools {
    /// Finds them, or says which is missing.
    pub(super) fn find(&self) -> Result<Home, Failure> {
        Home::find(self)
    }
}

/// Refuses a folder that has no `plugin.toml`.
pub(super) fn is_project(dir: &Path) -> Result<(), Failure> {
    if dir.join("plugin.toml").is_file() {
        return Ok(());
    }
    let hint = "a plugin project is a folder with a `plugin.toml`: give its path";
    Err(Failure::not_found(format_args!("there is no `{}`\nhint: {hint}", dir.join("plugin.toml").display())))
}

/// The project in a folder.
pub(super) fn open(dir: &Path) -> Result<Project, Failure> {
    is_project(dir)?;
    Project::open(dir).map_err(failed)
}

/// Where a project's component goes: as given, else `DIR/target/plugwork/NAME.wasm`.
pub(super) fn output(dir: &Path, project: &Project, given: Option<&Path>) -> Result<PathBuf, Failure> {
    let output = match given {
        Some(path) if path.is_dir() => path.join(project.file_name()),
        Some(path) => path.to_owned(),
        None => return Ok(default_output(dir, project.manifest().name.name())),
    };
    match output.parent().filter(|parent| !parent.as_os_str().is_empty() && !parent.is_dir()) {
        Some(parent) => Err(Failure::not_found(format_args!("there is no folder `{}` to write to", parent.display()))),
        None => Ok(output),
    }
}

/// Where a project's component goes unless somebody says otherwise.
pub(super) fn default_output(dir: &Path, name: &str) -> PathBuf {
    dir.join("target/plugwork").join(format!("{name}.wasm"))
}

fn failed(error: BuildError) -> Failure {
    Failure::failed(error)
}

fn variable(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The folders of plugwork that a build needs.
#[derive(Clone)]
pub(super) struct Home {
    given_target: Option<PathBuf>,
    /// The checkout; none where both folders were given one by one.
    checkout: Option<PathBuf>,
    sdk: PathBuf,
    contract: PathBuf,
}

impl Home {
    fn find(tools: &Tools) -> Result<Self, Failure> {
        let (sdk, contract) = (tools.sdk.as_deref(), tools.contract.as_deref());
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
        Ok(Self { given_target: tools.target_dir.clone().or_else(|| variable("CARGO_TARGET_DIR")), checkout: home, sdk, contract })
    }

    /// Builds a project. Slow: from a compiler's second to a minute. What the tools say is told as they say it.
    pub(super) fn build(&self, project: &Project, dev: bool, output: &Path) -> Result<Built, Failure> {
        let target_dir = self.given_target.clone().unwrap_or_else(|| self.target_dir(project));
        let progress = |line: &str| print::narrate(line);
        let options = BuildOptions { sdk_root: &self.sdk, contract: &self.contract, target_dir: &target_dir, dev, progress: &progress };
        project.build(&options, output).map_err(failed)
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
