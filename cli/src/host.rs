//! The command as a plugin host: where its state is, what it offers, and how it words a missing grant.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use plugwork::log::Sink;
use plugwork::{Allocation, ChildCompiler, Compiler, Limits, Observer, Runtime};
use plugwork_capabilities::{
    Blob, Clock, Config, Environment, EnvironmentSecrets, FileSecrets, Filesystem, FolderBlobs, Http, KeyValue, Random, Secrets,
};
use plugwork_core::{Permission, Subject};
use plugwork_store::Store;

use crate::exit::Failure;
use crate::print;

/// Where this command keeps its state.
pub(crate) struct Place {
    state: Option<PathBuf>,
}

impl Place {
    pub(crate) fn new(state: Option<PathBuf>) -> Self {
        Self { state }
    }

    /// The state folder: as given, or from the environment.
    pub(crate) fn state(&self) -> Result<PathBuf, Failure> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        self.state
            .clone()
            .or_else(|| variable("PLUGWORK_STATE"))
            .or_else(|| variable("XDG_STATE_HOME").map(|base| base.join("plugwork")))
            .or_else(|| variable("HOME").map(|home| home.join(".local/state/plugwork")))
            .ok_or_else(|| Failure::usage("there is no HOME to keep state in: give `--state FOLDER`"))
    }
}

/// How a grant that is missing would be written here.
pub(crate) type Hint = Box<dyn Fn(&Subject, &Permission) -> String + Send + Sync>;

/// What this node keeps: the records of consent, and the values of plugins. One folder for each state folder; several commands may have it
/// open at once.
pub(crate) async fn store(place: &Place) -> Result<Arc<Store>, Failure> {
    let folder = place.state()?.join("store");
    let failed = |error: plugwork_store::StoreError| match error.hint() {
        hint if hint.is_empty() => Failure::failed(format_args!("cannot open `{}`: {error}", folder.display())),
        hint => Failure::failed(format_args!("cannot open `{}`: {error}\nhint: {hint}", folder.display())),
    };
    Ok(Arc::new(Store::open(&folder).await.map_err(failed)?))
}

/// Opens the runtime with everything this command can offer. Roots of `filesystem` grants are relative to `base`.
pub(crate) async fn open(
    place: &Place,
    store: &Arc<Store>,
    base: &Path,
    limits: Limits,
    sink: impl Sink,
    hint: Hint,
) -> Result<Runtime, Failure> {
    let state = place.state()?;
    let runtime = Runtime::builder(&state)
        .records(store.clone())
        // A command makes few instances: reserving a pool would cost more than it saves.
        .allocation(Allocation::OnDemand)
        .compiler(Compiler::Child(ChildCompiler::default()))
        .limits(limits)
        .provide(Http::default())
        .provide(Filesystem::new(base))
        .provide(Config)
        .provide(Environment)
        .provide(Clock)
        .provide(Random)
        .provide(KeyValue::in_store(store.clone()))
        .provide(blob(&state))
        .provide(secrets(&state)?)
        .log(sink)
        .hint(hint)
        .open()
        .await?;
    Ok(runtime)
}

/// Answers `plugwork top`, `ps` and `logs` for as long as the result lives. A host that cannot be looked at still does its work.
pub(crate) fn serve(place: &Place, runtime: &Runtime, verb: &'static str) -> Option<Observer> {
    let state = place.state().map_err(|failure| failure.to_string());
    match state.and_then(|state| Observer::open(runtime, state, verb).map_err(|error| error.to_string())) {
        Ok(observer) => Some(observer),
        Err(error) => {
            print::narrate(format_args!("warning: `plugwork ps`, `top` and `logs` will not see this: {error}"));
            None
        }
    }
}

/// The beginning of variables that hold secrets.
pub(crate) const SECRET_PREFIX: &str = "PLUGWORK_SECRET_";

pub(crate) fn blob(state: &Path) -> Blob {
    Blob::new(Arc::new(FolderBlobs::at(state.join("blobs"))))
}

fn secrets(state: &Path) -> Result<Secrets, Failure> {
    let environment = EnvironmentSecrets::new(SECRET_PREFIX).map_err(|issue| Failure::failed(format_args!("{issue}")))?;
    Ok(Secrets::new(FileSecrets::at(state.join("secrets.toml"))).or(environment))
}

/// The names and interfaces that [`open`] offers, for commands that only look.
pub(crate) fn offered() -> Vec<plugwork_core::reach::Offered<'static>> {
    use plugwork::Capability;
    fn one(capability: &impl Capability) -> plugwork_core::reach::Offered<'static> {
        plugwork_core::reach::Offered { capability: capability.name(), interfaces: capability.interfaces() }
    }
    vec![
        one(&Http::default()),
        one(&Filesystem::default()),
        one(&Config),
        one(&Environment),
        one(&Clock),
        one(&Random),
        one(&KeyValue::in_memory()),
        one(&blob(Path::new(""))),
        one(&Secrets::default()),
    ]
}

/// A tokio runtime for the I/O of one command, and for calls that are short: other guests run on threads of their own.
pub(crate) fn io_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    io_runtime_on(2)
}

/// The same for a server, which has many at once: as many threads as processors.
pub(crate) fn serving_runtime() -> Result<tokio::runtime::Runtime, Failure> {
    io_runtime_on(std::thread::available_parallelism().map_or(2, |threads| threads.get().max(2)))
}

fn io_runtime_on(threads: usize) -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format_args!("cannot start threads: {error}")))
}
