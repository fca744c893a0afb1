//! `plugwork call`: one call of any exported function, by values instead of types, in an instance of its own.
//!
//! The value goes to stdout, the plugin's log and everything else to stderr. Easy to get wrong: a function that answers with an error
//! (`result` in its `err` case) has been called and has answered, and still the command fails, so that scripts may rely on it.

use std::path::Path;

use plugwork::core::{Grants, Refusal};
use plugwork::dynamic::{Argument, Function, Returned};
use plugwork::log::Level;
use plugwork::wasmtime::component::Val;
use plugwork::{ErrorKind, Limits, Plugin, Runtime, Subject};
use serde::Serialize;
use serde_json::Value;

use super::add::argument;
use super::component;
use super::target::Target;
use super::words::closest;
use crate::exit::Failure;
use crate::grants::GrantArguments;
use crate::host::{self, Place};
use crate::installed::Which;
use crate::print;

const SESSION: &str = "a resource lives in a session; `plugwork run` keeps one for each step of a pipeline";

/// `plugwork:plugin/refusal` and `plugwork:table/types`, as a type without names is written.
const NAMED: [(&str, &str); 2] = [
    (
        "variant { denied(record { code: string, permission: string, rule: string, hint: string }), \
         invalid(record { what: string, at: string, expected: string }), unavailable(string), \
         other(record { message: string, stack: string }) }",
        "refusal",
    ),
    (
        "record { rows: u32, columns: list<record { name: string, format: string, validity: option<list<u8>>, \
         offsets: option<list<u8>>, values: list<u8> }> }",
        "batch",
    ),
];

/// Calls one function of a component, any component, and prints what it returns.
///
/// Arguments are WAVE, the text form of component values: `42`, `"text"`, `[1, 2]`, `{body: "text", lines: 3}`, `some(1)`, `ok("text")`.
/// Quote them for your shell. With `--json-args` they are JSON. Without FUNCTION the functions are listed.
///
/// The plugin runs in an instance of its own: a file with the grants given and no others, a plugin that was added with those on record.
#[derive(clap::Args)]
#[command(after_long_help = "\
Examples:
  plugwork call shout.wasm --list
  plugwork call shout.wasm apply '{body: \"hello\", media-type: \"text/plain\"}'
  plugwork call acme:markdown render '\"# hello\"'

Exit code 1 when the function answers with an error or the plugin fails, 3 when
something was denied. A function that takes or returns a resource (a cursor, an
analysis) needs a session: that is what `plugwork run` is for.")]
pub(crate) struct Call {
    /// A `.wasm` file, or the name of a plugin that was added.
    #[arg(value_name = "PLUGIN")]
    plugin: String,
    /// `apply`, or with its interface where the name alone is not enough: `text-filter#apply`, `example:text/text-filter@0.1.0#apply`.
    function: Option<String>,
    /// One for each parameter. Put `--` before arguments that begin with `-`, unless they are numbers.
    #[arg(allow_negative_numbers = true)]
    args: Vec<String>,
    /// Lists the exported functions with their types, and calls none.
    #[arg(long, conflicts_with = "args")]
    list: bool,
    /// Reads the arguments as JSON instead of WAVE.
    #[arg(long)]
    json_args: bool,
    /// Prints the result (or the list) as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    grants: GrantArguments,
    #[command(flatten)]
    which: Which,
    /// How long the call may take. Milliseconds, 1 to 3600000.
    #[arg(long, value_name = "N", default_value_t = Limits::batch().deadline_ms, value_parser = clap::value_parser!(u64).range(1..=3_600_000))]
    deadline_ms: u64,
    /// How much memory the plugin may hold. Bytes, 65536 to 4294967296.
    #[arg(long, value_name = "N", default_value_t = Limits::batch().memory_bytes, value_parser = clap::value_parser!(u64).range(65_536..=4_294_967_296))]
    memory_bytes: u64,
}

/// One function in the JSON of `plugwork call --list --json`.
#[derive(Serialize)]
struct ListedFunction<'a> {
    /// Empty for a function of the world itself.
    interface: &'a str,
    name: &'a str,
    /// As WIT would write it.
    signature: String,
}

impl<'a> ListedFunction<'a> {
    fn of(function: &'a Function) -> Self {
        Self { interface: &function.interface, name: &function.name, signature: signature(function) }
    }
}

