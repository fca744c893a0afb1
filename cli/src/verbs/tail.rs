//! `plugwork tail`: the requests of a running server, as they are answered.
//!
//! Easy to get wrong: what is not read fast enough is lost, and how much that was is said. What clients sent is shown escaped.

use plugwork_edge::admin::words::ServerWords;
use serde_json::Value;

use super::words::{grouped, instant, size};
use crate::exit::Failure;
use crate::host::{self, Place};
use crate::operator::reach::{Reach, label};
use crate::print;

/// Shows the requests of a server that runs, until Ctrl-C or its end.
///
/// One line for each, once its answer was sent. What plugins said is shown by `plugwork logs`.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork tail
  plugwork tail shop --status 5xx --json

A line is: when, status, method, host and path, the application and plugin that
answered, how long it took, how much was sent, and why it failed.
The JSON is one object a line, as `plugwork serve` logs it: kind `request`; or
kind `lost` with how many lines came faster than they were read.")]
pub(crate) struct Tail {
    /// Only requests to this one.
    #[arg(value_name = "APPLICATION", value_parser = label)]
    application: Option<String>,
    /// Only requests that this plugin answered, by the application's name for it.
    #[arg(long, value_name = "NAME", value_parser = label)]
    plugin: Option<String>,
    /// Only this status, `404`, or this class, `5xx`.
    #[arg(long, value_name = "STATUS", value_parser = status)]
    status: Option<String>,
    #[command(flatten)]
    reach: Reach,
    /// Prints JSON instead of text.
    #[arg(long)]
    json: bool,
}

impl Tail {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        host::io_runtime()?.block_on(async {
            let client = self.reach.client(place)?;
            let pairs =
                [("tenant", &self.reach.tenant), ("application", &self.application), ("plugin", &self.plugin), ("status", &self.status)];
            let query: Vec<String> =
                pairs.iter().filter_map(|(name, value)| value.as_ref().map(|value| format!("{name}={value}"))).collect();
            let mut lines = client.follow(&format!("/v1/tail?{}", query.join("&"))).await?;
            // Who follows from a script waits for this before it sends anything.
            print::narrate("following requests");
            while let Some(line) = lines.next().await? {
                let told: Value =
                    serde_json::from_slice(&line).map_err(|error| Failure::failed(format_args!("no line of a log: {error}")))?;
                if self.json { print::json_line(&told) } else { tell(&told) }
            }
            // It is over because the server stops, or because whoever asks may not any more.
            match client.get::<ServerWords>("/v1/server").await {
                Ok(_) => Err(Failure::unreachable("the server ended the log\nhint: ask again")),
                Err(_) => {
                    print::narrate("the server stopped, or the token is over");
                    Ok(())
                }
            }
        })
    }
}

fn tell(told: &Value) {
    let text = |name: &str| told[name].as_str().unwrap_or_default();
    let number = |name: &str| told[name].as_u64().unwrap_or_default();
    if told["kind"] == "lost" {
        return print::narrate(format_args!("{} lines were lost: they came faster than they were read", grouped(number("lines"))));
    }
    let by = match text("plugin") {
        "" => text("code").to_owned(),
        plugin => format!("{}/{plugin}", text("application")),
    };
    let took = match number("duration-us") {
        us @ 0..10_000 => format!("{us} µs"),
        us => format!("{} ms", grouped(us / 1_000)),
    };
    let broken = if told["complete"] == true { "" } else { "  broken off" };
    let error = told["error"].as_str().map(|error| format!("  {}", error.replace('\n', " "))).unwrap_or_default();
    let (when, status, sent) = (instant(number("at-ms")), number("status"), size(number("response-bytes")));
    let (method, host, path) = (text("method"), text("host"), text("path"));
    print::data(format_args!("{when}  {status}  {method:4}  {host}{path}  {by}  {took}  {sent}{broken}{error}"));
}

fn status(text: &str) -> Result<String, String> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let is_status = text.len() == 3
        && (digits(text) || (text.ends_with("xx") && digits(&text[..1])))
        && ('1'..='5').contains(&text.chars().next().unwrap_or(' '));
    if is_status { Ok(text.to_owned()) } else { Err("expected a status, `404`, or a class of them, `5xx`".to_owned()) }
}
