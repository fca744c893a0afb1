//! An application with an extension point of its own, which plugwork has never seen: documents pass through filters that other people
//! wrote, in Rust, JavaScript and Python. It exports (`text-filter`) and it imports (`glossary`, which this application offers).
//!
//! `cargo run --example text-filter [COMPONENT…]`; build the plugins first with `cargo xtask guests`.

mod bindings;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bindings::example::text::glossary;
use bindings::exports::example::text::text_filter::Text;
use plugwork::capability::Prepare;
use plugwork::core::reach::Kind;
use plugwork::core::{InterfaceName, Issue};
use plugwork::wasmtime::component::Linker;
use plugwork::wasmtime::{self, StoreContextMut};
use plugwork::{Call, Capability, Configured, Grants, Point, Refusal, Runtime, Source, State, Subject};

plugwork::point! {
    /// Rewrites a document on its way to a reader.
    pub TextFilter = "example:text/text-filter@0.1.0" in bindings::exports::example::text::text_filter
}

impl Call for TextFilter {
    type Input = Text;
    type Output = Text;

    async fn call(
        guest: &<Self as Point>::Guest,
        store: StoreContextMut<'_, State>,
        input: &Text,
    ) -> wasmtime::Result<Result<Text, Refusal>> {
        Ok(guest.call_apply(store, input).await?.map_err(Refusal::from))
    }
}

/// What this application offers to its filters: the words that it explains elsewhere.
struct Glossary(Arc<BTreeMap<String, String>>);

/// The part of the glossary that one grant opens.
struct Words(Arc<BTreeMap<String, String>>);

impl Capability for Glossary {
    fn name(&self) -> &'static str {
        "glossary"
    }

    fn interfaces(&self) -> &'static [&'static str] {
        &["example:text/glossary"]
    }

    fn configure(&self, _: &Subject, bounds: &plugwork::Bounds) -> Result<Box<dyn Configured>, Issue> {
        let letter = bounds.get("letters").and_then(|letters| letters.as_str()).unwrap_or_default().to_lowercase();
        let opened = self.0.iter().filter(|(word, _)| letter.is_empty() || word.starts_with(|first| letter.contains(first)));
        Ok(Box::new(Words(Arc::new(opened.map(|(word, link)| (word.clone(), link.clone())).collect()))))
    }
}

impl Configured for Words {
    fn link(&self, _: &InterfaceName, linker: &mut Linker<State>) -> wasmtime::Result<()> {
        glossary::add_to_linker::<State, HasGlossary>(linker, |state| {
            state.count_host_call();
            Lookup(state.get::<Arc<BTreeMap<String, String>>>().cloned())
        })
    }

    fn prepare(&self, instance: &mut Prepare<'_>) -> wasmtime::Result<()> {
        instance.insert(self.0.clone());
        Ok(())
    }
}

struct HasGlossary;

impl wasmtime::component::HasData for HasGlossary {
    type Data<'a> = Lookup;
}

struct Lookup(Option<Arc<BTreeMap<String, String>>>);

impl glossary::Host for Lookup {
    fn lookup(&mut self, term: String) -> wasmtime::Result<Option<String>> {
        Ok(self.0.as_ref().and_then(|words| words.get(&term.to_lowercase()).cloned()))
    }
}

const DOCUMENT: &str = "A component imports interfaces and exports interfaces. A host that links an import grants a capability; \
what was not linked cannot be called, and there is no check to forget.";

#[tokio::main]
async fn main() -> plugwork::Result<()> {
    let words = [("component", "https://example.com/component"), ("capability", "https://example.com/capability")];
    let words = words.iter().map(|(word, link)| ((*word).to_owned(), (*link).to_owned())).collect();
    let runtime = Runtime::in_memory()
        .provide(Glossary(Arc::new(words)))
        .log(|subject: &Subject, level, message: &str| eprintln!("{level:5} {subject}: {}", plugwork::log::escape(message)))
        .open()
        .await?;

    for path in plugins() {
        let offer = runtime.offer(&Source::file(&path)?).await?; // read and checked; nothing has run
        let asked: Vec<_> = offer.permissions().iter().map(|permission| permission.capability.clone()).collect();
        println!("{}: {}", offer.subject(), offer.permissions());
        let grants =
            asked.into_iter().filter(|name| name == "glossary").fold(Grants::none(), |grants, name| grants.with(&name, Default::default()));
        let plugin = offer.accept_only(grants).await?;
        for reach in plugin.reach().iter().filter(|reach| reach.kind == Kind::Granted) {
            println!("  granted {}", reach.interface);
        }
        plugin.enable().await?;
    }

    for media_type in ["text/markdown", "text/plain"] {
        let document = Text { body: DOCUMENT.to_owned(), media_type: media_type.to_owned() };
        let answer = runtime.point::<TextFilter>().pipeline(document).await?;
        println!("\n{media_type}:\n{}\n", answer.value.body);
        for outcome in &answer.outcomes {
            println!("{}: {:.1} ms, {} host calls", outcome.subject, outcome.time.as_secs_f64() * 1000.0, outcome.spend.host_calls);
        }
    }
    runtime.close().await
}

/// The components to attach: those named on the command line, else the three that `cargo xtask guests` builds.
fn plugins() -> Vec<PathBuf> {
    let named: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    if !named.is_empty() {
        return named;
    }
    let (built, names) = (concat!(env!("CARGO_MANIFEST_DIR"), "/../target/plugins"), ["glossary-links", "shout", "wrap-lines"]);
    plugwork_examples::need_plugins(&names);
    names.iter().map(|name| PathBuf::from(format!("{built}/{name}.wasm"))).collect()
}
