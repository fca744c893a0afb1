//! The shop: one runtime with all rules, and the price of an order.
//!
//! Not here: HTTP (`http`), what a rule decides (`rules`, `plugins/`). Easily got wrong: which version decided is said by the outcome of the call,
//! not by what is installed when the answer is written.

use std::path::PathBuf;
use std::sync::{Arc, RwLock};

use plugwork::{Plugin, Runtime, Source};
use serde::Serialize;
use serde_json::{Value, json};

use crate::catalogue::Catalogue;
use crate::point::{Pricing, Quote};
use crate::rules::{FloorPrice, VolumeDiscount};

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
    origin: &'static str,
    version: String,
    note: String,
    microseconds: u128,
    error: Option<String>,
}

enum Rule {
    Native(&'static str, Box<dyn Fn(&Quote) -> Result<Quote, plugwork::Refusal> + Send + Sync>),
    Component(Plugin),
}

/// A shop.
pub(crate) struct Shop {
    runtime: Runtime,
    catalogue: Catalogue,
    rules: RwLock<Vec<Arc<Rule>>>,
}

impl Shop {
    /// Opens it with all its rules.
    pub(crate) async fn open() -> plugwork::Result<Self> {
        let runtime = Runtime::builder(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/pricing-state")).open().await?;
        let catalogue = Catalogue::of_the_shop();
        let floor = FloorPrice(catalogue.clone());
        let shop = Self { runtime, catalogue, rules: RwLock::default() };
        let rules = vec![
            Rule::Component(shop.load("loyalty").await?),
            Rule::Component(shop.load("campaign-1.0.0").await?),
            Rule::Native("volume", Box::new(|quote| quote.clone().decided(VolumeDiscount.price(&quote.order)))),
            Rule::Native("floor", Box::new(move |quote| quote.clone().decided(floor.price(&quote.order)))),
            Rule::Component(shop.load("regional-tax").await?),
        ];
        *shop.rules.write().expect("no panic happens under this lock") = rules.into_iter().map(Arc::new).collect();
        Ok(shop)
    }

    async fn load(&self, name: &str) -> plugwork::Result<Plugin> {
        self.runtime.offer(&package(name)?).await?.accept().await
    }

    pub(crate) fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// The price of an order.
    pub(crate) async fn price(&self, mut quote: Quote) -> plugwork::Result<Priced> {
        let rules = self.rules.read().expect("no panic happens under this lock").clone();
        let mut applied = Vec::new();
        for rule in rules {
            let started = std::time::Instant::now();
            let (name, origin, version, next) = match &*rule {
                Rule::Native(name, rule) => ((*name).to_owned(), "native", String::new(), rule(&quote).ok()),
                Rule::Component(plugin) => {
                    let manifest = plugin.manifest().expect("built with one");
                    (manifest.name.to_string(), "component", manifest.version.to_string(), Some(plugin.call::<Pricing>(&quote).await?))
                }
            };
            if let Some(next) = next {
                quote = next;
            }
            let note = quote.decisions.last().map(|decision| decision.note.clone()).unwrap_or_default();
            applied.push(Applied { name, origin, version, note, microseconds: started.elapsed().as_micros(), error: None });
        }
        Ok(Priced { total_cents: quote.order.total_cents, rules: applied })
    }

    pub(crate) async fn status(&self) -> Value {
        json!([])
    }

    pub(crate) async fn close(&self) -> plugwork::Result<()> {
        self.runtime.clone().close().await
    }
}

/// A package that `cargo xtask guests` built.
pub(crate) fn package(name: &str) -> plugwork::Result<Source> {
    Source::file(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/plugins")).join(format!("{name}.wasm")))
}
