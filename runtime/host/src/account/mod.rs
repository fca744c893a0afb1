//! What all instances of one plugin hold and spend together, live: one account for each subject of a runtime.
//!
//! An instance keeps its own counts without a lock and hands them over here once a millisecond (see `ledger`), so what is read here may be a
//! millisecond old. Memory, requests and what is taken from a bucket are exact: they are charged before the fact.

mod hold;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock, Weak};
use std::time::Duration;

use plugwork_core::{Denial, Fault, Limits, Subject};
use tokio::sync::Notify;

use crate::admission::Seats;
use crate::audit::Audit;
use crate::bucket::{Bucket, Rate};
use crate::generation::Generation;
use crate::usage::{HostInterface, Storage, Usage};

pub use hold::{Hold, OpenRequest};

/// Seconds of log that may come at once.
const LOG_SECONDS: u64 = 4;

/// The account of one subject, shared by all its instances and by the capabilities that serve them.
pub struct Account {
    number: u64,
    subject: Subject,
    /// The record that its consent rests on: later revocations end it, earlier ones do not. 0 where nothing is recorded.
    since: AtomicU64,
    /// When its consent is over, in Unix milliseconds.
    expires_ms: AtomicU64,
    audit: Option<Arc<Audit>>,
    limits: RwLock<Limits>,
    memory_bytes: AtomicU64,
    memory_peak_bytes: AtomicU64,
    held_bytes: AtomicU64,
    instances: AtomicU32,
    requests: AtomicU32,
    counts: Counts,
    storage: Mutex<BTreeMap<&'static str, Storage>>,
    cpu: Bucket,
    host_calls: Bucket,
    egress: Bucket,
    log_bytes: Bucket,
    log_records: Bucket,
    random: Bucket,
    revoked: AtomicBool,
    /// Its plugin is being removed here.
    leaving: AtomicBool,
    revocation: Notify,
    /// Every version that runs on it, also those that only end their last calls.
    generations: Mutex<Vec<Weak<Generation>>>,
    /// Its own instances, and those of all plugins of the runtime.
    seats: Seats,
    process_seats: Arc<Seats>,
}

/// Sums since the account was opened.
#[derive(Default)]
struct Counts {
    calls: AtomicU64,
    faults: AtomicU64,
    denials: AtomicU64,
    cpu_ns: AtomicU64,
    waited_ns: AtomicU64,
    host_calls: [AtomicU64; HostInterface::COUNT],
    egress_bytes: AtomicU64,
    ingress_bytes: AtomicU64,
    log_records: AtomicU64,
    log_bytes: AtomicU64,
    log_dropped: AtomicU64,
}

/// What one instance has counted and not yet handed over.
#[derive(Debug, Clone, Default)]
pub(crate) struct Pending {
    pub(crate) calls: u64,
    pub(crate) cpu_ns: u64,
    pub(crate) host_calls: [u32; HostInterface::COUNT],
    pub(crate) any_host_call: bool,
}

fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

impl Account {
    pub(crate) fn open(subject: Subject, since: u64, limits: Limits, audit: Option<Arc<Audit>>, process_seats: Arc<Seats>) -> Self {
        static OPENED: AtomicU64 = AtomicU64::new(0);
        Self {
            number: OPENED.fetch_add(1, Ordering::Relaxed),
            subject,
            since: AtomicU64::new(since),
            expires_ms: AtomicU64::new(u64::MAX),
            audit,
            memory_bytes: AtomicU64::new(0),
            memory_peak_bytes: AtomicU64::new(0),
            held_bytes: AtomicU64::new(0),
            instances: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            counts: Counts::default(),
            storage: Mutex::default(),
            cpu: Bucket::full(cpu_rate(&limits)),
            host_calls: Bucket::full(limits.host_calls_per_second.map(Rate::of)),
            egress: Bucket::full(limits.egress_bytes_per_second.map(Rate::of)),
            log_bytes: Bucket::full(Some(Rate::holding_seconds(limits.log_bytes_per_second, LOG_SECONDS))),
            log_records: Bucket::full(Some(Rate::holding_seconds(limits.log_records_per_second, LOG_SECONDS))),
            random: Bucket::full(Some(Rate::of(limits.random_bytes_per_second))),
            revoked: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            revocation: Notify::new(),
            generations: Mutex::default(),
            seats: Seats::new(limits.instances),
            process_seats,
            limits: RwLock::new(limits),
        }
    }

    /// Whose account it is.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The limits in force: those of the latest acceptance.
    pub fn limits(&self) -> Limits {
        *self.limits.read().expect("no panic happens under this lock")
    }

