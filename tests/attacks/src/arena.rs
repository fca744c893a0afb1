//! The outcome harness: where every variant is tried, and what must hold around it, whatever it tries.
//!
//! The host lives and serves others, a victim called throughout sees no error, memory goes back to where it was, and every fault and denial is
//! on record in a chain that verifies. Not here: what a
//! variant expects of itself (`row.rs`). Easily got wrong: memory is that of the whole process, so rows must run one after the other.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugwork::{Allocation, Builder, Error, Limits, Offer, Plugin, Profile, Runtime, Source, Subject};
use plugwork_capabilities::{Clock, Config, Environment, EnvironmentSecrets, Filesystem, Http, KeyValue, Random, Secrets};
use plugwork_core::Grants;
use plugwork_core::record::{Event, Key, Memory, Records as _};
use serde_json::{Map, json};

use crate::guest::{ECHO, Guest};
use crate::row::{Contained, Row, SMALL};
use crate::victim::Victim;
use crate::world::{Number, Probe, Rebinding, Recorder};

/// Bytes that may stay after a row whatever the pool: what the allocator does not give back at once.
pub const RESIDENT_SLACK_BYTES: u64 = 24 << 20;

/// Bytes that the pool may keep resident for each instance: 1 MiB of a memory, and a stack of 512 KiB once it was used up.
const RESIDENT_INSTANCE_BYTES: u64 = (1 << 20) + (512 << 10);

/// A runtime made for one row in one profile.
pub struct Arena {
    /// Whose guests are tried.
    pub runtime: Runtime,
    /// What every plugin said.
    pub log: Recorder,
    /// What was written down of all of it.
    pub records: Arc<Memory>,
    profile: Profile,
}

impl Arena {
    /// A pool of so many instances.
    pub async fn open(profile: Profile, instances: u32) -> Result<Self, Error> {
        let log = Recorder::default();
        let records = Arc::new(Memory::new(Key::from_bytes(&[7; 32])));
        let builder = Self::offering(Runtime::in_memory()).allocation(Allocation::Pooling { instances });
        Ok(Self { runtime: builder.log(log.clone()).records(records.clone()).open().await?, log, records, profile })
    }

    /// With every capability that there is: offered, not granted.
    pub fn offering(builder: Builder) -> Builder {
        let rebinding = Http::resolving(Rebinding::default());
        let secrets = EnvironmentSecrets::new("PLUGWORK_ATTACKS_").expect("upper case letters and `_`");
        let builder = builder.provide(KeyValue::in_memory()).provide(Secrets::new(secrets));
        builder
            .provide(Probe)
            .provide(Config)
            .provide(Environment)
            .provide(Random)
            .provide(Clock)
            .provide(Filesystem::new("/"))
            .provide(rebinding)
    }

    /// Everything on record behind this record, once what was noted is written.
    pub async fn recorded(&self, mut after: u64) -> Result<Vec<Event>, String> {
        self.runtime.audited().await.map_err(|error| format!("{error:?}"))?;
        let mut events = Vec::new();
        loop {
            let records = self.records.read(after, 1_000).await.map_err(|error| error.to_string())?;
            let Some(last) = records.last() else { return Ok(events) };
            after = last.sequence;
            for record in &records {
                events.push(record.event().map_err(|error| error.to_string())?);
            }
        }
    }

    /// The number of the last record, once what was noted is written; 0 without one.
    pub async fn last_record(&self) -> Result<u64, String> {
        self.runtime.audited().await.map_err(|error| format!("{error:?}"))?;
        let head = self.records.head().await.map_err(|error| error.to_string())?;
        Ok(head.map_or(0, |head| head.sequence))
    }

