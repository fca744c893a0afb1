//! A plugin of an application in the runtime: an installation whose name says what it is made of, so that two versions stand side by side, and a
//! deployment that changes one plugin leaves the others as they are.
//!
//! Easily got wrong: consent is given by deploying. Going back to an old deployment, or starting again, gives none: where it was taken back
//! meanwhile, the plugin stays away.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use plugwork::core::lifecycle::Stage;
use plugwork::interfaces::http::{Handler, IncomingHandler};
use plugwork::{Installation, Offer, Point, Runtime};
use plugwork_core::application::PluginDeclaration;
use plugwork_core::deployment::ApplicationKey;
use plugwork_core::{Digest, Hasher, Issue, Standing};
use plugwork_points::HttpFunction;
use serde_json::Value;

use crate::components::Components;
use crate::finding::{issue, of_error};
use crate::gate::Gate;
use crate::secrets::DeclaredSecrets;
use crate::settings::Settings;
use crate::stable::VERSION_BYTES;

/// A tenant and the instance's name.
pub(crate) type MountKey = (String, String);

/// What runs. Whoever mounts or ends something holds it.
pub(crate) type Mounts = BTreeMap<MountKey, Arc<Mount>>;

/// A plugin that takes requests.
#[derive(Debug)]
pub(crate) struct Mount {
    /// The instance's name.
    pub(crate) label: String,
    /// Whose it is.
    pub(crate) key: ApplicationKey,
    /// The application's name for it.
    pub(crate) name: String,
    pub(crate) installation: Installation,
    pub(crate) gate: Gate,
    /// Requests that had a place with it, or with the one whose place it takes: they are entered under one name.
    pub(crate) requests: Arc<AtomicU64>,
    /// Whether its consent is only this process's: it is put on record when its deployment is.
    unrecorded: AtomicBool,
    /// Whether another one of its name took its place, which says nothing to those who still hold this one.
    closed: AtomicBool,
}

impl Mount {
    /// What it is known by among those that run.
    pub(crate) fn known_as(&self) -> MountKey {
        (self.key.tenant.clone(), self.label.clone())
    }

    /// Whether it takes calls.
    pub(crate) fn is_active(&self) -> bool {
        self.installation.state().stage() == Stage::Active && !self.is_closed()
    }

    /// It takes no requests any more, whatever becomes of its installation: that is prepared anew, for a deployment that may come to nothing.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// What was prepared in its place came to nothing. Where the plugin could not be stopped again it stays closed, so that it answers as little as before.
    pub(crate) fn open_again(&self) {
        if self.installation.state().stage() != Stage::Active {
            self.closed.store(false, Ordering::SeqCst);
        }
    }

    /// Whether its consent is this process's alone.
    pub(crate) fn is_unrecorded(&self) -> bool {
        self.unrecorded.load(Ordering::SeqCst)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Puts the consent on record that it was prepared with. Whether there was something to put.
    ///
    /// # Errors
    /// It was taken back meanwhile, or the records cannot be written.
    pub(crate) async fn record(&self, by: &str, reason: &str) -> Result<bool, plugwork::Error> {
        if !self.is_unrecorded() {
            return Ok(false);
        }
        self.installation.consent_on_record(by, reason).await?;
        self.unrecorded.store(false, Ordering::SeqCst);
        Ok(true)
    }
}

/// On whose word plugins run.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Consent<'a> {
    /// Whoever deploys gives it: for this process, until the deployment is put on record.
    Given { by: &'a str, reason: &'a str },
    /// It stands on record, or it does not.
    OnRecord,
}

impl<'a> Consent<'a> {
    /// Why it is given; empty where it stands already.
    pub(crate) fn reason(&self) -> &'a str {
        match self {
            Self::Given { reason, .. } => reason,
            Self::OnRecord => "",
        }
    }
}

/// What mounting needs of the server.
pub(crate) struct Workshop<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) components: &'a Components,
    pub(crate) secrets: &'a DeclaredSecrets,
    pub(crate) settings: &'a Settings,
}

