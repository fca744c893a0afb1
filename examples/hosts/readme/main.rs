//! The host of the README, as a program: a table from a plugin that may read one folder, counted by a plugin that may do nothing.
//!
//! The lines between the marks are the README's, letter by letter; a test compares them and runs this from the repository's folder, to
//! which its paths are relative. Easily got wrong: `accept` grants what a plugin asks for, and a plugin cannot ask for a folder of the host.

use plugwork::{Bounds, Grants, Runtime, Source};
use plugwork_capabilities::Filesystem;
use plugwork_points::{Analyzer, DataSource};

// README: begin
#[tokio::main]
async fn main() -> plugwork::Result<()> {
    let runtime = Runtime::builder("target/readme-state").provide(Filesystem::default()).open().await?;
    let offer = runtime.offer(&Source::file("target/plugins/csv.wasm")?).await?; // read and checked; nothing of it has run
    println!("{} asks for {}", offer.subject(), offer.permissions());
    let csv = offer.accept_only(Grants::none().with("filesystem", Bounds::from_iter([("root".into(), "examples/data".into())]))).await?;
    let count = runtime.offer(&Source::file("target/plugins/row-count.wasm")?).await?.accept().await?; // asks for nothing
    let mut routes = DataSource::open(&csv, r#"{"path": "node_modules/vega-datasets/data/flights-airport.csv"}"#).await?;
    let mut analysis = Analyzer::start(&count, "{}").await?;
    while let Some(batch) = routes.next().await? {
        analysis.push(&batch).await?;
    }
    println!("{:?}\n{:?}", analysis.next().await?, analysis.end().await);
    runtime.close().await
}
// README: end
