//! `plugwork build`: a plugin project becomes one component file. The work is done by `plugwork-build`; here is where the SDK and the
//! contract are found, where the result goes, and what is said about it.
//!
//! Easy to get wrong: `--sdk` and `--contract` name folders of plugwork itself (`guest-sdk`, `wit`), not of the plugin. An application's own
//! WIT is named in the project's `plugin.toml`.

use std::path::PathBuf;

use plugwork_build::{Built, Project};
use plugwork_component::Report;
use serde::Serialize;

use super::building::{self, Tools};
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
    #[command(flatten)]
    tools: Tools,
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
        building::is_project(&self.dir)?;
        let home = self.tools.find()?;
        let project = building::open(&self.dir)?;
        let output = building::output(&self.dir, &project, self.output.as_deref())?;
        let built = home.build(&project, self.dev, &output)?;
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
