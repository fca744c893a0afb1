//! The start of a host: what is on record becomes installations again, in parallel within a bound; and discovery, which only makes offers.
//!
//! Easily got wrong: one plugin that fails never stops another; only one that is marked `critical` stops the start. And what is not loaded at the
//! start is no less active: its first call loads it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use plugwork_core::events::LifecycleTopic;
use plugwork_core::lifecycle::{Actor, Move, Stage, State as LifeState};
use plugwork_core::record::{ConsentKey, Event, Settings};
use plugwork_core::sources::{PackageSource, newest};
use plugwork_core::{Digest, PackageName, Standing, Subject};

use super::load::Recipe;
use super::moves::Passing;
use super::order::Turns;
use super::{Installation, Member};
use crate::error::{Error, ErrorKind, Result};
use crate::log::Level;
use crate::offer::Offer;
use crate::runtime::{Runtime, Shared};
use crate::source::Source;

/// How to start.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// Plugins that are loaded at the same time. 8.
    pub parallel: usize,
    /// Which are loaded before [`Runtime::start`] resolves, beside the critical ones. The 256 that were used last.
    pub preload: Preload,
    /// How long one may take until it is ready, from when its turn comes: after those whom its grant `call` lets it call. Milliseconds; 30,000.
    pub ready_ms: u64,
}

impl Default for Start {
    fn default() -> Self {
        Self { parallel: 8, preload: Preload::Likely(256), ready_ms: 30_000 }
    }
}

/// Which plugins are loaded at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preload {
    /// All that are enabled, each with one instance that says that it is well.
    All,
    /// At most so many: those that were used last when this state folder was last in use.
    Likely(usize),
    /// None but the critical ones.
    Critical,
}

/// What a start came to.
#[derive(Debug, Default)]
pub struct Started {
    /// Enabled on record, and active now.
    pub active: usize,
    /// Of those, loaded already.
    pub loaded: usize,
    /// Enabled on record, and not active: each with its reason.
    pub skipped: Vec<Skipped>,
}

/// A plugin that could not be started.
#[derive(Debug)]
pub struct Skipped {
    /// Which.
    pub key: ConsentKey,
    /// Why.
    pub error: Error,
}

/// What a place has to offer.
#[derive(Debug, Default)]
pub struct Found {
    /// Each package as an offer, with what stands on record for it.
    pub offers: Vec<(Offer, Standing)>,
    /// What could not be read, and why.
    pub broken: Vec<(String, Error)>,
}

impl Runtime {
    /// Makes installations of everything that is on record, and attaches what is enabled there. Files come from [`crate::Builder::packages`].
    ///
    /// An error where a critical plugin cannot be started. Everything else that cannot is in [`Started::skipped`].
    pub async fn start(&self, start: Start) -> Result<Started> {
        self.shared().follows.store(true, Ordering::Relaxed);
        let (recorded, revoked) = self.recorded().await?;
        let likely: HashMap<String, usize> = match start.preload {
            Preload::Likely(_) => self.shared().last_use.read().into_iter().enumerate().map(|(place, name)| (name, place)).collect(),
            _ => HashMap::new(),
        };
        let mut now: Vec<&Arc<Member>> = Vec::new();
        let mut later: Vec<Arc<Member>> = Vec::new();
        let mut wanted: Vec<(usize, &Arc<Member>)> = Vec::new();
        for member in &recorded {
            let place = likely.get(&member.key.to_string());
            match (start.preload, place) {
                // One that was updated since it last ran is told so before anybody calls it; and where nobody wrote down which points it has, only
                // its component can tell.
                _ if member.settings.load().critical || member.is_updated() || member.settings.load().points.is_empty() => now.push(member),
                (Preload::All, _) => now.push(member),
                (Preload::Likely(_), Some(place)) => wanted.push((*place, member)),
                _ => later.push(member.clone()),
            }
        }
        wanted.sort_by_key(|(place, _)| *place);
        for (number, (_, member)) in wanted.into_iter().enumerate() {
            match start.preload {
                Preload::Likely(most) if number < most => now.push(member),
                _ => later.push(member.clone()),
            }
        }
        // Those that are loaded at their first call are asked from here on; the application has its say then.
        // Who is being enabled or disabled at this very moment, because another process just wrote so, is left to that.
        later.retain(|member| member.activate_unloaded().is_ok());
        let mut started = Started { active: later.len(), ..Started::default() };
        self.shared().members.join_all(&later);
        for member in &later {
            self.shared().bus.attach(member);
            member.happened(self.shared(), LifecycleTopic::Enabled, None, "");
        }
        let (turns, circles) = Turns::of(now.into_iter().cloned().collect(), start.parallel);
        for circle in circles {
            let names: Vec<String> = circle.iter().chain(circle.first()).map(|name| format!("`{name}`")).collect();
            self.shared().complain(Level::Warn, &format!("these may call each other in a circle: {}", names.join(" → ")));
        }
        let turns = &turns;
        let begin = |(place, member)| async move { (member, turns.take(place, self.begin_within(member, start.ready_ms)).await) };
        let loads: FuturesUnordered<_> = turns.members().map(begin).collect();
        let mut loads = futures::stream::iter(revoked.iter().map(|(member, error)| (member, Err(error.clone())))).chain(loads);
        let mut critical = None;
        while let Some((member, result)) = loads.next().await {
            match result {
                Ok(loaded) => {
                    started.active += 1;
                    started.loaded += usize::from(loaded);
                }
                Err(error) => {
                    self.shared().complain(Level::Error, &format!("`{}` was not started: {error}", member.name));
                    if member.settings.load().critical && critical.is_none() {
                        critical =
                            Some(Error::new(error.kind(), format!("the critical plugin `{}` cannot be started: {error}", member.name)));
                    }
                    started.skipped.push(Skipped { key: member.key.clone(), error });
                }
            }
        }
        critical.map_or(Ok(started), Err)
    }