    /// Which of these are not on record behind this record.
    async fn missing(&self, after: u64, mut recorded: Vec<(Subject, String)>) -> Result<Vec<(Subject, String)>, String> {
        // The background may have taken a note and not yet appended it.
        let patience = Instant::now() + Duration::from_secs(2);
        while !recorded.is_empty() {
            let events = self.recorded(after).await?;
            recorded.retain(|(subject, code)| !events.iter().any(|event| says(event, subject, code)));
            if Instant::now() > patience {
                break;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(recorded)
    }

    /// The profile of this run.
    pub fn profile(&self) -> Profile {
        self.profile
    }

    /// These grants, and the engine profile.
    pub fn grants(&self, grants: Grants) -> Grants {
        match self.profile {
            Profile::Hardened => grants,
            Profile::Full => grants.with("engine", Map::from_iter([("profile".to_owned(), json!("full"))])),
        }
    }

    /// Offers a guest.
    pub async fn offer(&self, guest: &Guest, limits: Limits) -> Result<Offer, Error> {
        self.offer_source(&guest.source(), limits).await
    }

    /// Offers any bytes.
    pub async fn offer_source(&self, source: &Source, limits: Limits) -> Result<Offer, Error> {
        Ok(self.runtime.offer(source).await?.limits(limits))
    }

    /// Offers a guest and accepts it with these grants.
    pub async fn accept(&self, guest: &Guest, limits: Limits, grants: Grants) -> Result<Plugin, Error> {
        self.offer(guest, limits).await?.accept_only(self.grants(grants)).await
    }
}

/// What became of one row in one profile.
#[derive(Debug)]
pub struct Outcome {
    /// In how many variants.
    pub variants: usize,
    /// Each way in which variants were contained, and how many were.
    pub how: Vec<(String, usize)>,
    /// The longest variant.
    pub longest: Duration,
    /// How often the victim answered meanwhile.
    pub answers: usize,
    /// Resident bytes beyond those before, at the end.
    pub grown_bytes: u64,
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let how: Vec<_> = self.how.iter().map(|(how, count)| format!("{how} x{count}")).collect();
        write!(
            f,
            "contained  {} (longest {} ms; victim {} calls; {} KiB kept)",
            how.join(", "),
            self.longest.as_millis(),
            self.answers,
            self.grown_bytes >> 10
        )
    }
}

/// Runs one row in one profile: every variant, then what must hold after all of them. The error says everything that did not.
pub async fn run(row: &Row, profile: Profile) -> Result<Outcome, String> {
    let said = |error: Error| format!("the arena: {error:?}");
    let arena = Arena::open(profile, row.instances).await.map_err(said)?;
    let honest = Guest::new(ECHO);
    let victim = arena.accept(&honest, Victim::LIMITS, Grants::none()).await.map_err(said)?;
    let thread = Victim::start(victim.clone(), Duration::from_millis(1), 7);
    let before = resident_bytes();
    let may_stay = RESIDENT_SLACK_BYTES + u64::from(row.instances) * RESIDENT_INSTANCE_BYTES;
    let mut outcome = Outcome { variants: 0, how: Vec::new(), longest: Duration::ZERO, answers: 0, grown_bytes: 0 };
    let mut complaints = Vec::new();
    for variant in (row.variants)() {
        outcome.variants += 1;
        let before = arena.last_record().await?;
        let started = Instant::now();
        let ended = variant.attack(&arena).await;
        outcome.longest = outcome.longest.max(started.elapsed());
        match ended {
            Ok(mut contained) => {
                for (subject, code) in arena.missing(before, std::mem::take(&mut contained.recorded)).await? {
                    complaints.push(format!("{}: nothing on record of `{code}` of `{subject}`", variant.name));
                }
                count(&mut outcome.how, contained);
            }
            Err(complaint) => complaints.push(format!("{}: {complaint}", variant.name)),
        }
        // The host lives: the same runtime takes and serves another plugin.
        if let Err(complaint) = serves(&arena).await {
            complaints.push(format!("after `{}`: {complaint}", variant.name));
        }
    }
    arena.records.verify().await.map_err(|error| format!("the records: {error}"))?;
    let suffered = thread.stop();
    outcome.answers = suffered.latencies.len();
    complaints.extend(suffered.errors.iter().take(3).map(|error| format!("the victim: {error}")));
    outcome.grown_bytes = settled_growth_bytes(before, may_stay);
    if outcome.grown_bytes > may_stay {
        complaints.push(format!("{} KiB stayed resident, {} KiB may", outcome.grown_bytes >> 10, may_stay >> 10));
    }
    if complaints.is_empty() { Ok(outcome) } else { Err(complaints.join("\n    ")) }
}

/// Whether an event is this fault or refusal; see [`Contained::recorded`].
fn says(event: &Event, subject: &Subject, code: &str) -> bool {
    let (Event::Faulted { subject: whose, code: which, .. } | Event::Refused { subject: whose, code: which, .. }) = event else {
        return false;
    };
    whose == subject && (which == code || code.ends_with('-') && which.starts_with(code))
}

fn count(how: &mut Vec<(String, usize)>, contained: Contained) {
    match how.iter_mut().find(|(known, _)| *known == contained.how) {
        Some((_, count)) => *count += 1,
        None => how.push((contained.how, 1)),
    }
}

async fn serves(arena: &Arena) -> Result<(), String> {
    let said = |error: Error| format!("the host does not serve: {error:?}");
    let plugin = arena.accept(&Guest::new(ECHO), SMALL, Grants::none()).await.map_err(said)?;
    match plugin.call::<Number>(&42).await.map_err(said)? {
        42 => Ok(()),
        other => Err(format!("the host serves {other} for 42")),
    }
}

/// Resident bytes of this process.
pub fn resident_bytes() -> u64 {
    // The second number of `statm` is resident pages.
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = statm.split_whitespace().nth(1).and_then(|pages| pages.parse().ok()).unwrap_or_default();
    pages * 4096
}

/// How much more is resident than before, once what was dropped is gone.
fn settled_growth_bytes(before: u64, may_stay: u64) -> u64 {
    let patience = Instant::now() + Duration::from_secs(2);
    loop {
        let grown = resident_bytes().saturating_sub(before);
        if grown <= may_stay || Instant::now() > patience {
            return grown;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