    pub(crate) fn set_limits(&self, limits: Limits) {
        self.cpu.cap(cpu_rate(&limits));
        self.host_calls.cap(limits.host_calls_per_second.map(Rate::of));
        self.egress.cap(limits.egress_bytes_per_second.map(Rate::of));
        self.seats.resize(limits.instances);
        *self.limits.write().expect("no panic happens under this lock") = limits;
    }

    // ---- memory -----------------------------------------------------------------------------------------------------------------------

    /// Holds host memory on the plugin's behalf: bodies, values, queues. Counts against `plugin-memory-bytes` until the result is dropped.
    /// Ask before allocating.
    pub fn hold(self: &Arc<Self>, bytes: u64) -> Result<Hold, Denial> {
        let mut hold = Hold { account: self.clone(), bytes: 0 };
        hold.grow(bytes)?;
        Ok(hold)
    }

    /// Whether instances may grow by this much together; it is charged if they may.
    pub(crate) fn charge_memory(&self, bytes: u64) -> Result<(), Fault> {
        self.charge(&self.memory_bytes, bytes).map_err(|(limit_bytes, asked_bytes)| Fault::PluginMemory { limit_bytes, asked_bytes })
    }

    pub(crate) fn release_memory(&self, bytes: u64) {
        self.memory_bytes.fetch_sub(bytes, Ordering::Relaxed);
    }