    /// Loads one that is enabled on record and attaches it; says whether it is loaded.
    pub(super) async fn begin(&self, member: &Arc<Member>) -> Result<bool> {
        let _one = member.changing.lock().await;
        if matches!(member.state().stage(), Stage::Active | Stage::Removed) {
            return Ok(member.current.load().is_some());
        }
        match member.enable(self, Actor::Host, None).await {
            Ok(()) => Ok(true),
            // Nothing is wrong with the plugin: its first call tries again, when others have made room.
            Err(error) if error.kind() == ErrorKind::Unavailable && !member.settings.load().critical && !self.shared().is_closing() => {
                self.shared().complain(Level::Warn, &format!("`{}` is loaded later: {error}", member.name));
                member.activate_unloaded()?;
                self.shared().members.join(member);
                self.shared().bus.attach(member);
                member.happened(self.shared(), LifecycleTopic::Enabled, None, "");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Every installation that is on record and not known yet; gives those that are enabled, and those that would be if consent had not been
    /// taken back.
    async fn recorded(&self) -> Result<(Vec<Arc<Member>>, Vec<(Arc<Member>, Error)>)> {
        let shared = self.shared();
        let Some(audit) = &shared.audit else {
            return Err(Error::new(ErrorKind::Invalid, "this runtime keeps no records: there is nothing to start from"));
        };
        let mut lives = HashMap::new();
        for record in audit.records.lifecycles().await.map_err(Error::records)? {
            let sequence = record.sequence;
            match record.event().map_err(Error::records)? {
                Event::Enabled { subject, settings, .. } => {
                    _ = lives.insert(ConsentKey::from(&subject), (Some(subject.digest), settings, sequence));
                }
                Event::Disabled { subject, settings, .. } => _ = lives.insert(ConsentKey::from(&subject), (None, settings, sequence)),
                _ => {}
            }
        }
        let (mut enabled, mut revoked) = (Vec::new(), Vec::new());
        for record in audit.records.consents().await.map_err(Error::records)? {
            let event = record.event().map_err(Error::records)?;
            let (subject, state) = match &event {
                Event::Granted(consent) => (consent.subject.clone(), LifeState::Installed),
                Event::Revoked { subject, by, .. } => {
                    (subject.clone(), LifeState::Suspended { reason: format!("consent was taken back by `{by}`") })
                }
                _ => continue,
            };
            let expires_ms = if let Event::Granted(consent) = &event { consent.expires_ms } else { None };
            let key = ConsentKey::from(&subject);
            if key.instance == plugwork_core::consent::EVERY_INSTANCE || shared.members.contains(&key) {
                continue;
            }
            let (enabled_as, settings, heard) = lives.remove(&key).unwrap_or_else(|| (None, Settings::default(), 0));
            let installed = state == LifeState::Installed;
            let fresh = || Member::new(subject, settings, Recipe::Recorded, None);
            let member = shared.members.get_or_insert(&key, fresh);
            member.begin(state);
            if let Event::Granted(consent) = &event {
                member.is_granted(&consent.grants);
            }
            member.lasts_until(shared, expires_ms);
            member.hear(heard);
            let Some(enabled_as) = enabled_as else { continue };
            if installed {
                member.updated_from(Some(enabled_as).filter(|digest| *digest != member.subject().digest));
                enabled.push(member);
            } else {
                let (subject, now_ms) = (member.subject(), shared.clock.now_ms());
                let denial = Standing::of(Some(&event), subject.digest, now_ms).consent(&subject.to_string(), subject.digest).err();
                let denials = denial.into_iter().collect();
                revoked.push((member, Error::refused(format!("cannot load `{subject}`:"), denials).of(&subject)));
            }
        }
        Ok((enabled, revoked))
    }

    /// Every package of a folder (or any other source) as an offer. Nothing is installed by being found, and nothing runs.
    pub async fn discover(&self, packages: Arc<dyn PackageSource>) -> Result<Found> {
        let listed = packages.versions(None).await.map_err(|error| Error::new(ErrorKind::Io, error.to_string()))?;
        let broken = packages.broken().await.map_err(|error| Error::new(ErrorKind::Io, error.to_string()))?;
        // They stand sorted by name.
        let newest = listed.chunk_by(|one, other| one.name == other.name).filter_map(|versions| match newest(versions, None) {
            Ok(package) => package.map(|package| (package.place.clone(), Ok(Source::package(package.digest, packages.clone())))),
            Err(error) => Some((versions[0].name.to_string(), Err(Error::new(ErrorKind::Io, error.to_string())))),
        });
        let broken = broken.into_iter().map(|(place, error)| (place, Err(Error::new(ErrorKind::Component, error.to_string()))));
        Ok(self.offers(newest.chain(broken).collect()).await)
    }

    /// Each file of a list as an offer, as [`Runtime::discover`] does for a folder.
    pub async fn discover_files(&self, files: &[impl AsRef<Path>]) -> Found {
        let sources = files.iter().map(|file| (file.as_ref().display().to_string(), Source::file(file))).collect();
        self.offers(sources).await
    }

    async fn offers(&self, sources: Vec<(String, Result<Source>)>) -> Found {
        let mut found = Found::default();
        for (place, source) in sources {
            let offered = async {
                let offer = self.offer(&source?).await?;
                let standing = offer.standing().await?;
                Ok((offer, standing))
            };
            match offered.await {
                Ok(offer) => found.offers.push(offer),
                Err(error) => found.broken.push((place, error)),
            }
        }
        found
    }

    /// The installation of a tenant, an instance and a package.
    pub fn installation(&self, key: &ConsentKey) -> Option<Installation> {
        self.shared().members.get(key).map(|member| Installation::new(self, &member))
    }

    /// Every installation, native plugins included, in the order of their keys.
    pub fn installations(&self) -> Vec<Installation> {
        self.shared().members.all().iter().map(|member| Installation::new(self, member)).collect()
    }
}

impl Shared {
    /// Something of a plugin's life was recorded: does what another process wrote. What this one wrote is done already. Only where plugins come from
    /// records at all.
    pub(crate) fn obey(self: &Arc<Self>, key: ConsentKey, sequence: u64) {
        let is_new = match self.members.get(&key) {
            Some(member) => member.recipe.load().is_recorded() && !member.has_heard(sequence),
            None => self.packages.is_some() && self.follows.load(Ordering::Relaxed),
        };
        if !is_new {
            return;
        }
        let runtime = Runtime::from(self.clone());
        self.io.spawn(async move {
            if let Err(error) = runtime.do_as_recorded(&key).await {
                runtime.shared().complain(Level::Error, &format!("cannot do what the records say of `{key}`: {error}"));
            }
        });
    }
}

impl Runtime {
    /// Brings an installation to where the latest record of its life says that it is, which may be later than the one that was read.
    async fn do_as_recorded(&self, key: &ConsentKey) -> Result<()> {
        let shared = self.shared();
        let Some(audit) = &shared.audit else { return Ok(()) };
        let latest = || async {
            let record = audit.records.lifecycle(key).await.map_err(Error::records)?;
            let event = record.map(|record| Ok((record.sequence, record.event()?))).transpose();
            event.map_err(Error::records)
        };
        let member = match (shared.members.get(key), latest().await?) {
            (Some(member), _) => member,
            (None, Some((_, Event::Enabled { subject, settings, .. }))) => {
                shared.members.get_or_insert(key, || Member::new(subject, settings, Recipe::Recorded, None))
            }
            (None, _) => return Ok(()),
        };
        let _one = member.changing.lock().await;
        if member.is(Stage::Discovered) {
            member.advance(Move::Install, Actor::Operator, super::plain)?;
        }
        // Read again: whoever changed it until now wrote that down.
        let Some((sequence, event)) = latest().await?.filter(|(sequence, _)| !member.has_heard(*sequence)) else { return Ok(()) };
        member.hear(sequence);
        match (event, member.state().stage()) {
            (Event::Enabled { .. }, Stage::Active | Stage::Removed) => Ok(()),
            (Event::Enabled { subject, settings, .. }, _) => {
                member.settings.store(Arc::new(settings));
                let consented = audit.records.consent(key).await.map_err(Error::records)?;
                if let Some(Event::Granted(consent)) = consented.map(|record| record.event()).transpose().map_err(Error::records)?
                    && consent.subject != *member.subject()
                {
                    // It was updated while it did not run.
                    member.becomes(consent.subject);
                }
                member.updated_from(Some(subject.digest).filter(|digest| *digest != member.subject().digest));
                member.enable(self, Actor::Host, None).await
            }
            (Event::Disabled { .. }, Stage::Active | Stage::Suspended | Stage::Failed) => {
                let passing = Passing::begin(&member, Move::Disable, Actor::Host)?;
                member.leave(shared);
                passing.end(Move::Settle, super::plain)?;
                member.happened(shared, LifecycleTopic::Disabled, None, "");
                Ok(())
            }
            (Event::Removed { .. }, stage) if stage != Stage::Removed => {
                member.leave(shared);
                member.begin(LifeState::Removed);
                shared.members.remove(key);
                shared.circles.forget(key);
                member.happened(shared, LifecycleTopic::Removed, None, "");
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Runtime {
    /// Which version of this package a digest was, as far as somebody consented to it.
    pub(super) async fn version_of(&self, subject: &Subject, digest: Digest) -> Result<Option<String>> {
        let Some(audit) = &self.shared().audit else { return Ok(None) };
        let (mut seen, mut found) = (0, None);
        loop {
            let records = audit.records.read(seen, 256).await.map_err(Error::records)?;
            let Some(last) = records.last() else { return Ok(found) };
            seen = last.sequence;
            for record in &records {
                if let Ok(Event::Granted(consent)) = record.event()
                    && consent.subject.package == subject.package
                    && consent.subject.digest == digest
                {
                    found = consent.version.map(|version| version.to_string());
                }
            }
        }
    }
}

impl Member {
    /// Attached from here on; its first call loads it.
    fn activate_unloaded(&self) -> Result<()> {
        self.advance(Move::Enable, Actor::Host, super::plain)?;
        self.advance(Move::Activate, Actor::Host, super::plain).map(drop)
    }

    /// It is another file from here on, which is loaded when it is enabled: what was kept of it is the old one.
    pub(super) fn becomes(&self, subject: Subject) {
        self.ready.lock().expect("no panic happens under this lock").take();
        let _both = self.state.lock().expect("no panic happens under this lock");
        self.subject.store(Arc::new(subject));
        self.recipe.store(Arc::new(Recipe::Recorded));
    }

    /// Where it stands when the host starts: the table is for changes, and this is none.
    pub(super) fn begin(&self, state: LifeState) {
        *self.state.lock().expect("no panic happens under this lock") = state;
    }
}

/// A subject for a native plugin: there is no file, so its digest is that of its name.
pub(crate) fn native_subject(name: &str) -> Result<Subject> {
    let package: PackageName = name.parse().map_err(|error| Error::new(ErrorKind::Invalid, format!("a native plugin's name: {error}")))?;
    let digest = Digest::of(format!("native {package}").as_bytes());
    Ok(Subject { tenant: "default".to_owned(), instance: String::new(), package, digest })
}
