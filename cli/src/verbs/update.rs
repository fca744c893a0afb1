//! `plugwork update`: another file for a plugin that is there. Fewer rights pass, more need consent, and what is on record stays until then.
//!
//! Easy to get wrong: what counts as more is what the new file *asks* beyond what the old one asked, or beyond what was granted where the old
//! file is gone; an optional permission that was declined once is not asked for again by an update that asks for no more.

use std::path::Path;

use plugwork::{Limits, Offer, Source};
use plugwork_core::consent::{carried_over, to_ask};
use plugwork_core::difference::Difference;
use plugwork_core::reach::Kind;
use plugwork_core::record::{Consent, Event, Records, Settings};
use plugwork_core::{Grants, Manifest, PackageName, Permission, Standing};

use super::add::{argument, must_say, recorded, silent, tell};
use super::component::Component;
use super::enable::points;
use super::fetch::fetch;
use crate::consent::ask::Answer;
use crate::consent::given::ConsentArguments;
use crate::consent::offering::{self, Asked};
use crate::exit::Failure;
use crate::host::{self, Place};
use crate::installed::{self, Which, unknown};
use crate::life;
use crate::packages::Packages;
use crate::print;

/// Updates a plugin to another file. Fewer rights pass without asking, more need your consent.
///
/// The difference to what is on record is shown. If you decline, the plugin stays as it is. The file that is approved is the file that runs:
/// consent is bound to its digest. What a running host has loaded goes on with the old file;
/// the next load, also after a restart, takes the new one and tells the plugin which version ran before.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork update acme:markdown markdown-1.3.wasm
  plugwork update acme:markdown plugins --yes --json

Exit code 3 when you declined or nobody could be asked.")]
pub(crate) struct Update {
    /// Its name: `namespace:name`.
    #[arg(value_parser = installed::package)]
    name: PackageName,
    /// A `.wasm` file, or a folder of them.
    #[arg(value_name = "FILE|FOLDER")]
    plugin: String,
    #[command(flatten)]
    consent: ConsentArguments,
    #[command(flatten)]
    which: Which,
    /// Prints what was recorded as JSON.
    #[arg(long)]
    json: bool,
}

