//! `plugwork audit`: the records as they were written, and whether the chain holds.
//!
//! Easy to get wrong: `ls` shows what is there and proves nothing; only `verify` recomputes it.

use plugwork_core::record::{Consent, Event, Record, Records, RecordsError};
use serde::Serialize;
use serde_json::Value;

use super::words::instant;
use crate::consent::words::one_line;
use crate::exit::Failure;
use crate::host::{self, Place};
use crate::print;

/// Shows the records of consent, and verifies that none was changed.
///
/// Who granted, declined, revoked or removed what, and which plugins failed or were refused something. Each record names the digest of the one
/// before it and is signed with this node's key, so an edit, a gap or a lost end is found.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork audit ls --after 12
  plugwork audit verify")]
pub(crate) struct Audit {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Lists the records, oldest first. Does not verify them.
    Ls {
        /// Only records after this one.
        #[arg(long, value_name = "N", default_value_t = 0)]
        after: u64,
        /// Prints one JSON object a line: sequence, at_ms, event (as it was signed), previous, digest, signature.
        #[arg(long)]
        json: bool,
    },
    /// Recomputes the chain; names the first record that does not hold, with exit code 1.
    Verify {
        /// Prints JSON: ok, records, head (sequence, digest), key; or ok, sequence and error.
        #[arg(long)]
        json: bool,
    },
}

/// One line of `plugwork audit ls --json`.
#[derive(Serialize)]
struct Line {
    sequence: u64,
    at_ms: u64,
    event: Value,
    previous: String,
    digest: String,
    signature: String,
}

/// Records read at once: a chain may be longer than memory.
const PAGE: u32 = 500;

impl Audit {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        host::io_runtime()?.block_on(async {
            let records = host::store(place).await?;
            match self.action {
                Action::Ls { mut after, json } => loop {
                    let page = records.read(after, PAGE).await?;
                    page.iter().try_for_each(|record| if json { tell_json(record) } else { tell(record) })?;
                    match page.last() {
                        Some(last) if page.len() == PAGE as usize => after = last.sequence,
                        _ => return Ok(()),
                    }
                },
                Action::Verify { json } => {
                    let verified = records.verify().await;
                    if json {
                        tell_verified_json(&verified, &records.public_key().to_string());
                    }
                    let verified = verified?;
                    if !json {
                        let head = verified.head.map_or("none".to_owned(), |head| head.digest.to_string());
                        let plural = if verified.records == 1 { "" } else { "s" };
                        print::data(format_args!("ok: {} record{plural}, head {head}", verified.records));
                    }
                    Ok(())
                }
            }
        })
    }
}

fn tell_verified_json(verified: &Result<plugwork_core::record::Verified, RecordsError>, key: &str) {
    print::json(&match verified {
        Ok(verified) => serde_json::json!({ "ok": true, "records": verified.records, "head": verified.head, "key": key }),
        Err(error) => {
            let sequence = if let RecordsError::Broken(broken) = error { Some(broken.sequence) } else { None };
            serde_json::json!({ "ok": false, "sequence": sequence, "error": error.to_string() })
        }
    });
}

fn tell_json(record: &Record) -> Result<(), Failure> {
    let event = serde_json::from_str(&record.body)
        .map_err(|error| Failure::failed(format_args!("record {} is not JSON: {error}\nhint: `plugwork audit verify`", record.sequence)))?;
    print::json_line(&Line {
        sequence: record.sequence,
        at_ms: record.at_ms,
        event,
        previous: record.previous.to_string(),
        digest: record.digest.to_string(),
        signature: record.signature.to_string(),
    });
    Ok(())
}

fn tell(record: &Record) -> Result<(), Failure> {
    let event = record.event().map_err(Failure::from)?;
    let said = |by: &str, reason: &str| format!("by {}{}{}", one_line(by), if reason.is_empty() { "" } else { ": " }, one_line(reason));
    let (what, detail) = match &event {
        Event::Granted(Consent { grants, approver, reason, .. }) => {
            let names: Vec<String> = grants.iter().map(|grant| grant.capability).collect();
            let names = if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
            ("granted", format!("{names} {}", said(approver, reason)))
        }
        Event::Declined { by, reason, .. } => ("declined", said(by, reason)),
        Event::Revoked { by, reason, .. } => ("revoked", said(by, reason)),
        Event::Removed { by, .. } => ("removed", said(by, "")),
        Event::Enabled { by, settings, .. } => {
            let critical = if settings.critical { ", critical" } else { "" };
            let configured = if settings.configuration.is_empty() { "" } else { ", configured" };
            ("enabled", format!("weight {}{critical}{configured} {}", settings.weight, said(by, "")))
        }
        Event::Disabled { by, reason, .. } => ("disabled", said(by, reason)),
        Event::Replaced { from, by, .. } => ("replaced", format!("sha256:{} {}", from.short(), said(by, ""))),
        Event::RolledBack { from, why, .. } => ("back", format!("from sha256:{}: {}", from.short(), one_line(why))),
        Event::Faulted { code, message, count, .. } => ("faulted", format!("{code} ({count}): {}", one_line(message))),
        Event::Refused { code, message, count, .. } => ("refused", format!("{code} ({count}): {}", one_line(message))),
    };
    let subject = event.subject();
    print::data(format_args!(
        "{:>6}  {}  {what:<8}  {subject} sha256:{}  {detail}",
        record.sequence,
        instant(record.at_ms),
        subject.digest.short()
    ));
    Ok(())
}