impl Call {
    pub(crate) fn run(self, place: &Place) -> Result<(), Failure> {
        let grants = self.grants.read()?;
        let arguments = read_arguments(&self.args, self.json_args)?;
        let limits = Limits { deadline_ms: self.deadline_ms, memory_bytes: self.memory_bytes, ..Limits::batch() };
        host::io_runtime()?.block_on(async {
            let store = host::store(place).await?;
            let target = Target::find(place, store.as_ref(), &self.plugin, &self.which).await?;
            target.may_be_called(store.as_ref()).await?;
            if target.is_installed() && self.grants.is_given() {
                let hint = format!("`plugwork add` it again to grant something else, or call the file itself: {}", target.path.display());
                return Err(Failure::usage(format_args!("`{}` runs with the grants on record\nhint: {hint}", self.plugin)));
            }
            let runtime = host::open(place, &store, Path::new("."), limits, log, Box::new(argument)).await?;
            let _serving = host::serve(place, &runtime, "call");
            let outcome = self.call(&runtime, &target, grants, &arguments).await;
            // What went wrong in it is on record before this ends.
            let closed = runtime.close().await;
            outcome.and(closed.map_err(Failure::from))
        })
    }

    async fn call(&self, runtime: &Runtime, target: &Target, grants: Grants, arguments: &[Argument]) -> Result<(), Failure> {
        let offer = target.offer(runtime).await?;
        let listing = self.list || self.function.is_none();
        let accepted = match target.is_installed() {
            true => offer.resume().await,
            // Whoever calls a file consents to this call, and to no later one.
            false => offer.unrecorded().accept_only(grants).await,
        };
        let plugin = match accepted {
            // Types are the engine's to tell, names the component's: without its grants a plugin is still listed by name.
            Err(error) if listing && error.kind() == ErrorKind::Refused => return self.tell_names(target, error),
            accepted => accepted?,
        };
        let name = match &self.function {
            Some(name) if !self.list => name,
            _ => return self.tell_functions(&plugin),
        };
        let function = callable(&plugin, name)?;
        let returned = plugin.call_dynamic(&function, arguments).await.map_err(explain)?;
        tell(&plugin, &function, &returned, self.json)
    }

    /// The functions by name only, of a plugin that cannot be linked with what was granted.
    fn tell_names(&self, target: &Target, error: plugwork::Error) -> Result<(), Failure> {
        let bytes = component::bytes(&target.path)?;
        let report = plugwork_component::read(&bytes).map_err(Failure::failed)?;
        let names = report.exports.iter().flat_map(|export| export.functions.iter().map(|name| (export.name.as_str(), name.as_str())));
        let listed: Vec<_> = names.map(|(interface, name)| ListedFunction { interface, name, signature: String::new() }).collect();
        if self.json {
            print::json(&listed);
        } else {
            listed.iter().for_each(|function| print::data(format_args!("{}#{}", function.interface, function.name)));
            print::narrate(format_args!("names only; for types of {} grant what it needs:\n{error}", target.source().digest().short()));
        }
        Ok(())
    }

    fn tell_functions(&self, plugin: &Plugin) -> Result<(), Failure> {
        let functions = plugin.functions();
        if self.json {
            print::json(&functions.iter().map(ListedFunction::of).collect::<Vec<_>>());
            return Ok(());
        }
        let mut interface = None;
        for function in &functions {
            if interface != Some(&function.interface) {
                interface = Some(&function.interface);
                print::data(if function.interface.is_empty() { "(the world itself)" } else { &function.interface });
            }
            print::data(format_args!("  {}", shorten(&signature(function))));
        }
        if functions.iter().any(|function| shorten(&signature(function)) != signature(function)) {
            print::narrate("`refusal` and `batch` are plugwork's own types; `--json` spells them out");
        }
        if functions.is_empty() {
            print::narrate(format_args!("`{}` exports no function", plugin.subject()));
        }
        Ok(())
    }
}

/// The arguments of a call as they were typed.
pub(super) fn read_arguments(texts: &[String], json: bool) -> Result<Vec<Argument>, Failure> {
    let read = |(index, text): (usize, &String)| match json {
        false => Ok(Argument::Wave(text.clone())),
        true => serde_json::from_str::<Value>(text).map(Argument::Json).map_err(|error| {
            Failure::usage(format_args!("argument {} is not JSON: {error}\nhint: text is written `'\"text\"'`", index + 1))
        }),
    };
    texts.iter().enumerate().map(read).collect()
}

