//! The runtime: engines, cache, capabilities and limits of one host, and the plugins attached to its points.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock, Weak};

use plugwork_core::reach::Offered;
use plugwork_core::record::{ConsentKey, Event, Records};
use plugwork_core::{Clock, Digest, Limits, Permission, Subject, consent};

use crate::account::Account;
use crate::audit::Audit;
use crate::cache::{Cache, CacheCounts, Disk};
use crate::capability::Capability;
use crate::compile::{Compiler, Walls};
use crate::dispatch::Dispatch;
use crate::engine::{Allocation, Engines};
use crate::error::{Error, ErrorKind, Result};
use crate::log::{Level, Sink};
use crate::offer::Offer;
use crate::plugin::Plugin;
use crate::point::{Call, Point};
use crate::source::Source;
use crate::usage::Usage;
use crate::watch;

/// A plugin host. Cheap to clone; its clones are one runtime.
#[derive(Clone)]
pub struct Runtime(Arc<Shared>);

type Hint = Box<dyn Fn(&Subject, &Permission) -> String + Send + Sync>;

/// The system's clock.
struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> u64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}

pub(crate) struct Shared {
    pub(crate) engines: Engines,
    pub(crate) cache: Cache,
    pub(crate) capabilities: Vec<Box<dyn Capability>>,
    pub(crate) limits: Limits,
    pub(crate) sink: Option<Arc<dyn Sink>>,
    pub(crate) hint: Hint,
    pub(crate) clock: Arc<dyn Clock>,
    /// Present where the runtime keeps records.
    pub(crate) audit: Option<Arc<Audit>>,
    accounts: Mutex<HashMap<(Subject, u64), Weak<Account>>>,
    attached: RwLock<Arc<Vec<Plugin>>>,
}

/// What a runtime is made of.
pub struct Builder {
    state: Option<PathBuf>,
    allocation: Allocation,
    compiler: Compiler,
    capabilities: Vec<Box<dyn Capability>>,
    limits: Limits,
    sink: Option<Arc<dyn Sink>>,
    hint: Hint,
    clock: Arc<dyn Clock>,
    records: Option<Arc<dyn Records>>,
}

impl Builder {
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

    /// Starts the engine and opens the cache. Needs a tokio runtime with time enabled from the first call on.
    pub async fn open(self) -> Result<Runtime> {
        let children = self.compiler.children(self.state.is_some())?;
        let disk = self.state.as_deref().map(Disk::open).transpose()?;
        let audit = self.records.map(|records| Arc::new(Audit::new(records, self.clock.clone())));
        let seen = match &audit {
            Some(audit) => audit.records.head().await.map_err(Error::records)?.map_or(0, |head| head.sequence),
            None => 0,
        };
        let runtime = Runtime(Arc::new(Shared {
            engines: Engines::start(self.allocation)?,
            cache: Cache::new(disk, children),
            capabilities: self.capabilities,
            limits: self.limits,
            sink: self.sink,
            hint: self.hint,
            clock: self.clock,
            audit: audit.clone(),
            accounts: Mutex::default(),
            attached: RwLock::default(),
        }));
        if let Some(audit) = audit {
            watch::start(runtime.downgrade(), audit, seen);
        }
        Ok(runtime)
    }
}

impl Runtime {
    /// A runtime that keeps its state (compiled plugins) in a folder, which it makes `0700` where it is missing.
    pub fn builder(state: impl AsRef<Path>) -> Builder {
        Builder { state: Some(state.as_ref().to_owned()), ..Self::in_memory() }
    }

    /// A runtime that keeps nothing: every start compiles anew.
    pub fn in_memory() -> Builder {
        Builder {
            state: None,
            allocation: Allocation::Pooling { instances: 256 },
            compiler: Compiler::InProcess,
            capabilities: Vec::new(),
            limits: Limits::interactive(),
            sink: None,
            clock: Arc::new(SystemClock),
            records: None,
            hint: Box::new(|_, permission| {
                let bounds = permission.to_string();
                let bounds = bounds.strip_prefix(&permission.capability).unwrap_or_default().trim();
                format!("grants.{} = {}", permission.capability, if bounds.is_empty() { "{}" } else { bounds })
            }),
        }
    }

    /// Reads and checks a component. Nothing of it runs.
    pub async fn offer(&self, source: &Source) -> Result<Offer> {
        Offer::make(self, source).await
    }

    /// The plugins attached to a point, as of now.
    pub fn point<P: Call>(&self) -> Dispatch<P> {
        Dispatch::new(self.attached::<P>())
    }

    /// The plugins attached to a point, one by one.
    pub fn attached<P: Point>(&self) -> Vec<Plugin> {
        let attached = self.0.attached.read().expect("no panic happens under this lock").clone();
        attached.iter().filter(|plugin| plugin.has::<P>()).cloned().collect()
    }

    /// Where compiled components came from so far.
    pub fn cache_counts(&self) -> CacheCounts {
        self.0.cache.counts()
    }

    /// What each loaded plugin holds now and has spent, in the order of their subjects.
    pub fn usage(&self) -> Vec<Usage> {
        let mut accounts: Vec<Arc<Account>> =
            self.0.accounts.lock().expect("no panic happens under this lock").values().filter_map(Weak::upgrade).collect();
        accounts.sort_by(|a, b| a.subject().cmp(b.subject()));
        accounts.iter().map(|account| account.snapshot()).collect()
    }

