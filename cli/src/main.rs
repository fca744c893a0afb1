//! The `plugwork` command: one file per verb under `verbs/`. Data goes to stdout, narration to stderr; `print` is the only module that writes.

mod consent;
mod dependencies;
mod dev;
mod exit;
mod grants;
mod host;
mod installed;
mod life;
mod live;
mod operator;
mod packages;
mod pipeline;
mod print;
mod report;
mod serving;
mod verbs;

use clap::{Parser, Subcommand};

/// What one thread allocates another one frees, with every request.
#[global_allocator]
static MEMORY: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Run, build and inspect plugins that are WebAssembly components.
///
/// A plugin reaches only what it was granted: what was not granted is not linked.
#[derive(Parser)]
#[command(name = "plugwork", version, arg_required_else_help = true, after_help = exit::HELP)]
struct Arguments {
    /// Where plugins, records of consent and compiled code are kept. Default: $PLUGWORK_STATE, else $XDG_STATE_HOME/plugwork, else ~/.local/state/plugwork.
    #[arg(long, global = true, value_name = "FOLDER")]
    state: Option<std::path::PathBuf>,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    Add(verbs::add::Add),
    Update(verbs::update::Update),
    Remove(verbs::remove::Remove),
    Grants(verbs::grants::Grants),
    Revoke(verbs::revoke::Revoke),
    Audit(verbs::audit::Audit),
    Explain(verbs::explain::Explain),
    Enable(verbs::enable::Enable),
    Disable(verbs::disable::Disable),
    Ps(verbs::ps::Ps),
    Logs(verbs::logs::Logs),
    Top(verbs::top::Top),
    Inspect(verbs::inspect::Inspect),
    Resolve(verbs::resolve::Resolve),
    Tree(verbs::tree::Tree),
    Verify(verbs::verify::Verify),
    Why(verbs::why::Why),
    Check(verbs::check::Check),
    Build(verbs::build::Build),
    Dev(verbs::dev::Dev),
    Run(verbs::run::Run),
    Call(verbs::call::Call),
    Serve(verbs::serve::Serve),
    Usage(verbs::usage::Usage),
    State(verbs::state::State),
    Deploy(verbs::deploy::Deploy),
    Status(verbs::status::Status),
    Rollback(verbs::rollback::Rollback),
    Tail(verbs::tail::Tail),
    Token(verbs::token::TokenVerb),
    Components(verbs::components::Components),
    Cache(verbs::cache::CacheVerb),
}

fn main() -> std::process::ExitCode {
    // Before anything else: this program is its own compiler, in a child process that never gets past this line.
    plugwork::compile::child_main_if_asked();
    let arguments = Arguments::parse();
    let place = host::Place::new(arguments.state);
    let outcome = match arguments.verb {
        Verb::Add(verb) => verb.run(&place),
        Verb::Update(verb) => verb.run(&place),
        Verb::Remove(verb) => verb.run(&place),
        Verb::Grants(verb) => verb.run(&place),
        Verb::Revoke(verb) => verb.run(&place),
        Verb::Audit(verb) => verb.run(&place),
        Verb::Explain(verb) => verb.run(&place),
        Verb::Enable(verb) => verb.run(&place),
        Verb::Disable(verb) => verb.run(&place),
        Verb::Ps(verb) => verb.run(&place),
        Verb::Logs(verb) => verb.run(&place),
        Verb::Top(verb) => verb.run(&place),
        Verb::Inspect(verb) => verb.run(&place),
        Verb::Resolve(verb) => verb.run(&place),
        Verb::Tree(verb) => verb.run(&place),
        Verb::Verify(verb) => verb.run(&place),
        Verb::Why(verb) => verb.run(&place),
        Verb::Check(verb) => verb.run(),
        Verb::Build(verb) => verb.run(),
        Verb::Dev(verb) => verb.run(&place),
        Verb::Run(verb) => verb.run(&place),
        Verb::Call(verb) => verb.run(&place),
        Verb::Serve(verb) => verb.run(&place),
        Verb::Usage(verb) => verb.run(&place),
        Verb::State(verb) => verb.run(&place),
        Verb::Deploy(verb) => verb.run(&place),
        Verb::Status(verb) => verb.run(&place),
        Verb::Rollback(verb) => verb.run(&place),
        Verb::Tail(verb) => verb.run(&place),
        Verb::Token(verb) => verb.run(&place),
        Verb::Components(verb) => verb.run(&place),
        Verb::Cache(verb) => verb.run(&place),
    };
    match outcome {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => {
            print::failure(&failure);
            failure.code()
        }
    }
}
