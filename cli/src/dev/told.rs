//! What `plugwork dev` has to tell, as data and in words: one line of JSON each, or text for people.
//!
//! Answers of the plugin are data (stdout), everything else is narration (stderr); as JSON all of it is data. Easy to get wrong: files, causes and
//! answers are strangers' text, which `print` escapes.

use std::path::{Path, PathBuf};

use semver::Version;
use serde::Serialize;

use crate::exit::Failure;
use crate::print;
use crate::verbs::words::size;

/// Files that are named when something changed.
const FILES_NAMED_MAX: usize = 3;

/// Something that happened.
#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub(crate) enum Told {
    /// The folder is watched.
    Watching {
        /// Which.
        folder: PathBuf,
    },
    /// Files changed; a build follows.
    Changed {
        /// As seen from the folder.
        files: Vec<PathBuf>,
    },
    /// A build succeeded and gave what runs already.
    Unchanged {
        /// How long it took.
        build_ms: u64,
    },
    /// A build failed. What runs goes on.
    NotBuilt {
        /// In the tool's own words.
        error: String,
        /// What goes on; none before the first version runs.
        running: Option<u64>,
    },
    /// Another version takes the calls now.
    Swapped {
        /// Its number, from 1.
        generation: u64,
        /// What its manifest says; none for a component without one.
        version: Option<Version>,
        /// The component's digest.
        digest: String,
        /// How long building took.
        build_ms: u64,
        /// How long compiling, linking, checking and swapping took.
        swap_ms: u64,
        /// Memory that the version before handed over; none where it did not.
        handed_over_bytes: Option<usize>,
    },
    /// A version was built that asks for more than was granted, and nobody granted it. What runs goes on.
    Offered {
        /// What it asks for beyond.
        capabilities: Vec<String>,
        /// From what is granted to what it asks for, in lines.
        difference: String,
        /// The arguments that would allow it.
        allow: Vec<String>,
        /// What goes on.
        running: Option<u64>,
    },
    /// A version was built and does not run. What runs goes on.
    Refused {
        /// Why.
        error: String,
        /// What goes on; none before the first version runs.
        running: Option<u64>,
    },
    /// The call answered.
    Answered {
        /// Which version.
        generation: u64,
        /// The value.
        value: serde_json::Value,
    },
    /// The call failed, or its answer is a refusal or an error.
    Failed {
        /// Which version.
        generation: u64,
        /// Why.
        error: String,
        /// The answer, where there is one.
        value: Option<serde_json::Value>,
    },
    /// The host went back to the version before, by itself.
    RolledBack {
        /// What runs now.
        generation: u64,
        /// Its digest.
        digest: String,
        /// Why.
        why: String,
    },
}

impl Told {
    /// Tells it.
    pub(crate) fn tell(&self, json: bool) {
        if json {
            return print::json_line(self);
        }
        if let Some(text) = self.words() {
            print::narrate(text);
        }
    }

    /// In words; none for an answer, which is data.
    fn words(&self) -> Option<String> {
        Some(match self {
            Self::Watching { folder } => format!("watching `{}`; Ctrl-C ends", folder.display()),
            Self::Changed { files } => format!("\nchanged: {}", names(files)),
            Self::Unchanged { build_ms } => format!("unchanged: this is what runs already ({})", seconds(*build_ms)),
            Self::NotBuilt { error, running } | Self::Refused { error, running } => format!("error: {error}\n{}", goes_on(*running)),
            Self::Swapped { generation, version, digest, build_ms, swap_ms, handed_over_bytes } => {
                let version = version.as_ref().map(|version| format!("{version} ")).unwrap_or_default();
                let handed_over = handed_over_bytes.map(|bytes| format!(", {} handed over", size(bytes as u64))).unwrap_or_default();
                let built = seconds(*build_ms);
                format!("generation {generation} runs: {version}{}, built in {built}, swapped in {swap_ms} ms{handed_over}", short(digest))
            }
            Self::Offered { capabilities, difference, allow, running } => {
                let names: Vec<String> = capabilities.iter().map(|name| format!("`{name}`")).collect();
                let lines: String = difference.lines().map(|line| format!("\n  {}", line.trim())).collect();
                let hint = format!("hint: start again with {}", allow.join(" "));
                format!("the new version asks for more than was granted: {}{lines}\n{}\n{hint}", names.join(", "), goes_on(*running))
            }
            Self::Answered { .. } => return None,
            Self::Failed { error, .. } => format!("error: {error}"),
            Self::RolledBack { generation, digest, why } => {
                format!("{why}\ngeneration {generation} runs: {} again", short(digest))
            }
        })
    }
}

/// Why something was refused, as it is told.
pub(crate) fn refused(failure: &Failure, running: Option<u64>) -> Told {
    Told::Refused { error: failure.to_string(), running }
}

fn goes_on(running: Option<u64>) -> String {
    match running {
        Some(generation) => format!("generation {generation} keeps running"),
        None => "nothing runs yet; save a change to try again".to_owned(),
    }
}

fn short(digest: &str) -> String {
    let digest: String = digest.strip_prefix("sha256:").unwrap_or(digest).chars().take(12).collect();
    format!("sha256:{digest}…")
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}

fn names(files: &[PathBuf]) -> String {
    let named: Vec<String> = files.iter().take(FILES_NAMED_MAX).map(|path| shown(path)).collect();
    match files.len().saturating_sub(FILES_NAMED_MAX) {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}

fn shown(path: &Path) -> String {
    plugwork::log::escape_line(&path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named_up_to_three_and_on_one_line() {
        let files: Vec<PathBuf> = ["a", "b\nrolled back: no", "c", "d", "e"].iter().map(PathBuf::from).collect();
        let words = Told::Changed { files }.words().unwrap();
        assert_eq!(words, "\nchanged: a, b\\nrolled back: no, c and 2 more");
    }

    #[test]
    fn what_goes_on_is_said_where_something_does_not() {
        let told = |running| Told::NotBuilt { error: "no".to_owned(), running }.words().unwrap();
        assert_eq!(told(Some(3)), "error: no\ngeneration 3 keeps running");
        assert_eq!(told(None), "error: no\nnothing runs yet; save a change to try again");
    }

    #[test]
    fn a_swap_says_its_times() {
        let digest = "sha256:0123456789abcdef".to_owned();
        let told = Told::Swapped {
            generation: 2,
            version: Some(Version::new(1, 2, 3)),
            digest,
            build_ms: 1_250,
            swap_ms: 7,
            handed_over_bytes: Some(2_048),
        };
        assert_eq!(
            told.words().unwrap(),
            "generation 2 runs: 1.2.3 sha256:0123456789ab…, built in 1.2 s, swapped in 7 ms, 2.0 KiB handed over"
        );
        assert_eq!(serde_json::to_value(&told).unwrap()["event"], "swapped");
    }
}