impl Workshop<'_> {
    /// Reads, grants, compiles, starts and asks a plugin, beside whatever runs. `counted` are the requests of the one whose place it takes, with which its own are
    /// counted. Where it fails its secrets stay declared: who knows whether another of its name needs them forgets them.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) async fn mount(
        &self,
        key: &ApplicationKey,
        name: &str,
        declared: &PluginDeclaration,
        digest: Digest,
        consent: Consent<'_>,
        counted: Option<Arc<AtomicU64>>,
    ) -> Result<Arc<Mount>, Vec<Issue>> {
        let at = format!("plugin.{name}");
        let label = label(key, name, declared, digest);
        let wrong = |what: String| vec![issue(format!("{at}.source"), what, "")];
        // Up to 64 MiB are read and hashed: not on a thread that serves.
        let components = self.components.of(&key.tenant);
        let opened = tokio::task::spawn_blocking(move || components.open(digest)).await;
        let source = opened.map_err(|_| wrong("it could not be read".to_owned()))?.map_err(|error| wrong(error.to_string()))?;
        let offer = self.runtime.offer(&source).await.map_err(|error| of_error(name, &error))?;
        if !answers_http(&offer) {
            let points: Vec<String> = offer.points().map(ToString::to_string).collect();
            let what = format!("it exports `{}`", points.join("`, `"));
            let expected =
                "a plugin that answers HTTP: `plugwork:points/http-function`, `wasi:http/incoming-handler` 0.2 or `wasi:http/handler` 0.3";
            return Err(vec![issue(format!("{at}.source"), what, expected)]);
        }
        // Its file is named after its bytes, so what it keeps would be another's with each version.
        let offer = match format!("local:{name}").parse() {
            Ok(package) => offer.unless_named(package),
            Err(_) => offer,
        };
        let configuration = Value::Object(declared.config.clone());
        let offer = offer.tenant(&key.tenant).instance(&label).configuration(configuration).limits(declared.limits);
        self.secrets.declare(&key.tenant, &label, &declared.secrets);
        let mut unrecorded = false;
        let made = async {
            let plugin = match consent {
                Consent::Given { by, reason } => {
                    // What stands for exactly this is not given twice. Anything else is recorded with the deployment, which may come to nothing:
                    // then what was taken back before stays so.
                    unrecorded = !matches!(offer.standing().await?, Standing::Given(_));
                    let offer = offer.by(by, reason);
                    let offer = if unrecorded { offer.unrecorded() } else { offer };
                    offer.accept_only(declared.grants.clone()).await?
                }
                Consent::OnRecord => offer.resume().await?,
            };
            if let Err(error) = plugin.enable().await {
                if unrecorded && counted.is_some() {
                    // One of its name is served, stopped: it could be started by the consent that this one was given for nothing.
                    drop(self.runtime.revoke(plugin.subject(), "plugwork serve", "its deployment came to nothing").await);
                }
                return Err(error);
            }
            Ok::<_, plugwork::Error>(plugin)
        };
        let plugin = made.await.map_err(|error| of_error(name, &error));
        let installed = plugin.and_then(|plugin| {
            let installation = self.runtime.installation(&plugin.subject().into());
            installation.ok_or_else(|| vec![issue(&at, "it was removed while it was prepared", "")])
        });
        Ok(Arc::new(Mount {
            label,
            key: key.clone(),
            name: name.to_owned(),
            installation: installed?,
            gate: Gate::new(self.settings),
            requests: counted.unwrap_or_default(),
            unrecorded: AtomicBool::new(unrecorded),
            closed: AtomicBool::new(false),
        }))
    }
}

fn answers_http(offer: &Offer) -> bool {
    let worlds = [HttpFunction::INTERFACE, IncomingHandler::INTERFACE, Handler::INTERFACE];
    let wanted: Vec<_> = worlds.iter().filter_map(|world| world.parse::<plugwork_core::InterfaceName>().ok()).collect();
    // Of WASI's own there is a version for each of its releases; a component has that of the crate it was made with.
    offer.points().any(|point| wanted.iter().any(|world| world.is_satisfied_by(point)))
}

/// The instance's name: words for people, what makes it the application's own plugin, and what it is made of.
pub(crate) fn label(key: &ApplicationKey, name: &str, declared: &PluginDeclaration, digest: Digest) -> String {
    // The tenant too: two of them may have an application of one name.
    let own = hashed(&[key.tenant.as_bytes(), key.application.as_bytes(), name.as_bytes()]);
    let grants: BTreeMap<String, _> = declared.grants.iter().map(|grant| (grant.capability.to_owned(), grant.bounds)).collect();
    let secrets: BTreeMap<&String, String> = declared.secrets.iter().map(|(name, source)| (name, format!("{source:?}"))).collect();
    let json = |value: Result<Vec<u8>, serde_json::Error>| value.unwrap_or_default();
    let version = hashed(&[
        digest.as_bytes(),
        &json(serde_json::to_vec(&grants)),
        &json(serde_json::to_vec(&declared.config)),
        &json(serde_json::to_vec(&declared.limits)),
        &json(serde_json::to_vec(&secrets)),
    ]);
    let words: String = name.chars().take(24).collect();
    format!("{}-{own}-{version}", words.trim_end_matches('-'))
}

/// Hexadecimal digits of a hash over parts, each with its length in front.
fn hashed(parts: &[&[u8]]) -> String {
    let mut hasher = Hasher::default();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut hex = hasher.finish().hex();
    hex.truncate(VERSION_BYTES);
    hex
}
