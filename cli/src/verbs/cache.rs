//! `plugwork cache`: what is kept of compiled plugins, and its removal. Everything in it can be made again.
//!
//! What an entry says about itself is shown and not verified: that happens when it is loaded.

use std::time::{SystemTime, UNIX_EPOCH};

use plugwork::cache::Disk;
use serde::Serialize;

use super::words::{count, size};
use crate::exit::Failure;
use crate::host::Place;
use crate::print;

/// Shows or clears what is kept of compiled plugins.
///
/// A plugin is compiled once; later commands load the result, which is a thousand times faster. Removing it costs the next run a compile,
/// nothing else.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork cache ls
  plugwork cache clear --state /tmp/state")]
pub(crate) struct CacheVerb {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand)]
enum Action {
    /// Lists the entries: for each component a few facts about it, and its code or that it could not be compiled (a refusal).
    Ls {
        /// Prints JSON instead of a table: folder, bytes, entries (name, kind, digest, profile, bytes, modified_seconds since 1970).
        #[arg(long)]
        json: bool,
    },
    /// Removes every entry.
    Clear {
        /// Prints what was removed as JSON: folder, entries, bytes.
        #[arg(long)]
        json: bool,
    },
}

/// The JSON of `plugwork cache ls --json`.
#[derive(Serialize)]
struct Contents {
    folder: String,
    bytes: u64,
    entries: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    /// `code`, `facts`, `refusal`, or `unknown` for a file that is no entry.
    kind: String,
    digest: Option<String>,
    /// Of code and refusals only.
    profile: Option<String>,
    bytes: u64,
    modified_seconds: Option<u64>,
}

impl CacheVerb {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        let disk = Disk::open(&place.state()?)?;
        match self.action {
            Action::Clear { json } => {
                let (entries, bytes) = disk.clear()?;
                if json {
                    print::json(&serde_json::json!({ "folder": disk.folder().display().to_string(), "entries": entries, "bytes": bytes }));
                }
                print::narrate(format_args!("removed {}, {}, from `{}`", entries_in_words(entries), size(bytes), disk.folder().display()));
            }
            Action::Ls { json } => {
                let entries: Vec<Entry> =
                    disk.list()?.into_iter().map(|file| Entry::of(file.name, &file.header, file.bytes, file.modified)).collect();
                let contents =
                    Contents { folder: disk.folder().display().to_string(), bytes: entries.iter().map(|entry| entry.bytes).sum(), entries };
                if json { print::json(&contents) } else { tell(&contents) }
            }
        }
        Ok(())
    }
}

fn tell(contents: &Contents) {
    let row = |entry: &Entry| {
        let digest =
            entry.digest.as_deref().map_or_else(|| entry.name.clone(), |digest| digest.chars().take("sha256:".len() + 12).collect());
        let profile = entry.profile.clone().unwrap_or_default();
        vec![digest, entry.kind.clone(), profile, size(entry.bytes), age(entry.modified_seconds)]
    };
    if !contents.entries.is_empty() {
        print::table(&["component", "kept", "profile", "size", "written"], &contents.entries.iter().map(row).collect::<Vec<_>>());
    }
    print::narrate(format_args!("{}, {}, in `{}`", entries_in_words(contents.entries.len()), size(contents.bytes), contents.folder));
}

fn entries_in_words(number: usize) -> String {
    if number == 1 { "1 entry".to_owned() } else { count(number, "entrie") }
}

fn age(modified_seconds: Option<u64>) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let Some(seconds) = modified_seconds.map(|then| now.saturating_sub(then)) else { return "unknown".to_owned() };
    match seconds {
        0..60 => "just now".to_owned(),
        60..3_600 => format!("{} min ago", seconds / 60),
        3_600..86_400 => format!("{} h ago", seconds / 3_600),
        _ => format!("{} ago", count(usize::try_from(seconds / 86_400).unwrap_or(usize::MAX), "day")),
    }
}

impl Entry {
    /// Takes the header apart: `code sha256:… hardened engine:… plugwork:…`, the same with `refusal`, or `facts sha256:… plugwork:…`.
    fn of(name: String, header: &str, bytes: u64, modified: Option<SystemTime>) -> Self {
        let words: Vec<&str> = header.split(' ').collect();
        let (kind, digest, profile) = match words.as_slice() {
            [kind @ ("code" | "refusal"), digest, profile, ..] => (*kind, Some(*digest), Some(*profile)),
            ["facts", digest, ..] => ("facts", Some(*digest), None),
            _ => ("unknown", None, None),
        };
        Self {
            name,
            kind: kind.to_owned(),
            digest: digest.map(str::to_owned),
            profile: profile.map(str::to_owned),
            bytes,
            modified_seconds: modified.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map(|since| since.as_secs()),
        }
    }
}