/// The function of that name that a single call can make.
pub(super) fn callable(plugin: &Plugin, name: &str) -> Result<Function, Failure> {
    let function = find(plugin, name)?;
    if function.name.starts_with("[method]") {
        return Err(Failure::usage(format_args!(
            "`{}` is called on a resource, which a single call cannot have\nhint: {SESSION}",
            function.name
        )));
    }
    Ok(function)
}

/// Prints what a function answered. An answer that is an error or a refusal is a failure all the same.
fn tell(plugin: &Plugin, function: &Function, returned: &Returned, json: bool) -> Result<(), Failure> {
    let (value, text) = shown(plugin, function, returned)?;
    match text {
        _ if json => print::json(&value),
        Some(text) => print::data(text),
        None => {}
    }
    verdict(plugin, function, returned)
}

/// An answer as JSON, and as WAVE unless it is a refusal, which is told in words.
pub(super) fn shown(plugin: &Plugin, function: &Function, returned: &Returned) -> Result<(Value, Option<String>), Failure> {
    let unprintable = |_| {
        let message = format!("`{}` of `{}` answered with a resource, which has no text form", function.name, plugin.subject());
        Failure::failed(format_args!("{message}\nhint: {SESSION}"))
    };
    // Also where WAVE is wanted: its writer panics on a handle, this one refuses it.
    let value = returned.to_json().map_err(unprintable)?;
    let text = if returned.refusal().is_none() { Some(returned.to_wave().map_err(unprintable)?) } else { None };
    Ok((value, text))
}

/// Whether an answer is one that scripts may go on with.
pub(super) fn verdict(plugin: &Plugin, function: &Function, returned: &Returned) -> Result<(), Failure> {
    let subject = plugin.subject();
    match (returned.refusal(), &returned.value) {
        (Some(refusal @ Refusal::Denied(_)), _) => Err(Failure::refused(format_args!("`{subject}` refused: {refusal}"))),
        (Some(refusal @ Refusal::Unavailable { .. }), _) => Err(Failure::unreachable(format_args!("`{subject}` refused: {refusal}"))),
        (Some(refusal), _) => Err(Failure::failed(format_args!("`{subject}` refused: {refusal}"))),
        (None, Some(Val::Result(Err(_)))) => {
            Err(Failure::failed(format_args!("`{}` of `{subject}` answered with an error", function.name)))
        }
        _ => Ok(()),
    }
}

/// Everything behind the interface: the interface stands above it.
fn signature(function: &Function) -> String {
    let whole = function.to_string();
    let own = whole.strip_prefix(function.interface.as_str()).and_then(|rest| rest.strip_prefix('#'));
    own.unwrap_or(&whole).to_owned()
}

/// Plugwork's own types by name instead of spelled out: they stand in almost every function and would hide what differs.
fn shorten(text: &str) -> String {
    NAMED.iter().fold(text.to_owned(), |text, (spelled_out, name)| text.replace(spelled_out, name))
}

/// What the caller gave that does not fit, in short; anything else as it is.
pub(super) fn explain(error: plugwork::Error) -> Failure {
    match error.kind() {
        ErrorKind::Invalid => Failure::usage(shorten(&error.to_string())),
        _ => Failure::from(error),
    }
}

/// The function of that name; where there is none, with the name that was probably meant.
fn find(plugin: &Plugin, name: &str) -> Result<Function, Failure> {
    let error = match plugin.function(name) {
        Ok(function) => return Ok(function),
        Err(error) => error,
    };
    let wanted = name.rsplit('#').next().unwrap_or(name);
    let functions = plugin.functions();
    let names = functions.iter().map(|function| function.name.as_str());
    match closest(wanted, names) {
        Some(meant) if meant != wanted => Err(Failure::usage(format_args!("{}\nhint: was `{meant}` meant?", shorten(&error.to_string())))),
        _ => Err(Failure::usage(shorten(&error.to_string()))),
    }
}

/// A plugin's log goes to stderr, with whose it is in front of the first line and the others set in.
pub(super) fn log(subject: &Subject, level: Level, message: &str) {
    print::narrate(format_args!("{subject} {level}: {}", message.trim_end().replace('\n', "\n    ")));
}
