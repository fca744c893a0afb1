//! The plugin that runs, and putting another version of it into its place. It knows nothing of folders and builds.
//!
//! Easy to get wrong: what is refused changes nothing; the version that ran goes on, with the grants that it had. And a grant that was given at the
//! start may be for a version that is yet to come: it is used when one asks for it, not before.

use std::time::Instant;

use plugwork::core::record::Settings;
use plugwork::dynamic::{Argument, Function, Returned};
use plugwork::{Installation, Offer, Offered, Replacement, Runtime, Source};
use plugwork_core::consent::carried_over;
use plugwork_core::{Digest, Grants, Manifest, Permission};

use super::told::Told;
use crate::consent::ask::{self, Answer};
use crate::consent::offering::{self, Asked};
use crate::exit::Failure;
use crate::grants::to_argument;
use crate::installed::approver;
use crate::print;

/// What runs.
pub(crate) struct Running {
    runtime: Runtime,
    /// Given at the start.
    given: Grants,
    /// Whether somebody may be asked.
    asks: bool,
    now: Option<Now>,
}

struct Now {
    installation: Installation,
    generation: u64,
    digest: Digest,
}

impl Running {
    pub(crate) fn new(runtime: Runtime, given: Grants, asks: bool) -> Self {
        Self { runtime, given, asks, now: None }
    }

    /// The number of the version that takes the calls.
    pub(crate) fn generation(&self) -> Option<u64> {
        self.now.as_ref().map(|now| now.generation)
    }

    /// Whether a component is the one that runs.
    pub(crate) fn runs(&self, digest: Digest) -> bool {
        self.now.as_ref().is_some_and(|now| now.digest == digest)
    }

    /// Whether there is anything to call.
    pub(crate) fn is_there(&self) -> bool {
        self.now.is_some()
    }

    /// Makes a call, as any other in whichever version is current; `callable` finds the function, for words that say what was meant.
    pub(crate) async fn call(
        &self,
        arguments: &[Argument],
        callable: impl FnOnce(&plugwork::Plugin) -> Result<Function, Failure>,
        explain: impl FnOnce(plugwork::Error) -> Failure,
    ) -> Result<(plugwork::Plugin, Function, Returned), Failure> {
        let Some(now) = &self.now else { return Err(Failure::failed("nothing runs yet")) };
        let plugin = now.installation.plugin().await?;
        let function = callable(&plugin)?;
        let name = if function.interface.is_empty() { function.name.clone() } else { format!("{}#{}", function.interface, function.name) };
        let returned = now.installation.call_dynamic(&name, arguments).await.map_err(explain)?;
        Ok((plugin, function, returned))
    }

