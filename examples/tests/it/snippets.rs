//! The code of the book that stands in no example host: compiled and run here, and shown there.
//!
//! Not here: what the example hosts show (`examples/hosts`). Easily got wrong: a page's block must be a run of lines of this file or of an
//! example host, whatever their indentation; so change both.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bindings::exports::example::text::text_filter::Text;
use plugwork::component::PackageFolder;
use plugwork::core::reach::Kind;
use plugwork::core::record::{ConsentKey, Key, Memory, Settings};
use plugwork::core::table;
use plugwork::dynamic::Argument;
use plugwork::wasmtime::{self, StoreContextMut};
use plugwork::{
    Allocation, Bounds, Call, Change, ErrorKind, Fault, Grants, GuestThreads, Hooks, Limits, Origin, Point, Refusal, Replacement, Running,
    Runtime, Source, Start, State, Subject,
};
use plugwork_capabilities::{Filesystem, Http};
use plugwork_points::{Analyzer, Batch, Column, DataSource};

use crate::{repository, text_of};

#[path = "../../hosts/text-filter/bindings.rs"]
mod bindings;

const PAGES: [&str; 3] = ["docs/data.md", "docs/embedding.md", "docs/http.md"];
const SOURCES: [&str; 6] = [
    "examples/hosts/axum-embed/main.rs",
    "examples/tests/it/snippets.rs",
    "examples/hosts/text-filter/main.rs",
    "examples/hosts/text-filter/bindings.rs",
    "examples/hosts/pricing-host/rules.rs",
    "examples/hosts/pricing-host/shop.rs",
];

fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
}

#[test]
fn the_rust_of_the_book_is_compiled_code() {
    let sources: Vec<String> = SOURCES.iter().map(|path| text_of(path)).collect();
    for page in PAGES {
        let text = text_of(page);
        for rest in text.split("```rust\n").skip(1) {
            let block = lines(rest.split_once("```").expect("a closed fence").0);
            let stands = sources.iter().any(|source| lines(source).windows(block.len()).any(|run| run == block.as_slice()));
            assert!(stands, "{page}: this block stands in no source:\n{}", block.join("\n"));
        }
    }
}

fn plugin(name: &str) -> Source {
    Source::file(repository().join(format!("target/plugins/{name}.wasm"))).expect("run `cargo xtask guests` first")
}

#[test]
fn a_batch_is_made_and_read() -> Result<(), Box<dyn std::error::Error>> {
    let temperature = Column {
        name: "temperature".to_owned(),
        format: "g".to_owned(),
        validity: Some(vec![0b01]), // the second is null
        offsets: None,
        values: [21.5_f64, 0.0].iter().flat_map(|value| value.to_le_bytes()).collect(),
    };
    let batch = Batch::new(2, vec![temperature]).map_err(|issue| issue.to_string())?; // validated
    let checked = table::validate(batch.rows(), batch.views())?; // to read it
    assert_eq!(checked.columns()[0].cell(0), Some(table::Cell::Float(21.5)));
    assert_eq!(checked.columns()[0].cell(1), Some(table::Cell::Null));
    Ok(())
}

#[tokio::test]
async fn a_runtime_with_everything_said() -> plugwork::Result<()> {
    let state = repository().join("target/readme-state");
    let runtime = Runtime::builder(&state) // keeps compiled plugins; `Runtime::in_memory()` keeps nothing
        .provide(Http::default())
        .provide(Filesystem::new("/srv")) // relative roots are taken from here
        .limits(Limits { deadline_ms: 50, memory_bytes: 32 << 20, ..Limits::interactive() })
        .allocation(Allocation::Pooling { instances: 64 })
        .log(|subject: &Subject, level, message: &str| eprintln!("{level} {subject}: {}", plugwork::log::escape(message)))
        .hint(|subject, permission| format!("ask the owner of {subject} for: {permission}"))
        .open()
        .await?;

    let offer = runtime.offer(&plugin("usgs-earthquakes")).await?.tenant("acme").instance("week").limits(Limits::batch());
    for reach in offer.reach(&Grants::none()).iter().filter(|reach| reach.kind == Kind::Denied) {
        println!("{} would be denied: {}", reach.interface, reach.because);
    }
    let plugin = offer.accept_only(Grants::none()).await?;
    assert_eq!(plugin.subject().to_string(), "acme/plugwork:usgs-earthquakes#week");
    runtime.close().await
}

