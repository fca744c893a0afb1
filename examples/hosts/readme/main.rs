//! The host of the README, as a program. A test keeps the two equal.

use plugwork::{Grants, Runtime, Source};
use plugwork_points::Analyzer;

// README: begin
#[tokio::main]
async fn main() -> plugwork::Result<()> {
    let runtime = Runtime::builder("./state").open().await?;
    let offer = runtime.offer(&Source::file(std::env::args().nth(1).expect("a component"))?).await?; // nothing has run
    println!("{}\n{}", offer.subject(), offer.permissions()); // what it asks for, in words
    let plugin = offer.accept_only(Grants::none()).await?; // linked with exactly this
    let mut analysis = Analyzer::start(&plugin, "{}").await?; // one instance, with limits
    while let Some(finding) = analysis.next().await? {
        println!("{}: {} rows", finding.table, finding.batch.rows());
    }
    println!("{:?}", analysis.spend());
    runtime.close().await
}
// README: end
