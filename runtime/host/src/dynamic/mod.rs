//! Calling any function of any WIT, by values instead of types: for a command line, a console, a test.
//!
//! Arguments are WAVE text (`{body: "hello", media-type: "text/plain"}`) or JSON. A byte list costs 24 bytes of memory a byte this way: for
//! data use a typed [`crate::Point`].

mod json;
mod name;

use std::fmt;

use plugwork_core::{Issue, Refusal};
use serde_json::Value;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{ComponentExportIndex, Type, Val};

use crate::error::{Error, ErrorKind, Result};
use crate::generation::Entered;
use crate::guards::Asked;
use crate::ledger::Spend;
use crate::live::Live;
use crate::plugin::Plugin;
use crate::threads::GuestThreads;

pub use json::{from_json, to_json};
pub use name::type_name;

/// Bytes of one argument's text.
const ARGUMENT_BYTES_MAX: usize = 8 << 20;

/// One exported function.
#[derive(Clone)]
pub struct Function {
    /// The interface that exports it; empty for a function of the world itself.
    pub interface: String,
    /// Its name in WIT, such as `apply` or `[method]cursor.next`.
    pub name: String,
    params: Vec<(String, Type)>,
    result: Option<Type>,
    index: ComponentExportIndex,
}

/// One argument, not yet of a type.
#[derive(Debug, Clone)]
pub enum Argument {
    /// WAVE text.
    Wave(String),
    /// JSON.
    Json(Value),
}

/// What a call gave.
#[derive(Debug)]
pub struct Returned {
    /// The value; none for a function without result.
    pub value: Option<Val>,
    /// What the instance used.
    pub spend: Spend,
}

impl fmt::Display for Function {
    /// As WIT would write it, with the types spelled out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.interface.is_empty() {
            write!(f, "{}#", self.interface)?;
        }
        write!(f, "{}: func(", self.name)?;
        for (index, (name, ty)) in self.params.iter().enumerate() {
            write!(f, "{}{name}: {}", if index > 0 { ", " } else { "" }, type_name(ty))?;
        }
        f.write_str(")")?;
        self.result.as_ref().map_or(Ok(()), |ty| write!(f, " -> {}", type_name(ty)))
    }
}

impl Returned {
    /// The value as WAVE text, `()` where there is none.
    pub fn to_wave(&self) -> Result<String> {
        let Some(value) = &self.value else { return Ok("()".to_owned()) };
        // The WAVE writer panics at a handle; what has a JSON form has none.
        to_json(value).map_err(|issue| Error::from_issue("the result cannot be written as WAVE:", issue))?;
        value.to_wave().map_err(|error| Error::new(ErrorKind::Invalid, format!("the result cannot be written as WAVE: {error:#}")))
    }

    /// The value as JSON, `null` where there is none.
    pub fn to_json(&self) -> Result<Value> {
        let Some(value) = &self.value else { return Ok(Value::Null) };
        to_json(value).map_err(|issue| Error::from_issue("the result cannot be written as JSON:", issue))
    }

    /// Plugwork's refusal, where the function answered with one: `result<_, refusal>`.
    pub fn refusal(&self) -> Option<Refusal> {
        match &self.value {
            Some(Val::Result(Err(Some(error)))) => refusal(error),
            _ => None,
        }
    }
}

impl Plugin {
    /// Every function it exports, in the component's order.
    pub fn functions(&self) -> Vec<Function> {
        let component = &self.generation().component;
        let engine = component.engine();
        let mut functions = Vec::new();
        for (export, item) in component.component_type().exports(engine) {
            match item.ty {
                ComponentItem::ComponentInstance(instance) => {
                    let Some(parent) = component.get_export_index(None, export) else { continue };
                    for (name, item) in instance.exports(engine) {
                        if let (ComponentItem::ComponentFunc(ty), Some(index)) = (&item.ty, component.get_export_index(Some(&parent), name))
                        {
                            functions.push(function(export, name, ty, index));
                        }
                    }
                }
                ComponentItem::ComponentFunc(ty) => {
                    if let Some(index) = component.get_export_index(None, export) {
                        functions.push(function("", export, &ty, index));
                    }
                }
                _ => {}
            }
        }
        functions
    }

    /// Finds a function by name: `apply`, `text-filter#apply`, or with the whole interface, with or without version.
    pub fn function(&self, name: &str) -> Result<Function> {
        let (interface, wanted) = name.rsplit_once('#').unwrap_or(("", name));
        let mut functions = self.functions();
        functions.retain(|function| function.name == wanted && names(&function.interface, interface));
        let list = |functions: &[Function]| functions.iter().map(|function| format!("\n  {function}")).collect::<String>();
        match functions.len() {
            1 => Ok(functions.remove(0)),
            0 => Err(Error::new(
                ErrorKind::Invalid,
                format!("`{}` exports no function `{name}`; it exports:{}", self.subject(), list(&self.functions())),
            )),
            _ => Err(Error::new(ErrorKind::Invalid, format!("`{name}` could be any of these, name its interface:{}", list(&functions)))),
        }
    }

