//! The shop: one runtime with all rules, and the price of an order.
//!
//! Not here: HTTP (`http`), what a rule decides (`rules`, `plugins/`). Easily got wrong: a rule that fails is passed over, so the shop itself has to
//! look whether a rule failed that no price can do without.

use std::fmt;
use std::path::Path;

use plugwork::core::dispatch::{Dispatching, OnFault};
use plugwork::core::record::{ConsentKey, Settings};
use plugwork::core::rollback::Watch;
use plugwork::{Grants, Limits, Observer, Origin, Outcome, Point, Replacement, Runtime, Source, Status, Subject};
use serde::Serialize;

use super::catalogue::Catalogue;
use super::point::{Pricing, Quote};
use super::rules::{FloorPrice, VolumeDiscount};

/// The rules that no price can do without.
const NEEDED: [&str; 2] = ["shop:floor", "plugwork:regional-tax"];

/// A price, and how it came about.
#[derive(Debug, Serialize)]
pub(crate) struct Priced {
    total_cents: u64,
    rules: Vec<Applied>,
}

/// What one rule did.
#[derive(Debug, Serialize)]
struct Applied {
    name: String,
    origin: Origin,
    /// None for a native rule, which has the version of its application.
    version: Option<String>,
    note: String,
    microseconds: u64,
    error: Option<String>,
}

/// Why there is no price.
#[derive(Debug)]
pub(crate) enum Unpriced {
    /// A rule that is needed is not attached.
    Missing(&'static str),
    /// A rule that is needed gave no answer.
    Failed(plugwork::Error),
}

/// A shop.
pub(crate) struct Shop {
    runtime: Runtime,
    catalogue: Catalogue,
}

impl Shop {
    /// Opens it with all its rules. A rule of a lower weight comes first.
    pub(crate) async fn open() -> plugwork::Result<Self> {
        let catalogue = Catalogue::of_the_shop();
        // A rule in Python takes its time where the machine is busy.
        let limits = Limits { deadline_ms: 10_000, ..Limits::interactive() };
        let runtime = Runtime::builder(built("pricing-state"))
            .limits(limits)
            .native::<Pricing>("shop:volume", 30, VolumeDiscount)
            .native::<Pricing>("shop:floor", 40, FloorPrice(catalogue.clone()))
            .dispatching(Pricing::INTERFACE, Dispatching { on_fault: OnFault::Skip, ..Dispatching::default() })
            .rollback(Watch { latency_floor_us: 100_000, ..Watch::default() }) // below a tenth of a second no price is too slow
            .log(|subject: &Subject, level, message: &str| eprintln!("{level:5} {subject}: {}", plugwork::log::escape(message)))
            .open()
            .await?;
        for (package, weight) in [("loyalty", 10), ("campaign-1.0.0", 20), ("regional-tax", 50)] {
            let offer = runtime.offer(&source(package)?).await?; // read and checked; nothing has run
            let rule = runtime.install(offer, Grants::none(), Settings { weight, ..Settings::default() }).await?;
            rule.enable("shop").await?;
        }
        Ok(Self { runtime, catalogue })
    }

    /// Lets `plugwork ps`, `top` and `logs` see the rules, for as long as the answer lives: `--state target/pricing-state`.
    pub(crate) fn observe(&self) -> plugwork::Result<Observer> {
        Observer::open(&self.runtime, built("pricing-state"), "pricing-host")
    }

    /// Takes over another version of a rule that is installed, while prices are asked for.
    pub(crate) async fn replace(&self, package: &str) -> plugwork::Result<Replacement> {
        let offer = self.runtime.offer(&source(package)?).await?;
        let key = ConsentKey::from(offer.subject());
        self.runtime.replace(&key, offer, "shop").await
    }

    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The price of an order.
    pub(crate) async fn price(&self, quote: Quote) -> Result<Priced, Unpriced> {
        let mut answer = self.runtime.point::<Pricing>().pipeline(quote).await.map_err(Unpriced::Failed)?;
        for needed in NEEDED {
            let place = answer.outcomes.iter().position(|outcome| outcome.subject.package.as_str() == needed);
            let outcome = place.map(|place| &mut answer.outcomes[place]).ok_or(Unpriced::Missing(needed))?;
            if let Some(error) = outcome.error.take() {
                return Err(Unpriced::Failed(error));
            }
        }
        // A rule that failed decided nothing; each of the others decided once.
        let mut decisions = answer.value.decisions.into_iter();
        let mut note = |outcome: &Outcome| match outcome.error {
            None => decisions.next().map(|decision| decision.note).unwrap_or_default(),
            Some(_) => String::new(),
        };
        let applied = answer.outcomes.iter().map(|outcome| Applied {
            name: outcome.subject.package.to_string(),
            origin: outcome.origin,
            version: outcome.version.as_ref().map(ToString::to_string),
            note: note(outcome),
            microseconds: u64::try_from(outcome.time.as_micros()).unwrap_or(u64::MAX),
            error: outcome.error.as_ref().map(first_line),
        });
        Ok(Priced { rules: applied.collect(), total_cents: answer.value.order.total_cents })
    }

    /// How each rule does.
    pub(crate) fn status(&self) -> Vec<Status> {
        self.runtime.status()
    }

    /// Ends it: calls under way finish.
    pub(crate) async fn close(&self) -> plugwork::Result<()> {
        self.runtime.clone().close().await
    }
}

impl fmt::Display for Unpriced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(rule) => write!(f, "there is no price without `{rule}`, which is not enabled"),
            Self::Failed(error) => f.write_str(&first_line(error)),
        }
    }
}

/// Without the backtrace, which is for the log and not for customers.
fn first_line(error: &plugwork::Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// What the repository's build made.
fn built(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../target").join(name)
}

/// A package that `cargo xtask guests` built.
fn source(package: &str) -> plugwork::Result<Source> {
    Source::file(built("plugins").join(format!("{package}.wasm")))
}

#[cfg(test)]
mod tests {
    use super::super::catalogue::Form;
    use super::*;

    async fn without(rule: &str) -> Result<Priced, Unpriced> {
        let shop = Shop::open().await.expect("run `cargo xtask guests` first");
        let installed = shop.runtime.installations();
        let rule = installed.iter().find(|installed| installed.key().package.as_str() == rule).unwrap();
        rule.disable("shop", "for a test").await.unwrap();
        let form = r#"{"customer": {"name": "Ada", "region": "DE", "orders_before": 10}, "lines": [{"sku": "kettle", "quantity": 1}]}"#;
        let form: Form = serde_json::from_str(form).unwrap();
        let priced = shop.price(shop.catalogue.quote(form).unwrap()).await;
        shop.close().await.unwrap();
        priced
    }

    #[tokio::test]
    async fn there_is_no_price_without_the_tax() {
        assert!(matches!(without("plugwork:regional-tax").await, Err(Unpriced::Missing("plugwork:regional-tax"))));
    }

    #[tokio::test]
    async fn there_is_a_price_without_a_discount() {
        let priced = without("plugwork:loyalty").await.unwrap();
        // 64.99 and 19 %.
        assert_eq!((priced.total_cents, priced.rules.len()), (7734, 4));
    }
}
