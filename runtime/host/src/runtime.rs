//! The runtime: engines, cache, capabilities and limits of one host, and the plugins that it manages.
//!
//! Here is what it is made of and how it opens and closes. What happens to plugins is in `installation`, what happens by itself in `housekeeping`
//! and `watch`.

use std::collections::HashMap;
use std::future::Future;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use plugwork_core::capacity::{Capacity, Held};
use plugwork_core::limits::LOG_RECORD_BYTES_MAX;
use plugwork_core::reach::Offered;
use plugwork_core::record::{ConsentKey, Event};
use plugwork_core::rollback::Watch;
use plugwork_core::sources::PackageSource;
use plugwork_core::{Clock, Digest, Limits, Permission, Subject, breaker, consent};
use tokio::runtime::Handle;

use crate::account::Account;
use crate::admission::Seats;
use crate::audit::Audit;
use crate::builder::Builder;
use crate::cache::{Cache, CacheCounts};
use crate::capability::Capability;
use crate::compile::Walls;
use crate::density::{Density, Loaded};
use crate::dispatch::Dispatch;
use crate::engine::Engines;
use crate::error::{Error, ErrorKind, Result};
use crate::events::Bus;
use crate::generation::Generation;
use crate::guards::Guards;
use crate::housekeeping;
use crate::installation::Member;
use crate::installation::hooks::{self, Change, Moment};
use crate::installation::members::Members;
use crate::last_use::LastUse;
use crate::log::{Level, Sink, cut};
use crate::offer::Offer;
use crate::outlet::Outlet;
use crate::plugin::Plugin;
use crate::point::{Call, Point};
use crate::reset::PageScan;
use crate::source::Source;
use crate::threads::GuestThreads;
use crate::usage::Usage;
use crate::wiring::circle::Circles;

/// A plugin host. Cheap to clone; its clones are one runtime.
#[derive(Clone)]
pub struct Runtime(Arc<Shared>);

pub(crate) type Hint = Box<dyn Fn(&Subject, &Permission) -> String + Send + Sync>;

pub(crate) struct Shared {
    pub(crate) engines: Engines,
    pub(crate) cache: Cache,
    pub(crate) capabilities: Vec<Box<dyn Capability>>,
    pub(crate) limits: Limits,
    pub(crate) outlet: Arc<Outlet>,
    pub(crate) hint: Hint,
    pub(crate) clock: Arc<dyn Clock>,
    /// Present where the runtime keeps records.
    pub(crate) audit: Option<Arc<Audit>>,
    pub(crate) members: Members,
    /// Which plugins are wired to which.
    pub(crate) circles: Circles,
    pub(crate) bus: Bus,
    pub(crate) guards: Guards,
    pub(crate) density: Density,
    pub(crate) seats: Arc<Seats>,
    pub(crate) hooks: hooks::Timed,
    pub(crate) packages: Option<Arc<dyn PackageSource>>,
    pub(crate) breaker: breaker::Settings,
    pub(crate) rollback: Watch,
    pub(crate) idle_ms: u64,
    /// How long a version that goes may have open sessions.
    pub(crate) drain: Duration,
    /// Generations that are draining.
    pub(crate) draining: Arc<AtomicU64>,
    pub(crate) watched: housekeeping::Watched,
    /// Whether it was started from records, and so does what others write there.
    pub(crate) follows: AtomicBool,
    /// Whether nothing is loaded any more.
    pub(crate) closing: AtomicBool,
    pub(crate) last_use: LastUse,
    /// No consent ends earlier than this, in Unix milliseconds.
    pub(crate) next_expiry_ms: AtomicU64,
    /// Where work of the runtime's own runs.
    pub(crate) io: Handle,
    pub(crate) threads: GuestThreads,
    pub(crate) accounts: Mutex<Accounts>,
}

/// By subject and the record that the consent rests on. Several of one: those of a plugin that was removed and still drains, beside that of the one
/// that was installed again.
type Accounts = HashMap<(Subject, u64), Vec<Weak<Account>>>;

/// Those that are alive.
fn alive(accounts: &Accounts) -> impl Iterator<Item = Arc<Account>> {
    accounts.values().flatten().filter_map(Weak::upgrade)
}

