//! `plugwork components`: the components that a running server keeps, and removing those that nothing needs.
//!
//! Easy to get wrong: a deployment is kept for ever, so that one can go back to it, and with it its components. `--old` gives going back up.

use plugwork_core::Digest;
use plugwork_edge::admin::words::{ComponentWords, KeptComponentWords, NamingWords};

use super::words::{count, size};
use crate::exit::Failure;
use crate::host::{self, Place};
use crate::operator::reach::Reach;
use crate::print;

/// Lists and removes the components that a server keeps, on a server that runs.
///
/// Each tenant may keep so many bytes of them: `tenant-component-bytes-max` of the server's limits, where each counts as 256 KiB or more. What a
/// deployment names is kept, so that one can go back to it.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork components list
  plugwork components remove sha256:0123… --old
  plugwork components list --json --tenant acme

The JSON is a list: digest, bytes, named-by (application, deployments, latest,
needed).")]
pub(crate) struct Components {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Lists components, with the applications whose deployments name them.
    List {
        #[command(flatten)]
        reach: Reach,
        /// Prints JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Removes a component for ever. Refused (exit code 1) where a deployment names it.
    Remove {
        /// Its digest, as `plugwork components list` shows it.
        #[arg(value_name = "DIGEST", value_parser = digest)]
        digest: Digest,
        /// Also where deployments name it that are neither current nor share requests: going back to those takes uploading it again.
        #[arg(long)]
        old: bool,
        #[command(flatten)]
        reach: Reach,
        /// Prints what was removed as JSON: digest, bytes.
        #[arg(long)]
        json: bool,
    },
}

impl Components {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        host::io_runtime()?.block_on(async {
            match self.what {
                What::List { reach, json } => {
                    let all: Vec<KeptComponentWords> = reach.client(place)?.all(&format!("/v1/components{}", reach.query())).await?;
                    if json {
                        print::json(&all)
                    } else {
                        tell(&all)
                    }
                    Ok(())
                }
                What::Remove { digest, old, reach, json } => {
                    let query = reach.query();
                    let old = match (old, query.is_empty()) {
                        (false, _) => "",
                        (true, true) => "?old=true",
                        (true, false) => "&old=true",
                    };
                    let removed: ComponentWords = reach.client(place)?.delete(&format!("/v1/components/{digest}{query}{old}")).await?;
                    if json {
                        print::json(&removed);
                    } else {
                        print::narrate(format_args!("removed {} of `{digest}`", size(removed.bytes)));
                    }
                    Ok(())
                }
            }
        })
    }
}

fn digest(text: &str) -> Result<Digest, String> {
    text.parse().map_err(|_| "expected `sha256:` and 64 digits".to_owned())
}

fn tell(all: &[KeptComponentWords]) {
    if all.is_empty() {
        return print::narrate("there is no component\nhint: `plugwork deploy` gives them");
    }
    let naming = |naming: &NamingWords| {
        let needed = if naming.needed { "" } else { ", for going back only" };
        format!("{} ({}, the latest is {}{needed})", naming.application, count(naming.deployments as usize, "deployment"), naming.latest)
    };
    let row = |component: &KeptComponentWords| {
        let named_by: Vec<String> = component.named_by.iter().map(naming).collect();
        vec![component.digest.clone(), size(component.bytes), if named_by.is_empty() { "nothing".to_owned() } else { named_by.join("; ") }]
    };
    print::table(&["digest", "size", "named by"], &all.iter().map(row).collect::<Vec<_>>());
    let bytes = all.iter().map(|component| component.bytes).sum();
    print::narrate(format_args!("{}, {}", count(all.len(), "component"), size(bytes)));
}