    /// Puts a component into the place of what runs: compiled, linked, and one instance asked how it is, before it takes a call.
    pub(crate) async fn swap(&mut self, source: &Source, build_ms: u64) -> Result<Told, Failure> {
        let began = Instant::now();
        let offer = self.runtime.offer(source).await?;
        let version = offer.manifest().map(|manifest| manifest.version.clone());
        let digest = offer.digest();
        let (generation, handed_over_bytes) = match self.now.take() {
            None => {
                self.now = Some(self.begin(offer, source).await?);
                (1, None)
            }
            Some(now) => {
                // Whatever comes of it, something goes on running.
                let now = self.now.insert(now);
                let replaced = match now.installation.replace(offer.unrecorded(), &approver()).await? {
                    Replacement::Done(replaced) => replaced,
                    Replacement::Offered(offered) => {
                        let installation = now.installation.clone();
                        match self.consent(&installation, &offered).await? {
                            Some(grants) => installation.replace_with(offered.offer.unrecorded(), grants, &approver()).await?,
                            None => return Ok(self.offered(&offered)),
                        }
                    }
                };
                (replaced.generation, replaced.handed_over_bytes)
            }
        };
        if let Some(now) = &mut self.now {
            (now.generation, now.digest) = (generation, digest);
        }
        let (digest, swap_ms) = (digest.to_string(), u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX));
        Ok(Told::Swapped { generation, version, digest, build_ms, swap_ms, handed_over_bytes })
    }

    /// The first version.
    async fn begin(&self, offer: Offer, source: &Source) -> Result<Now, Failure> {
        let asked = Asked::of(&offer);
        let mut grants = asked_for(&self.given, offer.manifest());
        let missing: Vec<Permission> =
            asked.offered.iter().filter(|permission| grants.get(&permission.capability).is_none()).cloned().collect();
        if self.asks && !missing.is_empty() {
            offering::show(&offer, &asked, &source.path().map_or_else(String::new, |path| path.display().to_string()));
            if let Answer::Granted(answered) = ask("run", missing).await? {
                grants = answered.iter().fold(grants, |grants, grant| grants.with(&grant.capability, grant.bounds));
            }
        }
        for grant in self.given.iter().filter(|grant| grants.get(&grant.capability).is_none()) {
            print::narrate(format_args!("note: it does not ask for `{}`; that grant waits for a version that does", grant.capability));
        }
        let digest = offer.digest();
        let installation = self.runtime.install(offer.unrecorded(), grants, Settings::default()).await?;
        if let Err(error) = installation.enable(&approver()).await {
            // It goes, so that the next version can begin where this one did not. It never ran: there is nothing that could go wrong but this.
            let _ = installation.disable(&approver(), "it did not start").await;
            installation.remove(&approver()).await?;
            return Err(error.into());
        }
        Ok(Now { installation, generation: 1, digest })
    }

    /// The grants for a version that asks for more, if somebody gave them: at the start, or now when they are asked.
    async fn consent(&self, installation: &Installation, offered: &Offered) -> Result<Option<Grants>, Failure> {
        let before = installation.plugin().await?.grants().clone();
        let carried = carried_over(&before, offered.offer.manifest());
        let given = asked_for(&self.given, offered.offer.manifest());
        let carried = given.iter().fold(carried, |grants, grant| grants.with(&grant.capability, grant.bounds));
        let open: Vec<Permission> = self.open(offered);
        if open.is_empty() {
            return Ok(Some(carried));
        }
        if !self.asks {
            return Ok(None);
        }
        print::narrate("\nthe new version asks for more:");
        offered.difference.to_string().lines().for_each(|line| print::narrate(format_args!("  {}", line.trim())));
        Ok(match ask("run", open).await? {
            Answer::Granted(answered) => Some(answered.iter().fold(carried, |grants, grant| grants.with(&grant.capability, grant.bounds))),
            Answer::Declined => None,
        })
    }

    /// What nobody answered yet.
    fn open(&self, offered: &Offered) -> Vec<Permission> {
        let is_open = |permission: &&Permission| {
            offered.capabilities.contains(&permission.capability) && self.given.get(&permission.capability).is_none()
        };
        offered.offer.permissions().iter().filter(is_open).cloned().collect()
    }

    fn offered(&self, offered: &Offered) -> Told {
        Told::Offered {
            capabilities: offered.capabilities.clone(),
            difference: offered.difference.to_string(),
            allow: self.open(offered).iter().map(to_argument).collect(),
            running: self.generation(),
        }
    }

    /// Whether the host went back to the version before since the last look; tells why.
    pub(crate) fn went_back(&mut self) -> Option<Told> {
        let now = self.now.as_mut()?;
        let digest = now.installation.subject().digest;
        if digest == now.digest {
            return None;
        }
        let status = self.runtime.status().into_iter().find(|status| status.key == *now.installation.key())?;
        (now.digest, now.generation) = (digest, status.generation);
        Some(Told::RolledBack { generation: status.generation, digest: digest.to_string(), why: status.rolled_back.unwrap_or_default() })
    }
}

/// Those grants that a version asks for; all where it has no manifest to ask with.
fn asked_for(given: &Grants, manifest: Option<&Manifest>) -> Grants {
    let asks = |capability: &str| manifest.is_none_or(|manifest| manifest.permissions.contains_key(capability));
    given.iter().filter(|grant| asks(&grant.capability)).fold(Grants::none(), |grants, grant| grants.with(&grant.capability, grant.bounds))
}

/// Asks on a thread of its own: whoever is asked may take their time, and may press Ctrl-C instead.
async fn ask(verb: &'static str, permissions: Vec<Permission>) -> Result<Answer, Failure> {
    let asking = tokio::task::spawn_blocking(move || ask::ask(&mut print::Asking, verb, &permissions.iter().collect::<Vec<_>>()));
    let answer = asking.await.map_err(|error| Failure::failed(format_args!("the question ended: {error}")))??;
    Ok(match answer {
        Answer::Granted(grants) => Answer::Granted(ask::with_absolute_roots(grants).map_err(Failure::usage)?),
        Answer::Declined => Answer::Declined,
    })
}