    /// Calls a function in an instance of its own.
    pub async fn call_dynamic(&self, function: &Function, arguments: &[Argument]) -> Result<Returned> {
        let (entered, function, arguments) = (self.enter()?, function.clone(), arguments.to_vec());
        let call = async move {
            entered.is_allowed(&function.interface, Some(&function.name), &None).await?;
            call_entered(&entered, &function, &arguments, &None).await
        };
        self.generation().on_guest_thread(Box::pin(call)).await
    }
}

/// The same, where the call has begun already and the guards were asked.
pub(crate) async fn call_entered(entered: &Entered, function: &Function, arguments: &[Argument], asked: &Asked) -> Result<Returned> {
    let values = function.values(arguments)?;
    let mut live = Live::start(entered, asked).await?;
    let instance = live.instance;
    let results = usize::from(function.result.is_some());
    let found = instance.get_func(live.store(), function.index);
    let found = found.ok_or_else(|| Error::new(ErrorKind::Invalid, format!("`{function}` is not of this plugin")))?;
    let call = (found, values);
    live.has_waited(GuestThreads::take_waited());
    let value = live
        .call(entered, &call, |(found, values), store| {
            Box::pin(async move {
                let mut returned = vec![Val::Bool(false); results];
                found.call_async(store, values, &mut returned).await?;
                Ok(returned.pop())
            })
        })
        .await?;
    Ok(Returned { value, spend: live.end(entered).await })
}

/// Whether `wanted` names the interface: all of it, without version, or its last part. Empty names any.
fn names(interface: &str, wanted: &str) -> bool {
    let path = interface.split('@').next().unwrap_or(interface);
    wanted.is_empty() || wanted == interface || wanted == path || path.rsplit('/').next() == Some(wanted)
}

fn function(interface: &str, name: &str, ty: &wasmtime::component::types::ComponentFunc, index: ComponentExportIndex) -> Function {
    Function {
        interface: interface.to_owned(),
        name: name.to_owned(),
        params: ty.params().map(|(name, ty)| (name.to_owned(), ty)).collect(),
        result: ty.results().next(),
        index,
    }
}

impl Function {
    /// The arguments as values of this function's types; all complaints at once.
    fn values(&self, arguments: &[Argument]) -> Result<Vec<Val>> {
        if arguments.len() != self.params.len() {
            let message = format!(
                "`{self}` takes {} argument{}, not {}",
                self.params.len(),
                if self.params.len() == 1 { "" } else { "s" },
                arguments.len()
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let mut values = Vec::new();
        let mut issues = Vec::new();
        for (argument, (name, ty)) in arguments.iter().zip(&self.params) {
            match argument.value(ty) {
                Ok(value) => values.push(value),
                Err(mut issue) => {
                    issue.at = format!("{name}{}", issue.at);
                    issues.push(issue);
                }
            }
        }
        if issues.is_empty() { Ok(values) } else { Err(Error::invalid(ErrorKind::Invalid, format!("cannot call `{self}`:"), issues)) }
    }
}

impl Argument {
    fn value(&self, ty: &Type) -> Result<Val, Issue> {
        if carries_handle(ty) {
            return Err(Issue {
                what: "a handle cannot be given from outside".to_owned(),
                at: String::new(),
                expected: "a function without resources among its arguments".to_owned(),
            });
        }
        match self {
            Self::Json(value) => from_json(ty, value),
            Self::Wave(text) if text.len() > ARGUMENT_BYTES_MAX => {
                Err(Issue { what: format!("{} bytes of text", text.len()), at: String::new(), expected: "at most 8388608".to_owned() })
            }
            Self::Wave(text) => Val::from_wave(ty, text).map_err(|error| Issue {
                what: format!("{error:#}"),
                at: String::new(),
                expected: format!("WAVE text of type {}", type_name(ty)),
            }),
        }
    }
}

/// Whether a value of this type holds a resource somewhere: the WAVE reader has no way to say so.
fn carries_handle(ty: &Type) -> bool {
    let optional = |ty: Option<Type>| ty.is_some_and(|ty| carries_handle(&ty));
    match ty {
        Type::Own(_) | Type::Borrow(_) => true,
        Type::List(list) => carries_handle(&list.ty()),
        Type::Option(option) => carries_handle(&option.ty()),
        Type::Result(result) => optional(result.ok()) || optional(result.err()),
        Type::Tuple(tuple) => tuple.types().any(|ty| carries_handle(&ty)),
        Type::Record(record) => record.fields().any(|field| carries_handle(&field.ty)),
        Type::Variant(variant) => variant.cases().any(|case| optional(case.ty)),
        _ => false,
    }
}

fn refusal(error: &Val) -> Option<Refusal> {
    let Val::Variant(case, payload) = error else { return None };
    let payload = to_json(payload.as_deref()?).ok()?;
    let parse = |payload| serde_json::from_value(payload).ok();
    match case.as_str() {
        "denied" => serde_json::from_value(payload).ok().map(Refusal::Denied),
        "invalid" => serde_json::from_value(payload).ok().map(Refusal::Invalid),
        "unavailable" => parse(payload).map(|reason| Refusal::Unavailable { reason }),
        "other" => serde_json::from_value(payload).ok().map(Refusal::Other),
        _ => None,
    }
}