    /// Takes back consent: of one instance of a package, or with the instance [`consent::EVERY_INSTANCE`] of all of them. It is on record
    /// when this resolves; no call starts any more and those under way are stopped, here at once, in other processes that keep the same
    /// records within a second. The error is of kind `Invalid` where this runtime keeps no records.
    pub async fn revoke(&self, subject: &Subject, by: &str, reason: &str) -> Result<()> {
        let standing = match &self.0.audit {
            Some(audit) => audit.records.consents().await.map_err(Error::records)?,
            None => Vec::new(),
        };
        let sequence = self.0.record(consent::revocation(&standing, subject, by, reason)).await?;
        self.0.revoke(&ConsentKey::from(subject), sequence);
        Ok(())
    }

    /// Waits until what was noted of faults and denials is on record.
    pub async fn audited(&self) -> Result<()> {
        match &self.0.audit {
            Some(audit) => audit.write(true).await.map_err(Error::records),
            None => Ok(()),
        }
    }

    /// Which walls stood around the child that compiled last; `None` before the first, and where this process compiles itself.
    pub fn compile_walls(&self) -> Option<Walls> {
        self.0.cache.compile_walls()
    }

    /// Detaches every plugin and finishes the records. Sessions that are still held keep working until they are dropped.
    pub async fn close(self) -> Result<()> {
        *self.0.attached.write().expect("no panic happens under this lock") = Arc::default();
        self.audited().await
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0
    }

    pub(crate) fn downgrade(&self) -> Weak<Shared> {
        Arc::downgrade(&self.0)
    }
}

impl Shared {
    pub(crate) fn offered(&self) -> Vec<Offered<'_>> {
        let offered = |capability: &dyn Capability| Offered { capability: capability.name(), interfaces: capability.interfaces() };
        self.capabilities.iter().map(|capability| offered(capability.as_ref())).collect()
    }

    pub(crate) fn capability_names(&self) -> String {
        let names: Vec<_> = self.capabilities.iter().map(|capability| format!("`{}`", capability.name())).collect();
        if names.is_empty() { "no grant: it offers none".to_owned() } else { format!("one of {}", names.join(", ")) }
    }

    /// The account of a subject and its consent: the one it has, with these limits from now on, or a new one.
    pub(crate) fn account(&self, subject: &Subject, since: u64, limits: Limits) -> Arc<Account> {
        let mut accounts = self.accounts.lock().expect("no panic happens under this lock");
        let key = (subject.clone(), since);
        if let Some(account) = accounts.get(&key).and_then(Weak::upgrade).filter(|account| !account.revoked()) {
            account.set_limits(limits);
            return account;
        }
        accounts.retain(|_, account| account.strong_count() > 0);
        let account = Arc::new(Account::open(subject.clone(), since, limits, self.audit.clone()));
        accounts.insert(key, Arc::downgrade(&account));
        account
    }

    /// Stops every plugin whose consent is older than the record that takes it back.
    pub(crate) fn revoke(&self, key: &ConsentKey, sequence: u64) {
        let accounts = self.accounts.lock().expect("no panic happens under this lock");
        for account in accounts.values().filter_map(Weak::upgrade) {
            let subject = account.subject();
            let same = subject.tenant == key.tenant && subject.package == key.package;
            if same && (key.instance == consent::EVERY_INSTANCE || key.instance == subject.instance) {
                account.revoke(sequence);
            }
        }
    }

    /// Stops every plugin whose consent is over.
    pub(crate) fn end_expired(&self) {
        let now_ms = self.clock.now_ms();
        let accounts = self.accounts.lock().expect("no panic happens under this lock");
        accounts.values().filter_map(Weak::upgrade).for_each(|account| account.end_if_expired(now_ms));
    }

    /// Puts events on record, all or none; gives the sequence of the last.
    pub(crate) async fn record(&self, events: Vec<Event>) -> Result<u64> {
        let Some(audit) = &self.audit else {
            return Err(Error::new(ErrorKind::Invalid, "this runtime keeps no records: give it some with `Builder::records`"));
        };
        let records = audit.records.append(self.clock.now_ms(), events).await.map_err(Error::records)?;
        Ok(records.last().map_or(0, |record| record.sequence))
    }

    /// Says something of the host's own where its plugins' records go, since nobody waits for an answer.
    pub(crate) fn complain(&self, level: Level, message: &str) {
        if let Some(sink) = &self.sink {
            let package = "plugwork:host".parse().expect("a namespace and a label");
            let subject = Subject { tenant: "default".to_owned(), instance: String::new(), package, digest: Digest::of(b"") };
            sink.record(&subject, level, message);
        }
    }

    pub(crate) fn attach(&self, plugin: &Plugin) {
        let mut attached = self.attached.write().expect("no panic happens under this lock");
        if !attached.iter().any(|other| other.is(plugin)) {
            let mut plugins = (**attached).clone();
            plugins.push(plugin.clone());
            *attached = Arc::new(plugins);
        }
    }

    pub(crate) fn detach(&self, plugin: &Plugin) {
        let mut attached = self.attached.write().expect("no panic happens under this lock");
        *attached = Arc::new(attached.iter().filter(|other| !other.is(plugin)).cloned().collect());
    }
}