    fn charge(&self, gauge: &AtomicU64, bytes: u64) -> Result<(), (u64, u64)> {
        let limit = self.limits().plugin_memory_bytes;
        // Looked at before the addition, which would wrap around for a length that a guest made up.
        if bytes > limit {
            let held = self.memory_bytes.load(Ordering::SeqCst).saturating_add(self.held_bytes.load(Ordering::SeqCst));
            return Err((limit, held.saturating_add(bytes)));
        }
        gauge.fetch_add(bytes, Ordering::SeqCst);
        // Both gauges after the addition: of two that race for the last bytes both may be refused, never both be let through.
        let total = self.memory_bytes.load(Ordering::SeqCst).saturating_add(self.held_bytes.load(Ordering::SeqCst));
        if total > limit {
            gauge.fetch_sub(bytes, Ordering::Relaxed);
            return Err((limit, total));
        }
        self.memory_peak_bytes.fetch_max(total, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn instance_made(&self) {
        self.instances.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn instance_gone(&self) {
        self.instances.fetch_sub(1, Ordering::Relaxed);
    }

    // ---- processor and host calls -----------------------------------------------------------------------------------------------------

    pub(crate) fn hand_over(&self, pending: &mut Pending) {
        if pending.calls > 0 {
            add(&self.counts.calls, pending.calls);
            pending.calls = 0;
        }
        if pending.cpu_ns > 0 {
            self.spend_cpu(pending.cpu_ns);
            pending.cpu_ns = 0;
        }
        if pending.any_host_call {
            pending.any_host_call = false;
            let mut sum = 0;
            for (mine, all) in pending.host_calls.iter_mut().zip(&self.counts.host_calls).filter(|(mine, _)| **mine > 0) {
                sum += u64::from(*mine);
                add(all, u64::from(*mine));
                *mine = 0;
            }
            self.host_calls.spend(sum);
        }
    }

    pub(crate) fn spend_cpu(&self, nanoseconds: u64) {
        add(&self.counts.cpu_ns, nanoseconds);
        self.cpu.spend(nanoseconds);
    }

    /// Whether a call may begin without looking closer: two relaxed loads.
    #[inline]
    pub(crate) fn may_run_at_once(&self) -> bool {
        !self.revoked.load(Ordering::Relaxed) && !self.cpu.is_in_debt() && !self.host_calls.is_in_debt()
    }

    /// How long until the plugin has processor time again; zero where it has, or where its share is not limited.
    pub(crate) fn cpu_wait(&self) -> Duration {
        if !self.cpu.is_in_debt() {
            return Duration::ZERO;
        }
        // A bucket without a limit starts with two hundred years.
        cpu_rate(&self.limits()).map_or(Duration::ZERO, |rate| self.cpu.wait(rate))
    }

    pub(crate) fn waited(&self, time: Duration) {
        add(&self.counts.waited_ns, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// The limit of calls into the host, where it is passed.
    pub(crate) fn host_calls_passed(&self) -> Option<u64> {
        if !self.host_calls.is_in_debt() {
            return None;
        }
        let per_second = self.limits().host_calls_per_second?;
        (!self.host_calls.wait(Rate::of(per_second)).is_zero()).then_some(per_second)
    }

    // ---- the outside ------------------------------------------------------------------------------------------------------------------

    /// Takes one of the plugin's slots for outgoing requests, until the result is dropped.
    pub fn open_request(self: &Arc<Self>) -> Result<OpenRequest, Denial> {
        let limit = self.limits().requests;
        let taken = self.requests.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |open| (open < limit).then_some(open + 1));
        match taken {
            Ok(_) => Ok(OpenRequest(self.clone())),
            Err(open) => {
                Err(self.beyond("E-LIMIT-REQUESTS", "requests", format!("{open} requests are open, its limit is {limit}"), open + 1))
            }
        }
    }

    /// Whether one more request could be opened now. To take the slot is another step: somebody else may be faster.
    pub(crate) fn has_free_request(&self) -> bool {
        self.requests.load(Ordering::Relaxed) < self.limits().requests
    }

    /// Charges bytes that leave. The result says how long to wait before sending more: zero within the limit.
    pub fn egress(&self, bytes: u64) -> Duration {
        add(&self.counts.egress_bytes, bytes);
        match self.limits().egress_bytes_per_second {
            Some(per_second) => {
                self.egress.spend(bytes);
                self.egress.wait(Rate::of(per_second))
            }
            None => Duration::ZERO,
        }
    }

    /// Counts bytes that came in.
    pub fn received(&self, bytes: u64) {
        add(&self.counts.ingress_bytes, bytes);
    }

    /// Says how much one kind of storage holds now, such as `keyvalue`.
    pub fn storage(&self, kind: &'static str, bytes: u64, keys: u64) {
        self.storage.lock().expect("no panic happens under this lock").insert(kind, Storage { bytes, keys });
    }

    /// Counts something that policy denied, and notes it for the records.
    pub fn denied(&self, denial: &Denial) {
        add(&self.counts.denials, 1);
        if let Some(audit) = &self.audit {
            audit.denial(&self.subject, denial);
        }
    }

    pub(crate) fn faulted(&self, fault: &Fault) {
        add(&self.counts.faults, 1);
        if let Some(audit) = &self.audit {
            audit.fault(&self.subject, fault);
        }
    }

    /// Whether a log record of so many bytes may be written now; a record that may not is counted as dropped.
    pub fn may_log(&self, bytes: u64) -> bool {
        add(&self.counts.log_records, 1);
        add(&self.counts.log_bytes, bytes);
        let may = self.has_room_in_log(bytes);
        if !may {
            add(&self.counts.log_dropped, 1);
        }
        may
    }

    /// Takes room in the plugin's log for a record of the host's own about it, which is not counted as the plugin's.
    pub(crate) fn has_room_in_log(&self, bytes: u64) -> bool {
        let limits = self.limits();
        self.log_records.try_spend(1, Rate::holding_seconds(limits.log_records_per_second, LOG_SECONDS))
            && self.log_bytes.try_spend(bytes, Rate::holding_seconds(limits.log_bytes_per_second, LOG_SECONDS))
    }

    /// Whether so many random bytes may be drawn now.
    pub fn may_draw_random(&self, bytes: u64) -> Result<(), Denial> {
        let limit = self.limits().random_bytes_per_second;
        if self.random.try_spend(bytes, Rate::of(limit)) {
            return Ok(());
        }
        let rule = format!("{bytes} random bytes would be more than {limit} a second");
        Err(self.beyond("E-LIMIT-RANDOM", "random-bytes-per-second", rule, limit.saturating_mul(2)))
    }

    /// A denial by a limit, counted.
    fn beyond(&self, code: &str, limit: &str, rule: String, enough: impl std::fmt::Display) -> Denial {
        let denial = Denial {
            code: code.to_owned(),
            permission: limit.to_owned(),
            rule: format!("{rule} (plugin `{}`)", self.subject),
            hint: format!("limits.{limit} = {enough}"),
        };
        self.denied(&denial);
        denial
    }

    // ---- revocation -------------------------------------------------------------------------------------------------------------------

    /// Whether consent was revoked: no call starts any more, and those under way are stopped.
    #[inline]
    pub fn revoked(&self) -> bool {
        self.revoked.load(Ordering::Relaxed)
    }

    /// The record that its consent rests on.
    pub(crate) fn since(&self) -> u64 {
        self.since.load(Ordering::SeqCst)
    }

    /// Its consent was put on record, later than it began.
    pub(crate) fn rest_on(&self, sequence: u64) {
        self.since.store(sequence, Ordering::SeqCst);
    }

    /// Its plugin is being removed here: it drains, and its consent ends then. False where it leaves already.
    pub(crate) fn leaves(&self) -> bool {
        !self.leaving.swap(true, Ordering::SeqCst)
    }

    /// It is not removed after all.
    pub(crate) fn stays(&self) {
        self.leaving.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::SeqCst)
    }

    /// One more version runs on it.
    pub(crate) fn runs(&self, generation: &Arc<Generation>) {
        let mut generations = self.generations.lock().expect("no panic happens under this lock");
        generations.retain(|other| other.strong_count() > 0);
        generations.push(Arc::downgrade(generation));
    }

    /// Whether a call or session of any of its versions is under way, or an instance is left. A call that was let in and has no instance yet is one too.
    pub(crate) fn is_busy(&self) -> bool {
        // Looked at once the lock is free: the last who holds one drops it, and what embedders gave it.
        let generations: Vec<Arc<Generation>> = {
            let generations = self.generations.lock().expect("no panic happens under this lock");
            generations.iter().filter_map(Weak::upgrade).collect()
        };
        self.seats.taken() > 0 || generations.iter().any(|generation| generation.work.gate.in_flight() > 0)
    }

    /// Until when its consent lasts, in Unix milliseconds.
    pub(crate) fn expires_ms(&self) -> Option<u64> {
        Some(self.expires_ms.load(Ordering::Relaxed)).filter(|ms| *ms != u64::MAX)
    }

    /// Its own line for instances.
    #[inline]
    pub(crate) fn seats(&self) -> &Seats {
        &self.seats
    }

    /// The line of all plugins.
    #[inline]
    pub(crate) fn process_seats(&self) -> &Seats {
        &self.process_seats
    }

    /// Ends it for good, if its consent is older than the record that takes it back. Consent that is given anew opens another account.
    pub(crate) fn revoke(&self, sequence: u64) {
        if self.since() < sequence {
            self.revoked.store(true, Ordering::SeqCst);
            self.revocation.notify_waiters();
        }
    }

    /// Consent lasts until then, at most: of two acceptances of one record the earlier end counts.
    pub(crate) fn expires(&self, at_ms: Option<u64>) {
        self.expires_ms.fetch_min(at_ms.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Ends it if its time is over.
    pub(crate) fn end_if_expired(&self, now_ms: u64) {
        if now_ms >= self.expires_ms.load(Ordering::Relaxed) {
            self.revoke(u64::MAX);
        }
    }

    /// Resolves when consent is revoked.
    pub(crate) async fn revocation(&self) {
        let notified = self.revocation.notified();
        let mut notified = std::pin::pin!(notified);
        // Listening first, looking second: a revocation between the two is heard.
        notified.as_mut().enable();
        if !self.revoked() {
            notified.await;
        }
    }

    /// Everything, as of now.
    pub fn snapshot(&self) -> Usage {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = &self.counts;
        let by_interface = HostInterface::ALL
            .iter()
            .map(|interface| (interface.name(), read(&counts.host_calls[*interface as usize])))
            .filter(|(_, calls)| *calls > 0)
            .collect::<BTreeMap<_, _>>();
        Usage {
            subject: self.subject.clone(),
            account: self.number,
            limits: self.limits(),
            instances: self.instances.load(Ordering::Relaxed),
            calls: read(&counts.calls),
            faults: read(&counts.faults),
            denials: read(&counts.denials),
            cpu_ms: read(&counts.cpu_ns) / 1_000_000,
            cpu_waited_ms: read(&counts.waited_ns) / 1_000_000,
            memory_bytes: read(&self.memory_bytes),
            held_bytes: read(&self.held_bytes),
            memory_peak_bytes: read(&self.memory_peak_bytes),
            host_calls: by_interface.values().sum(),
            host_calls_by_interface: by_interface,
            requests: self.requests.load(Ordering::Relaxed),
            egress_bytes: read(&counts.egress_bytes),
            ingress_bytes: read(&counts.ingress_bytes),
            log_records: read(&counts.log_records),
            log_bytes: read(&counts.log_bytes),
            log_dropped: read(&counts.log_dropped),
            storage: self.storage.lock().expect("no panic happens under this lock").clone(),
            revoked: self.revoked(),
        }
    }
}

fn cpu_rate(limits: &Limits) -> Option<Rate> {
    // Nanoseconds of processor time a second, and one second of it saved up.
    limits.cpu_percent.map(|percent| Rate { per_second: u64::from(percent) * 10_000_000, capacity: 1_000_000_000 })
}