impl Update {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        let fetched = fetch(&self.plugin, Some(&self.name))?;
        host::io_runtime()?.block_on(async {
            let (store, packages) = (host::store(place).await?, Packages::of(&place.state()?));
            let runtime = host::open(place, &store, Path::new("."), Limits::batch(), silent, Box::new(argument)).await?;
            let offer = runtime.offer(&Source::bytes(fetched.bytes.as_slice())).await?;
            let offer = offer.tenant(self.which.tenant()).instance(self.which.instance());
            if offer.subject().package != self.name {
                let message = format!("`{}` is `{}`, not `{}`", fetched.from, offer.subject().package, self.name);
                return Err(Failure::usage(format_args!("{message}\nhint: `plugwork add {}`", fetched.from)));
            }
            let earlier = match offer.standing().await? {
                Standing::Other(consent) => consent,
                Standing::Expired(consent) if consent.subject.digest != offer.digest() => consent,
                Standing::Given(_) => {
                    print::narrate(format_args!("`{}` is this very file already; nothing was done", self.name));
                    return Ok(());
                }
                Standing::None => return Err(unknown(store.as_ref(), &self.name).await),
                Standing::Expired(_) | Standing::Ended { .. } => {
                    let hint = format!("consent again with `plugwork add {}`", fetched.from);
                    return Err(Failure::refused(format_args!("the consent to `{}` has ended\nhint: {hint}", self.name)));
                }
            };
            let asked = Asked::of(&offer);
            offering::could_run(&offer, &asked)?;
            let carried = carried_over(&earlier.grants, offer.manifest());
            must_say(&fetched, &self.consent, carried.clone())?;
            let open = self.to_ask(&packages, &earlier, &offer, &asked, &carried);
            self.tell_difference(&earlier, &offer, &open, &carried);
            let grants = if open.is_empty() {
                print::narrate("it asks for no more than before: no consent is needed");
                carried
            } else {
                let shown = Asked { offered: open.clone(), not_offered: asked.not_offered };
                offering::show(&offer, &shown, &fetched.from);
                match offering::decide(&self.consent, "update", &open)? {
                    Answer::Granted(answered) => {
                        answered.iter().fold(carried, |grants, grant| grants.with(&grant.capability, grant.bounds))
                    }
                    Answer::Declined => {
                        offer.by(&installed::approver(), "").decline().await?;
                        return Err(Failure::refused(format_args!("declined; `{}` stays as it was", self.name)));
                    }
                }
            };
            let kept = packages.keep(&fetched.bytes)?;
            let digest = offer.digest();
            let offer = match (open.is_empty(), earlier.expires_ms) {
                (true, Some(until)) => offer.by(&installed::approver(), "an update that asks for no more").expires_ms(until),
                (true, None) => offer.by(&installed::approver(), "an update that asks for no more"),
                (false, _) => offering::signed(offer, &self.consent),
            };
            // What it was given stays what it is given.
            let offer = match earlier.limits {
                Some(limits) => offer.limits(limits),
                None => offer,
            };
            let accepted = offer.accept_only(grants).await;
            if accepted.is_err() && kept {
                installed::tidy(store.as_ref(), &packages, digest).await?;
            }
            let recorded = recorded(&store, &accepted?).await?;
            self.enable_again(store.as_ref(), &packages).await?;
            installed::tidy(store.as_ref(), &packages, earlier.subject.digest).await?;
            runtime.close().await?;
            tell(&recorded, "updated", self.json);
            Ok(())
        })
    }

    /// What is enabled stays so; where the new file has other points, it is enabled anew with those.
    async fn enable_again(&self, records: &dyn Records, packages: &Packages) -> Result<(), Failure> {
        let lives = life::lives(records, Some((&self.name, &self.which))).await?;
        let key = self.which.key(&self.name);
        let Some(life) = lives.iter().find(|life| life.key() == key && life.is_enabled()) else { return Ok(()) };
        let points = points(packages, life)?;
        if points == life.settings().points {
            return Ok(());
        }
        let settings = Settings { points, ..life.settings() };
        // As the file that ran last: the host that starts next sees that it changed, and tells the plugin (`migrate`).
        let event = Event::Enabled { subject: life.ran().clone(), by: installed::approver(), settings };
        records.append(installed::now_ms(), vec![event]).await?;
        Ok(())
    }

    /// What somebody has to say yes or no to.
    fn to_ask(&self, packages: &Packages, earlier: &Consent, offer: &Offer, asked: &Asked, carried: &Grants) -> Vec<Permission> {
        let before = asked_before(packages, earlier);
        let refused: Vec<String> =
            offer.reach(carried).into_iter().filter(|reach| reach.kind == Kind::Refused).filter_map(|reach| reach.capability).collect();
        let expired = earlier.expired(installed::now_ms());
        let more = to_ask(&before, &earlier.grants, carried, offer.manifest());
        let open = |permission: &&Permission| {
            let name = &permission.capability;
            expired || more.contains(name) || refused.contains(name)
        };
        asked.offered.iter().filter(open).cloned().collect()
    }

    fn tell_difference(&self, earlier: &Consent, offer: &Offer, open: &[Permission], carried: &Grants) {
        let now = offer.manifest().map(Grants::all_asked).unwrap_or_default();
        let then = open.iter().fold(carried.clone(), |then, permission| match now.get(&permission.capability) {
            Some(asked) => {
                // Only a host can name these: they stay what they were.
                let mut bounds = asked.clone();
                for (key, value) in earlier.grants.get(&permission.capability).into_iter().flatten() {
                    bounds.entry(key.clone()).or_insert_with(|| value.clone());
                }
                then.with(&permission.capability, bounds)
            }
            None => then,
        });
        let version = |version: Option<&semver::Version>| version.map_or("no version".to_owned(), ToString::to_string);
        let new = offer.manifest().map(|manifest| &manifest.version);
        print::narrate(format_args!("{} {} -> {}", self.name, version(earlier.version.as_ref()), version(new)));
        let difference = Difference::between(&earlier.grants, &then);
        let text = if difference.is_empty() { "  the same rights".to_owned() } else { difference.to_string() };
        text.lines().for_each(|line| print::narrate(format_args!("  {}", line.trim())));
    }
}

/// What the file on record asked for; where it is gone, what was granted.
fn asked_before(packages: &Packages, earlier: &Consent) -> Grants {
    let path = packages.path(earlier.subject.digest);
    let component = Component::open(&path).ok().filter(|component| component.report.digest == earlier.subject.digest);
    let manifest: Option<Manifest> = component.and_then(|component| component.manifest);
    manifest.as_ref().map_or_else(|| earlier.grants.clone(), Grants::all_asked)
}
