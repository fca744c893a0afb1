//! The code of the book that stands in no example host: compiled and run here, and shown there.
//!
//! Not here: what the example hosts show (`examples/hosts`). Easily got wrong: a page's block must be a run of lines of this file or of an
//! example host, whatever their indentation; so change both.

use plugwork::core::reach::Kind;
use plugwork::core::table;
use plugwork::dynamic::Argument;
use plugwork::{Allocation, Bounds, ErrorKind, Fault, Grants, GuestThreads, Limits, Runtime, Source, Subject};
use plugwork_capabilities::{Filesystem, Http};
use plugwork_points::{Analyzer, Batch, Column, DataSource};

use crate::{repository, text_of};

const PAGES: [&str; 2] = ["docs/data.md", "docs/embedding.md"];
const SOURCES: [&str; 5] = [
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
