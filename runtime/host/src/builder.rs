//! What a runtime is made of, and how it opens.
//!
//! Easily got wrong: a runtime lives in the tokio runtime that it was opened in, which drives its timers, sockets and housekeeping.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugwork_core::capacity::Capacity;
use plugwork_core::dispatch::Dispatching;
use plugwork_core::record::Records;
use plugwork_core::rollback::Watch;
use plugwork_core::sources::PackageSource;
use plugwork_core::{Clock, Issue, Limits, Permission, Subject, breaker};
use tokio::runtime::Handle;

use crate::admission::Seats;
use crate::audit::Audit;
use crate::cache::{Cache, Disk};
use crate::capability::Capability;
use crate::compile::Compiler;
use crate::density::{self, Density};
use crate::engine::{Allocation, Engines};
use crate::error::{Error, ErrorKind, Result};
use crate::events::outbox::Outbox;
use crate::events::{Bus, Durable, DurableEvents, EventsCapability, EventsSettings, check_durable};
use crate::guards::{Bound, GuardSettings};
use crate::installation::hooks::{self, Hooks, NoHooks};
use crate::installation::members::Members;
use crate::installation::native_subject;
use crate::last_use::LastUse;
use crate::log::{Level, Sink};
use crate::native::{AnyNative, Native};
use crate::outlet::Outlet;
use crate::point::Call;
use crate::reset::PageScan;
use crate::runtime::{Hint, Runtime, Shared};
use crate::threads::GuestThreads;
use crate::wiring::circle::Circles;
use crate::{housekeeping, watch};

/// The system's clock.
struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

/// How much of what is installed is in memory. A plugin that is not is loaded at its next call.
#[derive(Debug, Clone, Copy)]
pub struct Resident {
    /// Plugins that are loaded at once. Default: as many as three quarters of the process's memory maps and descriptors allow.
    pub plugins: Option<u64>,
    /// Machine code that is loaded at once. Bytes; 2 GiB.
    pub code_bytes: u64,
    /// After how long a warm instance that nobody calls is released. Milliseconds; 300,000.
    pub idle_ms: u64,
}

impl Default for Resident {
    fn default() -> Self {
        Self { plugins: None, code_bytes: density::LOADED_BYTES_MAX, idle_ms: 300_000 }
    }
}

type AddNative = Box<dyn FnOnce(&Runtime) -> Result<()> + Send>;

/// What a runtime is made of.
pub struct Builder {
    state: Option<PathBuf>,
    allocation: Allocation,
    page_scan: bool,
    compiler: Compiler,
    capabilities: Vec<Box<dyn Capability>>,
    limits: Limits,
    sink: Option<Arc<dyn Sink>>,
    hint: Hint,
    clock: Arc<dyn Clock>,
    records: Option<Arc<dyn Records>>,
    packages: Option<Arc<dyn PackageSource>>,
    hooks: Box<dyn Hooks>,
    hook_patience: Duration,
    natives: Vec<AddNative>,
    guest_threads: Option<usize>,
    calls_in_place: bool,
    resident: Resident,
    drain: Duration,
    breaker: breaker::Settings,
    rollback: Watch,
    dispatching: HashMap<String, Dispatching>,
    events: Option<EventsSettings>,
    outbox: Option<(Arc<dyn Outbox>, DurableEvents)>,
    /// Patterns of interfaces, and who guards them.
    pub(crate) guards: Vec<(String, Bound)>,
    pub(crate) guarding: GuardSettings,
}

impl Builder {
    pub(crate) fn in_memory() -> Self {
        Self {
            state: None,
            allocation: Allocation::Pooling { instances: 256 },
            page_scan: true,
            compiler: Compiler::InProcess,
            capabilities: Vec::new(),
            limits: Limits::interactive(),
            sink: None,
            clock: Arc::new(SystemClock),
            records: None,
            packages: None,
            hooks: Box::new(NoHooks),
            hook_patience: Duration::from_secs(30),
            natives: Vec::new(),
            guest_threads: None,
            calls_in_place: true,
            resident: Resident::default(),
            drain: Duration::from_secs(30),
            breaker: breaker::Settings::default(),
            rollback: Watch::default(),
            dispatching: HashMap::new(),
            events: None,
            guards: Vec::new(),
            guarding: GuardSettings::default(),
            outbox: None,
            hint: Box::new(|_, permission| {
                let bounds = permission.to_string();
                let bounds = bounds.strip_prefix(&permission.capability).unwrap_or_default().trim();
                format!("grants.{} = {}", permission.capability, if bounds.is_empty() { "{}" } else { bounds })
            }),
        }
    }

    pub(crate) fn in_folder(mut self, state: &Path) -> Self {
        self.state = Some(state.to_owned());
        self
    }

    /// Offers a capability. Offered is not granted: a plugin gets it only by a grant.
    pub fn provide(mut self, capability: impl Capability) -> Self {
        self.capabilities.push(Box::new(capability));
        self
    }