#[tokio::test]
async fn what_goes_wrong_has_a_kind() -> plugwork::Result<()> {
    let runtime = Runtime::in_memory().allocation(Allocation::OnDemand).provide(Filesystem::new("/")).open().await?;
    let offer = runtime.offer(&plugin("csv")).await?;
    let bounds = Bounds::from_iter([("root".to_owned(), "/tmp".into()), ("access".to_owned(), "write".into())]);
    let error = offer.accept_only(Grants::none().with("filesystem", bounds)).await.unwrap_err();
    match error.kind() {
        ErrorKind::Refused => println!("not permitted: {:?} {:?}", error.denials(), error.issues()),
        ErrorKind::Refusal => println!("the plugin says no: {:?}", error.refusal()),
        ErrorKind::Fault if matches!(error.fault(), Some(Fault::Deadline { .. })) => println!("too slow"),
        ErrorKind::Fault => println!("the plugin failed: {:?}", error.fault()),
        ErrorKind::Unavailable => println!("not now: {error} {:?}", error.scarcity()),
        _ => println!("ours or the caller's: {error}"),
    }
    assert_eq!(error.kind(), ErrorKind::Refused);
    let csv = runtime.offer(&plugin("csv")).await?.accept_only(Grants::none()).await?;
    let mut cursor = DataSource::open(&csv, r#"{"path": "x.csv"}"#).await;
    assert!(cursor.as_mut().is_err_and(|error| error.kind() == ErrorKind::Refusal));
    Ok(())
}

#[tokio::test]
async fn any_function_is_called_by_values() -> plugwork::Result<()> {
    let runtime = Runtime::in_memory().allocation(Allocation::OnDemand).open().await?;
    let shout = runtime.offer(&plugin("shout")).await?.accept().await?;
    let apply = shout.function("text-filter#apply")?;
    let document = Argument::Wave(r#"{body: "hello", media-type: "text/plain"}"#.to_owned());
    let returned = shout.call_dynamic(&apply, &[document]).await?;
    assert_eq!(returned.to_wave()?, r#"ok({body: "HELLO", media-type: "text/plain"})"#);
    println!("{apply}\n{}", returned.to_json()?);
    Ok(())
}

#[test]
fn guests_run_on_threads_of_their_own() -> plugwork::Result<()> {
    let io = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("threads");
    let counted = io.block_on(async {
        let threads = GuestThreads::start(Some(1))?;
        let runtime = Runtime::in_memory().allocation(Allocation::OnDemand).open().await?;
        let count = runtime.offer(&plugin("row-count")).await?.accept().await?;
        let task = threads.spawn(async move {
            let mut analysis = Analyzer::start(&count, "{}").await?;
            analysis.next().await
        });
        task.await
    })?;
    assert_eq!(counted.expect("a table").batch.rows(), 1);
    Ok(())
}

plugwork::point! {
    /// Rewrites a document on its way to a reader.
    TextFilter = "example:text/text-filter@0.1.0" in bindings::exports::example::text::text_filter
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

fn text(body: &str) -> Text {
    Text { body: body.to_owned(), media_type: "text/plain".to_owned() }
}

fn trimmed(text: &Text) -> Result<Text, Refusal> {
    Ok(Text { body: text.body.trim().to_owned(), ..text.clone() })
}

/// A folder with one package and nothing else, because discovery reads all that is there.
fn packages() -> Arc<PackageFolder> {
    let folder = repository().join("target/snippets-packages");
    fs::create_dir_all(&folder).expect("a folder");
    let built: PathBuf = repository().join("target/plugins/shout.wasm");
    // Renamed into place: another test may read it meanwhile.
    let beside = folder.join(format!("{}.partial", std::process::id()));
    fs::copy(built, &beside).and_then(|_| fs::rename(&beside, folder.join("shout.wasm"))).expect("run `cargo xtask guests` first");
    Arc::new(PackageFolder::new(folder))
}

struct Doorkeeper;

impl Hooks for Doorkeeper {
    fn before_install<'a>(&'a self, change: &'a Change) -> Running<'a, Result<(), String>> {
        let says = match change.grants.get("http") {
            Some(_) => Err("nothing here talks to the network".to_owned()),
            None => Ok(()),
        };
        Box::pin(std::future::ready(says))
    }
}

async fn opened(records: &Arc<Memory>) -> plugwork::Result<Runtime> {
    Runtime::in_memory()
        .allocation(Allocation::OnDemand)
        .records(records.clone()) // what is installed and enabled
        .packages(packages()) // where the files are
        .hooks(Doorkeeper, Duration::from_secs(5)) // which may say no
        .native::<TextFilter>("shop:trim", 10, trimmed) // Rust of the application's own
        .open()
        .await
}

#[tokio::test]
async fn what_is_installed_and_enabled_starts_again() -> plugwork::Result<()> {
    let records = Arc::new(Memory::new(Key::from_bytes(&[7; 32])));
    let runtime = opened(&records).await?;
    let found = runtime.discover(packages()).await?; // offers: nothing is installed by being found
    for (place, error) in &found.broken {
        println!("{place}: {error}");
    }
    for (offer, _standing) in found.offers {
        println!("{} asks for: {}", offer.subject(), offer.permissions());
        let settings = Settings { weight: 20, ..Settings::default() };
        let installation = runtime.install(offer.by("ada", "for the shop"), Grants::none(), settings).await?; // consent, on record
        installation.enable("ada").await?; // one instance said that it is well; enabled, on record
    }
    runtime.close().await?;

    let runtime = opened(&records).await?; // another day
    let started = runtime.start(Start::default()).await?;
    for skipped in &started.skipped {
        println!("{} is not active: {}", skipped.key, skipped.error);
    }
    assert_eq!((started.active, started.skipped.len()), (1, 0));
    let key = ConsentKey { tenant: "default".to_owned(), instance: String::new(), package: "plugwork:shout".parse().expect("a name") };
    let shout = runtime.installation(&key).expect("it was installed");
    assert_eq!(shout.call::<TextFilter>(&text("hello")).await?.body, "HELLO");

    let answer = runtime.point::<TextFilter>().pipeline(text(" hello ")).await?;
    assert_eq!(answer.value.body, "HELLO");
    let origins: Vec<_> = answer.outcomes.iter().map(|outcome| outcome.origin).collect();
    assert_eq!(origins, [Origin::Native, Origin::Component]); // by weight

    for (outcome, value) in runtime.point::<TextFilter>().concurrency(2).every(text(" hello ")).await {
        match value {
            Some(value) => println!("{}: {:?} in {:?}", outcome.subject, value.body, outcome.time),
            None => println!("{}: {:?}", outcome.subject, outcome.error),
        }
    }

    let runs_on = runtime.point::<TextFilter>().or_else(|before| before.clone()); // instead of what a plugin did not give
    assert_eq!(runs_on.pipeline(text("hello")).await?.value.body, "HELLO");

    let another = runtime.offer(&plugin("shout")).await?; // here the same file again
    match runtime.replace(&key, another, "ada").await? {
        Replacement::Done(replaced) => println!("{:?} runs now, as number {}", replaced.to, replaced.generation),
        Replacement::Offered(offered) => println!("somebody has to consent to: {}", offered.capabilities.join(", ")),
    }

    for status in runtime.status() {
        println!("{}: {}, generation {}, {} calls, {} faults", status.key, status.state, status.generation, status.calls, status.faults);
    }
    shout.disable("ada", "not wanted on Sundays").await?;
    let error = shout.call::<TextFilter>(&text("hello")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    shout.remove("ada").await?;
    runtime.close().await
}
