//! `plugwork dev`: watch a plugin's folder, build, swap, call. Its parts are in `crate::dev`; here is the order in which they work.
//!
//! Easy to get wrong: only the folder of the plugin and that of its WIT are watched, not the SDK and not other crates that it names by their path.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use plugwork::dynamic::Argument;
use plugwork::log::{Level, Sink};
use plugwork::{Limits, Source, Subject};
use plugwork_build::{Built, Project};
use tokio::sync::watch::{Receiver, Sender, channel};
use tokio::task::JoinHandle;
use tokio::time::{Interval, MissedTickBehavior};

use super::add::argument;
use super::building::{self, Home, Tools};
use super::call;
use crate::dev::swap::Running;
use crate::dev::told::{Told, refused};
use crate::dev::watch::Watch;
use crate::exit::Failure;
use crate::grants::GrantArguments;
use crate::host::{self, Place};
use crate::print;

/// Watches a plugin's folder: builds on every change, swaps the new version in, and calls it again.
///
/// A version that does not build, is refused, or does not start changes nothing: the one before keeps running. A change that gives the same
/// component does nothing. Consent is for this process only: nothing is put on record but faults and refusals. `plugwork top`, `ps` and `logs` see it.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork dev plugins/shout apply '{body: \"hello\", media-type: \"text/plain\"}'
  plugwork dev plugins/feed fetch --grant 'http = { hosts = [\"a.example\"] }'
  plugwork dev plugins/shout health --every-ms 200

The JSON (one line each) has: event, and what belongs to it: watching (folder),
changed (files), unchanged, not-built (error, running), swapped (generation,
version, digest, build_ms, swap_ms, handed_over_bytes), refused (error,
running), offered (capabilities, difference, allow, running), answered
(generation, value), failed (generation, error, value), rolled-back (generation,
digest, why).
Exit code 130 after Ctrl-C; calls under way finish first.")]
pub(crate) struct Dev {
    /// The folder with `plugin.toml`.
    dir: PathBuf,
    /// What to call after each swap, as in `plugwork call`: `apply`, `text-filter#apply`.
    function: Option<String>,
    /// One for each parameter, as in `plugwork call`.
    #[arg(allow_negative_numbers = true)]
    args: Vec<String>,
    /// Reads the arguments as JSON instead of WAVE.
    #[arg(long)]
    json_args: bool,
    /// Calls it again and again, and tells when the answer is another one.
    #[arg(long, value_name = "N", requires = "function", value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    every_ms: Option<u64>,
    /// Ends after N builds, as the last of them ended. Without N after the first.
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    once: Option<u32>,
    /// Prints JSON instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    grants: GrantArguments,
    /// Where to write the component: a file, or a folder that exists. Default: `DIR/target/plugwork/NAME.wasm`.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    tools: Tools,
    /// How long a call may take. Milliseconds, 1 to 3600000.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    deadline_ms: u64,
}

/// How often is looked whether the host went back to an earlier version.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What the loop works with.
struct Loop {
    verb: Dev,
    arguments: Vec<Argument>,
    home: Home,
    running: Running,
    /// What the last call came to, so that the same is not told again and again.
    last: Option<String>,
}

impl Dev {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        let grants = self.grants.read()?;
        let arguments = call::read_arguments(&self.args, self.json_args)?;
        // What is no project at all is told at once; what is wrong in it may be mended while we watch.
        building::is_project(&self.dir)?;
        let home = self.tools.find()?;
        let project = building::open(&self.dir)?;
        let limits = Limits { deadline_ms: self.deadline_ms, ..Limits::batch() };
        let io = host::io_runtime()?;
        let outcome = io.block_on(async {
            let store = host::store(place).await?;
            let runtime = host::open(place, &store, Path::new("."), limits, log(self.every_ms.is_some()), Box::new(argument)).await?;
            let _serving = host::serve(place, &runtime, "dev");
            let running = Running::new(runtime.clone(), grants, !self.json && print::can_ask());
            let (stop, stopped) = channel(false);
            tokio::spawn(listen(stop));
            let outcome = Loop { verb: self, arguments, home, running, last: None }.work(project, stopped).await;
            let closed = runtime.close().await;
            outcome.and(closed.map_err(Failure::from))
        });
        // A build that is still at work must not hold the command.
        io.shutdown_background();
        outcome
    }
}

/// The first Ctrl-C asks for an end, the second is one.
async fn listen(stop: Sender<bool>) {
    let _ = tokio::signal::ctrl_c().await;
    print::narrate("\nending: calls under way finish first; Ctrl-C again ends at once");
    let _ = stop.send(true);
    let _ = tokio::signal::ctrl_c().await;
    std::process::exit(130);
}

/// What to do next.
enum Next {
    Build(Vec<PathBuf>),
    Call,
    Look,
    End,
}