    /// Limits for every plugin that is not given its own. Default: [`Limits::interactive`].
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Where instances come from. Default: pooling with 256 instances.
    pub fn allocation(mut self, allocation: Allocation) -> Self {
        self.allocation = allocation;
        self
    }

    /// Whether the pool clears its slots with the kernel's page scan, where that is safe: see [`PageScan`]. It is, unless told otherwise.
    pub fn page_scan(mut self, wanted: bool) -> Self {
        self.page_scan = wanted;
        self
    }

    /// Who compiles. Default: this process, without limits. [`Compiler::Child`] needs a state folder.
    pub fn compiler(mut self, compiler: Compiler) -> Self {
        self.compiler = compiler;
        self
    }

    /// Where plugins' log records go. Default: nowhere.
    pub fn log(mut self, sink: impl Sink) -> Self {
        self.sink = Some(Arc::new(sink));
        self
    }

    /// How this host words the line that would grant a permission. Default: the grant as TOML.
    pub fn hint(mut self, hint: impl Fn(&Subject, &Permission) -> String + Send + Sync + 'static) -> Self {
        self.hint = Box::new(hint);
        self
    }

    /// Where consent is kept and what happens to plugins is written down. Without it consent lasts as long as the process.
    pub fn records(mut self, records: Arc<dyn Records>) -> Self {
        self.records = Some(records);
        self
    }

    /// The clock that records and the expiry of consent go by. Default: the system's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Where the files of installed plugins are, by digest: what [`Runtime::start`] and a plugin that was unloaded load from.
    pub fn packages(mut self, packages: Arc<dyn PackageSource>) -> Self {
        self.packages = Some(packages);
        self
    }

    /// What the application hears of and has a say in. Each hook may take `patience`; a `before` hook that takes longer counts as a refusal.
    pub fn hooks(mut self, hooks: impl Hooks, patience: Duration) -> Self {
        self.hooks = Box::new(hooks);
        self.hook_patience = patience;
        self
    }

    /// A plugin of the application's own, written in Rust against a point. `name` is `namespace:name`; of a lower weight it is asked earlier.
    pub fn native<P: Call>(mut self, name: &str, weight: i32, plugin: impl Native<P>) -> Self {
        let name = name.to_owned();
        self.natives.push(Box::new(move |runtime| runtime.admit_native(native_subject(&name)?, AnyNative::new::<P>(plugin), weight)));
        self
    }

    /// How many threads run guests, apart from those that do I/O. Default: as many as there are processors. Short calls need none of them
    /// ([`Builder::calls_in_place`]).
    pub fn guest_threads(mut self, threads: usize) -> Self {
        self.guest_threads = Some(threads);
        self
    }

    /// Whether a plugin whose calls are short makes the next one on the thread that asks for it. Default: yes; the way to a guest thread and back would take
    /// longer. Short is what ends in its first turn within 100 µs. What takes longer in place goes on on a guest thread as soon as it gives way, after about a
    /// millisecond, and its plugin has to earn it again with many short calls. So a host function must not block its thread, nor may a
    /// [`Sink`] or what is given to a session: there may be a runtime for I/O on it. `false`: guests run on guest threads only.
    pub fn calls_in_place(mut self, in_place: bool) -> Self {
        self.calls_in_place = in_place;
        self
    }

    /// How much of what is installed is in memory.
    pub fn resident(mut self, resident: Resident) -> Self {
        self.resident = resident;
        self
    }

    /// How long a version that was replaced, or whose plugin was disabled, may have open sessions, and how long closing waits for calls. 30 seconds.
    pub fn drain(mut self, patience: Duration) -> Self {
        self.drain = patience;
        self
    }

    /// When a plugin that keeps failing is not called for a while. Default: 5 faults in 60 s, for 60 s.
    pub fn breaker(mut self, breaker: breaker::Settings) -> Self {
        self.breaker = breaker;
        self
    }

    /// When a new version goes back to the one before by itself.
    pub fn rollback(mut self, watch: Watch) -> Self {
        self.rollback = watch;
        self
    }

    /// How a point asks its plugins: order, concurrency, what a pipeline does at a fault. `interface` with or without its version.
    pub fn dispatching(mut self, interface: &str, dispatching: Dispatching) -> Self {
        self.dispatching.insert(interface.to_owned(), dispatching);
        self
    }

    /// Offers the capability `events`: plugins that were granted topics publish and receive on them, within these bounds where their grants name none.
    /// What the application itself publishes and receives ([`Runtime::events`]) needs no offer.
    pub fn events(mut self, settings: EventsSettings) -> Self {
        self.events = Some(settings);
        self
    }

