//! `plugwork token`: tokens for the operators of a running server.
//!
//! Easy to get wrong: the secret is told once. It goes to stdout alone, or into a file that only its owner reads; never into a log.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use plugwork_core::authorize::{Action, TokenId};
use plugwork_edge::admin::words::{IssueWords, IssuedWords, TokenWords};

use super::words::{ago, instant};
use crate::consent::given::duration_ms;
use crate::exit::Failure;
use crate::host::{self, Place};
use crate::installed::now_ms;
use crate::operator::reach::{Reach, label};
use crate::print;

/// Issues, lists and revokes the tokens of operators, on a server that runs.
///
/// A token is for some actions, for one application, one tenant or everything, and for some time. The server keeps only a hash of its secret. By
/// the socket of the state folder no token is needed.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork token issue deployments:read deployments:write -o ci.token
  plugwork token issue logs:read --application shop --lifetime 12h
  plugwork token list
  plugwork token revoke 0123456789abcdef")]
pub(crate) struct TokenVerb {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Makes a token, for no more than whoever issues it may do. Its secret is printed once.
    Issue(Issue),
    /// Lists tokens, never their secrets.
    List {
        #[command(flatten)]
        reach: Reach,
        /// Prints JSON instead of a table.
        #[arg(long)]
        json: bool,
    },
    /// Takes a token back, for ever, with all that were issued with it.
    Revoke {
        /// Its id, as `plugwork token list` shows it.
        #[arg(value_name = "ID", value_parser = token_id)]
        id: TokenId,
        #[command(flatten)]
        reach: Reach,
        /// Prints the token as JSON.
        #[arg(long)]
        json: bool,
    },
}

#[derive(clap::Args)]
struct Issue {
    /// What it may do: `deployments:read`, `deployments:write`, `logs:read`, `usage:read`, `tokens:read`, `tokens:write`, `server:read`,
    /// `server:write`.
    #[arg(value_name = "ACTION", required = true)]
    actions: Vec<Action>,
    /// For this application only.
    #[arg(long, value_name = "NAME", value_parser = label)]
    application: Option<String>,
    /// For every tenant and for the server itself; `server:read` and `server:write` need it.
    #[arg(long, conflicts_with_all = ["application", "tenant"])]
    everywhere: bool,
    /// How long it lives, at most `366d`.
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = duration_ms)]
    lifetime: u64,
    /// What for.
    #[arg(long, value_name = "TEXT", default_value = "")]
    note: String,
    /// Writes the secret into a new file that only its owner reads.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    reach: Reach,
    /// Prints JSON: token (id, tenant, application, actions, …) and secret.
    #[arg(long, conflicts_with = "output")]
    json: bool,
}

impl TokenVerb {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        host::io_runtime()?.block_on(async {
            match self.what {
                What::Issue(issue) => issue.run(place).await,
                What::List { reach, json } => {
                    let all: Vec<TokenWords> = reach.client(place)?.all(&format!("/v1/tokens{}", reach.query())).await?;
                    if json {
                        print::json(&all)
                    } else {
                        tell(&all)
                    }
                    Ok(())
                }
                What::Revoke { id, reach, json } => {
                    let revoked: TokenWords = reach.client(place)?.delete(&format!("/v1/tokens/{id}{}", reach.query())).await?;
                    if json {
                        print::json(&revoked);
                    } else {
                        print::narrate(format_args!("the token `{id}` opens nothing any more, nor does any that was issued with it"));
                    }
                    Ok(())
                }
            }
        })
    }
}

impl Issue {
    async fn run(self, place: &Place) -> Result<(), Failure> {
        let Self { actions, application, everywhere, lifetime, note, output, reach, json } = self;
        let client = reach.client(place)?;
        // Before there is a token: one whose secret cannot be written down would be lost.
        let file = output.as_deref().map(create).transpose()?;
        let tenant = reach.tenant;
        let actions = actions.into_iter().collect();
        let wish = IssueWords { actions, tenant, application, everywhere, lifetime_seconds: lifetime / 1_000, note };
        let issued: Result<IssuedWords, Failure> = client.post("/v1/tokens", &wish).await;
        let issued = match (issued, &output) {
            (Ok(issued), _) => issued,
            (Err(failure), Some(output)) => {
                // Made a moment ago, and empty.
                let _ = std::fs::remove_file(output);
                return Err(failure);
            }
            (Err(failure), None) => return Err(failure),
        };
        if json {
            print::json(&issued);
            return Ok(());
        }
        let IssuedWords { token, secret } = &issued;
        match (file, &output) {
            (Some(mut file), Some(output)) => {
                let written = file.write_all(format!("{secret}\n").as_bytes()).and_then(|()| file.sync_all());
                written.map_err(|error| Failure::from(error).while_doing(format_args!("cannot write `{}`", output.display())))?;
            }
            _ => print::data(secret),
        }
        print::narrate(format_args!(
            "the token `{}` for {} expires at {}; its secret is told once",
            token.id,
            whom(token),
            instant(token.expires_ms)
        ));
        Ok(())
    }
}

fn token_id(text: &str) -> Result<TokenId, String> {
    text.parse().map_err(|issue: plugwork_core::Issue| format!("expected {}", issue.expected))
}

fn create(output: &Path) -> Result<std::fs::File, Failure> {
    let created = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(output);
    created.map_err(|error| Failure::from(error).while_doing(format_args!("cannot create `{}`", output.display())))
}

fn whom(token: &TokenWords) -> String {
    match (token.tenant.as_deref(), token.application.as_deref()) {
        (None, _) => "everything".to_owned(),
        (Some("default"), None) => "all applications".to_owned(),
        (Some(tenant), None) => format!("all applications of `{tenant}`"),
        (Some("default"), Some(application)) => format!("`{application}`"),
        (Some(tenant), Some(application)) => format!("`{tenant}/{application}`"),
    }
}

fn tell(all: &[TokenWords]) {
    if all.is_empty() {
        return print::narrate("there is no token\nhint: `plugwork token issue ACTION…`");
    }
    let now_ms = now_ms();
    let row = |token: &TokenWords| {
        let state = match &token.revoked {
            Some(revoked) => format!("revoked by {}", revoked.by),
            None if now_ms >= token.expires_ms => "expired".to_owned(),
            None => format!("until {}", instant(token.expires_ms)),
        };
        let issued = ago(now_ms.saturating_sub(token.created_ms));
        vec![token.id.clone(), whom(token), token.actions.join(" "), state, issued, token.created_by.clone(), token.note.clone()]
    };
    let rows: Vec<Vec<String>> = all.iter().map(row).collect();
    print::table(&["id", "for", "actions", "state", "issued", "by", "note"], &rows);
}