impl Runtime {
    /// A runtime that keeps its state (compiled plugins) in a folder, which it makes `0700` where it is missing.
    pub fn builder(state: impl AsRef<Path>) -> Builder {
        Builder::in_memory().in_folder(state.as_ref())
    }

    /// A runtime that keeps nothing: every start compiles anew.
    pub fn in_memory() -> Builder {
        Builder::in_memory()
    }

    /// Reads and checks a component. Nothing of it runs.
    pub async fn offer(&self, source: &Source) -> Result<Offer> {
        Offer::make(self, source).await
    }

    /// The plugins attached to a point, as of now.
    #[inline]
    pub fn point<P: Call>(&self) -> Dispatch<'_, P> {
        Dispatch::new(self, self.0.members.point::<P>())
    }

    /// The components attached to a point, one by one, each loaded now.
    pub async fn attached<P: Point>(&self) -> Result<Vec<Plugin>> {
        let mut plugins = Vec::new();
        for member in self.0.members.point::<P>().members.iter().filter(|member| member.native.is_none()) {
            plugins.push(Plugin::new(member.loaded(self).await?));
        }
        Ok(plugins)
    }

    /// The threads that guests run on.
    pub fn guest_threads(&self) -> &GuestThreads {
        &self.0.threads
    }

    /// How slots are cleared for their next instance.
    pub fn page_scan(&self) -> PageScan {
        self.0.engines.scan
    }

    /// What the process holds of what it can.
    pub fn capacity(&self) -> (Held, Capacity) {
        (self.0.density.held(&self.0.seats), *self.0.density.capacity())
    }

    /// Where compiled components came from so far.
    pub fn cache_counts(&self) -> CacheCounts {
        self.0.cache.counts()
    }

    /// What each loaded plugin holds now and has spent, in the order of their subjects.
    pub fn usage(&self) -> Vec<Usage> {
        let mut accounts: Vec<Arc<Account>> = alive(&self.0.accounts.lock().expect("no panic happens under this lock")).collect();
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

    /// Detaches every plugin, waits until calls under way have finished or hit their deadline and sessions have ended (at most the time to drain),
    /// and finishes the records. What was enabled is enabled again at the next start.
    pub async fn close(self) -> Result<()> {
        let shared = &self.0;
        shared.closing.store(true, Ordering::SeqCst);
        shared.keep_last_use();
        for member in shared.members.part_all() {
            member.leave(shared);
        }
        shared.bus.close();
        let began = tokio::time::Instant::now();
        while (shared.draining.load(Ordering::SeqCst) > 0 || shared.bus.is_busy())
            && began.elapsed() < shared.drain + Duration::from_secs(1)
        {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
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
    /// Whether it is about to be closed, or was.
    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Counts a member that was just loaded among what is loaded. Who has sessions stays for as long as others can go.
    pub(crate) fn keep(&self, member: &Arc<Member>) {
        self.density.keep(member, || self.with_sessions());
    }

    /// Makes sure that one more plugin may be loaded, and says where that is nearly no longer so.
    pub(crate) fn make_room(&self, subject: &Subject) -> Result<()> {
        let admitted = self.with_idle_gone(|| self.density.admit(&self.seats));
        // Told to the operator also where it is the refusal that shows it: instances may have filled up what was left since the last look.
        self.tell_what_is_near();
        admitted.map_err(|scarce| Error::scarce(scarce).of(subject))
    }

    /// Room for one more plugin, taken at once.
    pub(crate) fn reserve(&self, subject: &Subject) -> Result<Loaded> {
        self.make_room(subject)?;
        self.with_idle_gone(|| self.density.reserve(&self.seats)).map_err(|scarce| Error::scarce(scarce).of(subject))
    }

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
        // One that leaves ends when it has drained: what is installed again does not go with it.
        let stays = |account: &Arc<Account>| !account.revoked() && !account.is_leaving();
        if let Some(account) = accounts.get(&key).into_iter().flatten().filter_map(Weak::upgrade).find(stays) {
            account.set_limits(limits);
            return account;
        }
        accounts.retain(|_, same| {
            same.retain(|account| account.strong_count() > 0);
            !same.is_empty()
        });
        let account = Arc::new(Account::open(subject.clone(), since, limits, self.audit.clone(), self.seats.clone()));
        let same = accounts.entry(key).or_default();
        // Of one that was revoked nothing is to be asked any more.
        same.retain(|other| other.upgrade().is_some_and(|other| !other.revoked()));
        same.push(Arc::downgrade(&account));
        account
    }

    /// Stops every plugin whose consent is older than the record that takes it back.
    pub(crate) fn revoke(&self, key: &ConsentKey, sequence: u64) {
        self.accounts_of(key).iter().for_each(|account| account.revoke(sequence));
        for member in self.members.all().into_iter().filter(|member| {
            let other = &member.key;
            other.tenant == key.tenant
                && other.package == key.package
                && [consent::EVERY_INSTANCE, &other.instance].contains(&key.instance.as_str())
        }) {
            member.consent_ended(self, sequence);
        }
    }

    /// Stops what runs of a plugin that was removed elsewhere. What is removed here drains first.
    pub(crate) fn removed(&self, key: &ConsentKey, sequence: u64) {
        self.accounts_of(key).iter().filter(|account| !account.is_leaving()).for_each(|account| account.revoke(sequence));
    }

    /// Accounts of a key, or with the instance [`consent::EVERY_INSTANCE`] of a package.
    fn accounts_of(&self, key: &ConsentKey) -> Vec<Arc<Account>> {
        let accounts = self.accounts.lock().expect("no panic happens under this lock");
        let is_of = |account: &Arc<Account>| {
            let subject = account.subject();
            let same = subject.tenant == key.tenant && subject.package == key.package;
            same && (key.instance == consent::EVERY_INSTANCE || key.instance == subject.instance)
        };
        alive(&accounts).filter(is_of).collect()
    }

    /// What runs of a plugin that is about to be removed here, but for what an earlier removal still drains.
    pub(crate) fn leaving(&self, key: &ConsentKey) -> Leaving {
        let mut accounts = self.accounts_of(key);
        accounts.retain(|account| account.leaves());
        Leaving(accounts)
    }

    /// An error once it is closed.
    pub(crate) fn is_open(&self, subject: &Subject) -> Result<()> {
        match self.is_closing() {
            false => Ok(()),
            true => Err(Error::new(ErrorKind::Unavailable, format!("`{subject}` takes no calls: its runtime is closing")).of(subject)),
        }
    }

    /// Stops every call of a plugin whose consent is over.
    pub(crate) fn end_expired_accounts(&self, now_ms: u64) {
        let accounts = self.accounts.lock().expect("no panic happens under this lock");
        alive(&accounts).for_each(|account| account.end_if_expired(now_ms));
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
        let package = "plugwork:host".parse().expect("a namespace and a label");
        let subject = Subject { tenant: "default".to_owned(), instance: String::new(), package, digest: Digest::of(b"") };
        self.outlet.record(&subject, level, cut(message, LOG_RECORD_BYTES_MAX));
    }

    /// The file of a package that is on record.
    pub(crate) fn package(&self, digest: Digest) -> Result<Source> {
        match &self.packages {
            Some(packages) => Ok(Source::package(digest, packages.clone())),
            None => Err(Error::new(ErrorKind::Invalid, "this runtime does not know where files are: give it `Builder::packages`")),
        }
    }

    /// Runs something to its end, also where the caller gives up: a load that others wait for, or what comes between a record and what it says.
    pub(crate) async fn to_its_end<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let ended = self.io.spawn(work).await;
        ended.unwrap_or_else(|_| Err(Error::new(ErrorKind::Engine, "the work was ended because the host stops")))
    }

    /// Tells the application that something happened.
    pub(crate) async fn tell(&self, moment: Moment, change: &Change) {
        if let Err(complaint) = self.hooks.after(moment, change).await {
            self.complain(Level::Warn, &complaint);
        }
    }

    /// Puts on record that another version has the consent now, and lets its account rest on that. An error where consent was taken back meanwhile, or
    /// somebody decided otherwise: then that stands.
    /// `since` is the record that the version before rests on, none where that was ended; `decided` is the latest that the caller knows about the
    /// consent. Gives the last record.
    pub(crate) async fn rest_on_new_record(&self, next: &Generation, since: Option<u64>, decided: u64, events: Vec<Event>) -> Result<u64> {
        let key = ConsentKey::from(&*next.subject);
        let refused = |why: String| {
            self.complain(Level::Warn, &why);
            Err(Error::new(ErrorKind::Refused, why).of(&next.subject))
        };
        let taken_back = || refused(format!("consent to `{}` was taken back", next.subject));
        let (Some(audit), Some(mut since)) = (&self.audit, since) else { return taken_back() };
        loop {
            let seen = audit.records.head().await.map_err(Error::records)?.map_or(0, |head| head.sequence);
            if self.was_ended(&key, since, seen + 1).await? {
                return taken_back();
            }
            if audit.records.consent(&key).await.map_err(Error::records)?.is_some_and(|latest| latest.sequence > decided) {
                return refused(format!("somebody decided about the consent to `{}` meanwhile", next.subject));
            }
            // Only where nobody wrote anything since that look: what is on record is right from the first moment, and a host that dies at any other leaves
            // nothing behind that it would have had to take back.
            if let Some(records) = audit.records.append_after(seen, self.clock.now_ms(), events.clone()).await.map_err(Error::records)? {
                let (Some(first), Some(last)) = (records.first(), records.last()) else { return Ok(seen) };
                self.rest(&next.account, first.sequence);
                return Ok(last.sequence);
            }
            since = seen.max(since);
        }
    }

    /// Whether a record between the two ends the consent of this key.
    pub(crate) async fn was_ended(&self, key: &ConsentKey, after: u64, before: u64) -> Result<bool> {
        let Some(audit) = &self.audit else { return Ok(false) };
        let mut seen = after;
        while seen + 1 < before {
            let records = audit.records.read(seen, 256).await.map_err(Error::records)?;
            let Some(last) = records.last() else { break };
            seen = last.sequence;
            for record in records.iter().filter(|record| record.sequence < before) {
                if let Ok(Event::Revoked { subject, .. } | Event::Removed { subject, .. }) = record.event()
                    && subject.tenant == key.tenant
                    && subject.package == key.package
                    && (subject.instance == key.instance || subject.instance == consent::EVERY_INSTANCE)
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// An account that began before its record.
    fn rest(&self, account: &Arc<Account>, sequence: u64) {
        let mut accounts = self.accounts.lock().expect("no panic happens under this lock");
        let is_it = |other: &Weak<Account>| std::ptr::eq(other.as_ptr(), Arc::as_ptr(account));
        if let Some(same) = accounts.get_mut(&(account.subject().clone(), account.since())) {
            same.retain(|other| !is_it(other));
        }
        account.rest_on(sequence);
        accounts.entry((account.subject().clone(), sequence)).or_default().push(Arc::downgrade(account));
    }
}

/// Accounts of a plugin that is being removed: its consent ends when it has drained, or not at all where it stays.
pub(crate) struct Leaving(Vec<Arc<Account>>);

impl Leaving {
    /// It is on record: once these have drained nothing may run any more.
    pub(crate) fn after(mut self, shared: &Shared, going: Vec<Arc<Generation>>) {
        let (accounts, patience, draining) = (std::mem::take(&mut self.0), shared.drain, shared.draining.clone());
        draining.fetch_add(1, Ordering::SeqCst);
        shared.io.spawn(async move {
            let began = tokio::time::Instant::now();
            futures::future::join_all(going.iter().map(|generation| generation.retire(patience))).await;
            // Versions that were let go earlier may still have calls too.
            while accounts.iter().any(|account| account.is_busy()) && began.elapsed() < patience {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            accounts.iter().for_each(|account| account.revoke(u64::MAX));
            draining.fetch_sub(1, Ordering::SeqCst);
        });
    }
}

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.iter().for_each(|account| account.stays());
    }
}

impl From<Arc<Shared>> for Runtime {
    fn from(shared: Arc<Shared>) -> Self {
        Self(shared)
    }
}
