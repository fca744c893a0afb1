//! The demonstration: the shop asks itself over HTTP, takes over a new version meanwhile, then a broken one, and prints what came of it.
//!
//! Not here: the shop. Easily got wrong: every number that is printed is counted from answers, not from what should have happened.

use std::collections::BTreeMap;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugwork::Replacement;
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};

use crate::client;
use crate::shop::Shop;

const CAMPAIGN: &str = "plugwork:campaign";
const REQUESTS: usize = 200;
/// How many requests are under way at once.
const AT_ONCE: usize = 16;
/// The new version is taken over when so many were answered; so many wait until it is there, so that it gets some too.
const QUARTER: usize = REQUESTS / 4;
/// By then a broken version has to be gone: it takes a few calls and a tenth of a second.
const ROLL_BACK_MAX: Duration = Duration::from_secs(30);

type Done<T> = Result<T, Box<dyn Error>>;

/// What to type to ask a shop that keeps serving.
pub(crate) fn print_requests(server: SocketAddr) {
    println!("serving on {server} until Ctrl-C\n");
    println!("curl -s http://{server}/quote -d '{}'", order("tea-green"));
    println!("curl -s http://{server}/plugins");
}

/// Shows everything; an error where a request was lost or an answer is not of one version.
pub(crate) async fn run(server: SocketAddr, shop: &Shop) -> Done<()> {
    let before = quote(server, "tea-green").await?;
    show("60 tea-green and a kettle", &before);
    println!("\ncampaign 1.1.0 is taken over while {REQUESTS} requests are under way:");
    let answers = reload(server, shop).await?;
    let after = quote(server, "tea-green").await?;
    count(&answers, &[&before, &after])?;
    println!();
    show("60 tea-green and a kettle", &after);
    println!("\ncampaign 1.2.0 fails at orders without tea:");
    roll_back(server, shop).await?;
    println!();
    show("60 mug-blue and a kettle", &quote(server, "mug-blue").await?);
    Ok(())
}

fn order(sku: &str) -> Value {
    json!({
        "customer": { "name": "Ada", "orders_before": 34, "region": "DE" },
        "lines": [{ "sku": sku, "quantity": 60 }, { "sku": "kettle", "quantity": 1 }],
    })
}

async fn quote(server: SocketAddr, sku: &str) -> Done<Value> {
    match client::post(server, "/quote", &order(sku)).await? {
        (200, quote) => Ok(quote),
        (status, problem) => Err(format!("no quote but {status}: {problem}").into()),
    }
}

/// Takes 1.1.0 over in the middle of many requests, and gives their answers; what was lost is none.
async fn reload(server: SocketAddr, shop: &Shop) -> Done<Vec<Value>> {
    let gate = Arc::new(Semaphore::new(AT_ONCE));
    let (answered, mut answers) = mpsc::unbounded_channel();
    let send = |requests: usize| {
        for _ in 0..requests {
            let (gate, answered) = (gate.clone(), answered.clone());
            tokio::spawn(async move {
                let _permit = gate.acquire().await;
                // Text, because a boxed error cannot leave its thread.
                let answer = quote(server, "tea-green").await.map_err(|error| error.to_string());
                answered.send(answer)
            });
        }
    };
    send(REQUESTS - QUARTER);
    let mut all = Vec::new();
    while all.len() < QUARTER {
        all.extend(answers.recv().await);
    }
    let Replacement::Done(replaced) = shop.replace("campaign-1.1.0").await? else {
        return Err("campaign 1.1.0 asks for more than 1.0.0".into());
    };
    println!("  made ready beside the old version in {} ms", replaced.prepared_in.as_millis());
    send(QUARTER);
    while all.len() < REQUESTS {
        all.extend(answers.recv().await);
    }
    for lost in all.iter().filter_map(|answer| answer.as_ref().err()) {
        println!("  lost: {lost}");
    }
    Ok(all.into_iter().flatten().collect())
}

/// Says how many answers are of which version. An answer is of one version if its price is that version's.
fn count(answers: &[Value], quotes: &[&Value]) -> Done<()> {
    let mut versions: BTreeMap<String, usize> = BTreeMap::new();
    for answer in answers {
        let version = version(answer);
        let same = quotes.iter().any(|quote| self::version(quote) == version && quote["total_cents"] == answer["total_cents"]);
        *versions.entry(if same { version } else { format!("a mixture with {version}") }).or_default() += 1;
    }
    for (version, requests) in &versions {
        println!("  {requests} requests saw {version}");
    }
    println!("  {} requests were lost", REQUESTS - answers.len());
    let good = answers.len() == REQUESTS && versions.keys().all(|version| !version.starts_with("a mixture"));
    if good { Ok(()) } else { Err("a request was lost or saw two versions".into()) }
}

/// Takes a broken version over and asks until it is gone again.
async fn roll_back(server: SocketAddr, shop: &Shop) -> Done<()> {
    let Replacement::Done(_) = shop.replace("campaign-1.2.0").await? else {
        return Err("campaign 1.2.0 asks for more than 1.1.0".into());
    };
    let asked = Instant::now();
    for requests in 1.. {
        let quote = quote(server, "mug-blue").await?;
        if requests == 1 {
            show("60 mug-blue and a kettle", &quote);
        }
        let (_, plugins) = client::get(server, "/plugins").await?;
        let campaign = plugins.as_array().and_then(|plugins| plugins.iter().find(|plugin| plugin["package"] == CAMPAIGN));
        if let Some(why) = campaign.and_then(|campaign| campaign["rolled_back"].as_str()) {
            println!("  after {requests} requests: {why}");
            return Ok(());
        }
        if asked.elapsed() > ROLL_BACK_MAX {
            break;
        }
    }
    Err("campaign 1.2.0 was not rolled back".into())
}

/// Which version of the campaign a quote is of.
fn version(quote: &Value) -> String {
    let rule = quote["rules"].as_array().and_then(|rules| rules.iter().find(|rule| rule["name"] == CAMPAIGN));
    rule.and_then(|rule| rule["version"].as_str()).unwrap_or("none").to_owned()
}

fn show(what: &str, quote: &Value) {
    let cents = quote["total_cents"].as_u64().unwrap_or_default();
    println!("{what}: {}.{:02}", cents / 100, cents % 100);
    for rule in quote["rules"].as_array().into_iter().flatten() {
        let text = |key: &str| rule[key].as_str().unwrap_or_default();
        let said = if rule["error"].is_null() { text("note") } else { text("error") };
        let (name, origin, version) = (text("name"), text("origin"), text("version"));
        let microseconds = rule["microseconds"].as_u64().unwrap_or_default();
        let line = format!("  {name:21} {origin:9} {version:5} {microseconds:6} µs  {said}");
        println!("{}", line.trim_end());
    }
}