impl Loop {
    async fn work(mut self, project: Project, mut stopped: Receiver<bool>) -> Result<(), Failure> {
        let output = building::output(&self.verb.dir, &project, self.verb.output.as_deref())?;
        let mut watch = Watch::start(&roots(&project), &absolute(&output)?)?;
        self.told(&Told::Watching { folder: self.verb.dir.clone() });
        let mut building = build(&self.home, Ok(project), &output);
        let mut builds = 0;
        let mut under_way = true;
        let mut look = interval(LOOK_EVERY);
        let mut again = interval(Duration::from_millis(self.verb.every_ms.unwrap_or(u64::from(u32::MAX))));
        loop {
            let calls = self.verb.every_ms.is_some() && self.running.is_there();
            // Only waiting stands here: what is begun is finished, and nothing of a change is lost meanwhile.
            let next = tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => Next::End,
                built = &mut building, if under_way => {
                    under_way = false;
                    let built = built.unwrap_or_else(|error| Err(Failure::failed(format_args!("the build ended: {error}"))));
                    let outcome = self.take(built).await;
                    builds += 1;
                    match self.verb.once {
                        Some(once) if builds >= once => return outcome,
                        _ => continue,
                    }
                }
                files = watch.changed(), if !under_way => Next::Build(files?),
                _ = again.tick(), if calls => Next::Call,
                _ = look.tick() => Next::Look,
            };
            match next {
                Next::End => return Err(Failure::interrupted("interrupted")),
                // What came of it was told.
                Next::Call => drop(self.call().await),
                Next::Look => self.look(),
                Next::Build(files) => {
                    self.told(&Told::Changed { files });
                    let project = building::open(&self.verb.dir);
                    if let Ok(project) = &project {
                        watch.roots(&roots(project))?;
                    }
                    building = build(&self.home, project, &output);
                    under_way = true;
                }
            }
        }
    }

    /// What was built takes the place of what runs, and is called.
    async fn take(&mut self, built: Result<Built, Failure>) -> Result<(), Failure> {
        let running = self.running.generation();
        let built = match built {
            Ok(built) => built,
            Err(failure) => {
                self.told(&Told::NotBuilt { error: failure.to_string(), running });
                return Err(failure);
            }
        };
        let build_ms = u64::try_from(built.elapsed.as_millis()).unwrap_or(u64::MAX);
        if self.running.runs(built.digest) {
            self.told(&Told::Unchanged { build_ms });
            return Ok(());
        }
        let swapped = match Source::file(&built.path) {
            Ok(source) => self.running.swap(&source, build_ms).await,
            Err(error) => Err(error.into()),
        };
        match swapped {
            Ok(offered @ Told::Offered { .. }) => {
                self.told(&offered);
                return Err(Failure::refused("the last version asks for more than was granted"));
            }
            Ok(swapped) => self.told(&swapped),
            Err(failure) => {
                self.told(&refused(&failure, running));
                return Err(failure);
            }
        }
        self.last = None;
        self.call().await
    }

    /// Tells where the host went back to the version before by itself.
    fn look(&mut self) {
        if let Some(back) = self.running.went_back() {
            self.last = None;
            self.told(&back);
        }
    }

    /// Calls what was asked for, and tells what came of it unless it is what came of it before.
    async fn call(&mut self) -> Result<(), Failure> {
        self.look();
        let (Some(name), Some(mut generation)) = (&self.verb.function, self.running.generation()) else { return Ok(()) };
        let called = async {
            let callable = |plugin: &plugwork::Plugin| call::callable(plugin, name);
            let (plugin, function, returned) = self.running.call(&self.arguments, callable, call::explain).await?;
            let shown = call::shown(&plugin, &function, &returned)?;
            Ok::<_, Failure>((shown, call::verdict(&plugin, &function, &returned)))
        };
        let (answer, outcome) = match called.await {
            Ok((shown, verdict)) => (Some(shown), verdict),
            Err(failure) => (None, Err(failure)),
        };
        // Went it back during the call, then what failed was the version that is gone, and what answered the one that is back.
        if outcome.is_ok() {
            self.look();
            generation = self.running.generation().unwrap_or(generation);
        }
        let came_of_it = format!("{answer:?} {}", outcome.as_ref().map_or_else(Failure::to_string, |()| String::new()));
        if self.last.as_ref() == Some(&came_of_it) {
            return outcome;
        }
        self.last = Some(came_of_it);
        let (value, text) = answer.map_or((None, None), |(value, text)| (Some(value), text));
        text.into_iter().filter(|_| !self.verb.json).for_each(print::data);
        self.told(&match &outcome {
            Ok(()) => Told::Answered { generation, value: value.unwrap_or_default() },
            Err(failure) => Told::Failed { generation, error: failure.to_string(), value },
        });
        outcome
    }

    fn told(&self, told: &Told) {
        told.tell(self.verb.json);
    }
}

/// Ticks that do not pile up while something else is done.
fn interval(every: Duration) -> Interval {
    let mut interval = tokio::time::interval(every);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval
}

/// Builds on a thread of its own: tools block.
fn build(home: &Home, project: Result<Project, Failure>, output: &Path) -> JoinHandle<Result<Built, Failure>> {
    let (home, output) = (home.clone(), output.to_owned());
    tokio::task::spawn_blocking(move || home.build(&project?, false, &output))
}

/// The plugin's log. What the host says of it by itself is told here in its own way, but for what went wrong; and where the same call is made again
/// and again, the same line is not.
fn log(again: bool) -> impl Sink {
    let last = Mutex::new(String::new());
    move |subject: &Subject, level: Level, message: &str| {
        if subject.package.as_str() == "plugwork:host" && level != Level::Error {
            return;
        }
        if again {
            let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
            if *last == message {
                return;
            }
            message.clone_into(&mut last);
        }
        call::log(subject, level, message);
    }
}

/// The folders that are watched: the project's, and that of its WIT where it lies outside.
fn roots(project: &Project) -> Vec<PathBuf> {
    let wit = project.manifest().build.as_ref().and_then(|build| build.wit.as_ref());
    let wit = wit.and_then(|wit| project.dir().join(wit).canonicalize().ok()).filter(|wit| !wit.starts_with(project.dir()));
    std::iter::once(project.dir().to_owned()).chain(wit).collect()
}

fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(Failure::from)
}