    /// Keeps the events of durable topics, and hands them over until they are handled, also after a restart with the same outbox: for one host at a
    /// time. `plugwork_store::Store::outbox` gives one on disk, [`crate::events::outbox::Memory`] one for tests.
    pub fn outbox(mut self, outbox: Arc<dyn Outbox>, durable: DurableEvents) -> Self {
        self.outbox = Some((outbox, durable));
        self
    }

    fn check(&self) -> Result<()> {
        let within = |at: &str, issue: Issue| Issue { at: format!("{at}.{}", issue.at), ..issue };
        let checks = [
            self.breaker.check().map_err(|issue| within("breaker", issue)),
            self.rollback.check().map_err(|issue| within("rollback", issue)),
            self.events.map_or(Ok(()), |events| events.check()).map_err(|issue| within("events", issue)),
            self.outbox.as_ref().map_or(Ok(()), |(_, durable)| check_durable(durable)).map_err(|issue| within("outbox", issue)),
        ];
        let points = self.dispatching.iter().map(|(point, dispatching)| dispatching.check().map_err(|issue| within(point, issue)));
        let issues: Vec<Issue> = checks.into_iter().chain(points).filter_map(Result::err).collect();
        if issues.is_empty() { Ok(()) } else { Err(Error::invalid(ErrorKind::Invalid, "the runtime cannot be opened:", issues)) }
    }

    /// Starts the engine, the guest threads and the housekeeping, and opens the cache. Has to be called in a tokio runtime with time enabled, which has
    /// to live as long as this one: it drives timers and sockets.
    ///
    /// Raises the process's soft limit of descriptors to the hard one.
    pub async fn open(mut self) -> Result<Runtime> {
        self.check()?;
        let guards = self.bound_guards()?;
        let children = self.compiler.children(self.state.is_some())?;
        let disk = self.state.as_deref().map(Disk::open).transpose()?;
        let audit = self.records.map(|records| Arc::new(Audit::new(records, self.clock.clone())));
        let seen = match &audit {
            Some(audit) => audit.records.head().await.map_err(Error::records)?.map_or(0, |head| head.sequence),
            None => 0,
        };
        let durable = match self.outbox {
            Some((outbox, durable)) => {
                let records = audit.as_ref().map(|audit| audit.records.clone());
                let opened = Durable::open(outbox, &durable, self.clock.clone(), records).await;
                Some(Arc::new(opened.map_err(|error| Error::new(ErrorKind::Io, format!("the outbox cannot be used: {error}")))?))
            }
            None => None,
        };
        let threads = GuestThreads::start(self.guest_threads)?;
        if !self.calls_in_place {
            threads.always_hop();
        }
        let slots = density::slots(self.allocation);
        let engines = Engines::start(self.allocation, PageScan::here(self.allocation, self.page_scan))?;
        let capacity = Capacity::of(&density::process(), slots);
        // Without a pool one seat more than fits: who takes it is told that there are no maps, instead of waiting for a slot that there is not.
        let seats = capacity.instances_max.saturating_add(u64::from(slots == 0));
        let seats = Arc::new(Seats::new(u32::try_from(seats).unwrap_or(u32::MAX)));
        let mut capabilities = self.capabilities;
        let shared = Arc::new_cyclic(|this| Shared {
            guards,
            bus: Bus::new(self.events.unwrap_or_default(), durable, this.clone()),
            engines,
            cache: Cache::new(disk, children, capacity.loaded_max, self.resident.code_bytes),
            capabilities: {
                let offered = self.events.map(|settings| EventsCapability { settings, runtime: this.clone() });
                capabilities.extend(offered.map(|offered| Box::new(offered) as Box<dyn Capability>));
                capabilities
            },
            limits: self.limits,
            outlet: Arc::new(Outlet::new(self.sink, self.clock.clone())),
            hint: self.hint,
            clock: self.clock,
            audit: audit.clone(),
            members: Members::new(self.dispatching),
            circles: Circles::default(),
            density: Density::new(this.clone(), capacity, self.resident.code_bytes, self.resident.plugins),
            seats,
            hooks: hooks::Timed { hooks: self.hooks, patience: self.hook_patience },
            packages: self.packages,
            breaker: self.breaker,
            rollback: self.rollback,
            idle_ms: self.resident.idle_ms,
            drain: self.drain,
            draining: Arc::default(),
            watched: housekeeping::Watched::default(),
            follows: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            last_use: LastUse::new(self.state.as_deref()),
            next_expiry_ms: AtomicU64::new(u64::MAX),
            io: Handle::current(),
            threads,
            accounts: Mutex::default(),
        });
        let runtime = Runtime::from(shared);
        runtime.page_scan().warning().into_iter().for_each(|warning| runtime.shared().complain(Level::Warn, &warning));
        housekeeping::start(runtime.downgrade(), tokio::time::Instant::now());
        for add in self.natives {
            add(&runtime)?;
        }
        if let Some(audit) = audit {
            watch::start(runtime.downgrade(), audit, seen);
        }
        Ok(runtime)
    }
}
