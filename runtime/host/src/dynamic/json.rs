//! JSON ⇄ component values.
//!
//! Records are objects, lists and tuples arrays, options `null` or the value (an option in an option: `{"some": …}`), enums text, flags
//! arrays of text, variants text or an object with one key, results `{"ok": …}` or `{"err": …}`. 64 bit integers may be text, because JSON
//! numbers are not exact in every reader. NaN and infinities are the texts `nan`, `inf`, `-inf`. Handles have no JSON form.

use plugwork_core::Issue;
use serde_json::{Map, Number, Value};
use wasmtime::component::{Type, Val};

use super::type_name;

/// A JSON value as a component value of a type. The issue's place is a JSON pointer.
pub fn from_json(ty: &Type, value: &Value) -> Result<Val, Issue> {
    read(ty, value, &mut String::new())
}

fn read(ty: &Type, value: &Value, at: &mut String) -> Result<Val, Issue> {
    let wrong = |at: &str| Issue { what: short(value), at: at.to_owned(), expected: type_name(ty) };
    macro_rules! integer {
        ($case:ident, $number:ty) => {{
            let exact = match value {
                Value::Number(number) => number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from)),
                Value::String(text) => text.parse().ok(),
                _ => None,
            };
            exact.and_then(|exact| <$number>::try_from(exact).ok()).map(Val::$case).ok_or_else(|| wrong(at))
        }};
    }
    match ty {
        Type::Bool => value.as_bool().map(Val::Bool).ok_or_else(|| wrong(at)),
        Type::S8 => integer!(S8, i8),
        Type::U8 => integer!(U8, u8),
        Type::S16 => integer!(S16, i16),
        Type::U16 => integer!(U16, u16),
        Type::S32 => integer!(S32, i32),
        Type::U32 => integer!(U32, u32),
        Type::S64 => integer!(S64, i64),
        Type::U64 => integer!(U64, u64),
        Type::Float64 => float(value).map(Val::Float64).ok_or_else(|| wrong(at)),
        #[expect(clippy::cast_possible_truncation, reason = "rounding to the nearest f32 is what a caller of an f32 asks for")]
        Type::Float32 => float(value).map(|number| Val::Float32(number as f32)).ok_or_else(|| wrong(at)),
        Type::Char => match value.as_str().map(|text| (text.chars().next(), text.chars().count())) {
            Some((Some(character), 1)) => Ok(Val::Char(character)),
            _ => Err(wrong(at)),
        },
        Type::String => value.as_str().map(|text| Val::String(text.to_owned())).ok_or_else(|| wrong(at)),
        Type::List(list) => {
            let items = value.as_array().ok_or_else(|| wrong(at))?;
            let ty = list.ty();
            items.iter().enumerate().map(|(index, item)| below(&ty, item, at, &index.to_string())).collect::<Result<_, _>>().map(Val::List)
        }
        Type::Tuple(tuple) => {
            let items = value.as_array().filter(|items| items.len() == tuple.types().len()).ok_or_else(|| wrong(at))?;
            let values = tuple.types().zip(items).enumerate().map(|(index, (ty, item))| below(&ty, item, at, &index.to_string()));
            values.collect::<Result<_, _>>().map(Val::Tuple)
        }
        Type::Record(record) => {
            let fields = value.as_object().ok_or_else(|| wrong(at))?;
            if let Some(extra) = fields.keys().find(|key| record.fields().all(|field| field.name != key.as_str())) {
                return Err(Issue { what: format!("unknown field `{extra}`"), at: at.clone(), expected: type_name(ty) });
            }
            let values = record.fields().map(|field| {
                let missing = matches!(field.ty, Type::Option(_)).then_some(&Value::Null);
                let item = fields.get(field.name).or(missing).ok_or_else(|| Issue {
                    what: format!("field `{}` is missing", field.name),
                    at: at.clone(),
                    expected: type_name(ty),
                })?;
                Ok((field.name.to_owned(), below(&field.ty, item, at, field.name)?))
            });
            values.collect::<Result<_, _>>().map(Val::Record)
        }
        Type::Option(option) => match value {
            Value::Null => Ok(Val::Option(None)),
            // Without its name `some(none)` would be read as `none`.
            Value::Object(fields) if matches!(option.ty(), Type::Option(_)) => match fields.get("some") {
                Some(value) if fields.len() == 1 => below(&option.ty(), value, at, "some").map(|value| Val::Option(Some(Box::new(value)))),
                _ => Err(wrong(at)),
            },
            _ if matches!(option.ty(), Type::Option(_)) => Err(wrong(at)),
            value => read(&option.ty(), value, at).map(|value| Val::Option(Some(Box::new(value)))),
        },
        Type::Enum(cases) => {
            let case = value.as_str().filter(|text| cases.names().any(|name| name == *text)).ok_or_else(|| wrong(at))?;
            Ok(Val::Enum(case.to_owned()))
        }
        Type::Flags(flags) => {
            let set = value.as_array().ok_or_else(|| wrong(at))?;
            let known = |item: &Value| item.as_str().filter(|text| flags.names().any(|name| name == *text)).map(str::to_owned);
            set.iter().map(|item| known(item).ok_or_else(|| wrong(at))).collect::<Result<_, _>>().map(Val::Flags)
        }
        Type::Variant(variant) => {
            let (name, payload) = case(value).ok_or_else(|| wrong(at))?;
            let case = variant.cases().find(|case| case.name == name).ok_or_else(|| wrong(at))?;
            let payload = match (case.ty, payload) {
                (Some(ty), Some(payload)) => Some(Box::new(below(&ty, payload, at, name)?)),
                (None, None | Some(Value::Null)) => None,
                _ => return Err(wrong(at)),
            };
            Ok(Val::Variant(name.to_owned(), payload))
        }
        Type::Result(result) => {
            let (name, payload) = case(value).ok_or_else(|| wrong(at))?;
            let read = |ty: Option<Type>, at: &mut String| match (ty, payload) {
                (Some(ty), Some(payload)) => below(&ty, payload, at, name).map(|value| Some(Box::new(value))),
                (None, None | Some(Value::Null)) => Ok(None),
                _ => Err(wrong(at)),
            };
            match name {
                "ok" => Ok(Val::Result(Ok(read(result.ok(), at)?))),
                "err" => Ok(Val::Result(Err(read(result.err(), at)?))),
                _ => Err(wrong(at)),
            }
        }
        _ => Err(Issue { what: "a value of this type cannot be given from outside".to_owned(), at: at.clone(), expected: String::new() }),
    }
}

/// Reads a part, with its place one step longer.
fn below(ty: &Type, value: &Value, at: &mut String, step: &str) -> Result<Val, Issue> {
    let before = at.len();
    at.push('/');
    at.push_str(step);
    let read = read(ty, value, at);
    at.truncate(before);
    read
}

fn case(value: &Value) -> Option<(&str, Option<&Value>)> {
    match value {
        Value::String(name) => Some((name, None)),
        Value::Object(fields) if fields.len() == 1 => fields.iter().next().map(|(name, payload)| (name.as_str(), Some(payload))),
        _ => None,
    }
}

fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "nan" => Some(f64::NAN),
            "inf" => Some(f64::INFINITY),
            "-inf" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A component value as JSON. 64 bit integers beyond 2^53 become text.
pub fn to_json(value: &Val) -> Result<Value, Issue> {
    const EXACT_MAX: u64 = 1 << 53;
    let payload = |payload: &Option<Box<Val>>| payload.as_deref().map_or(Ok(Value::Null), to_json);
    let one = |name: &str, value: Value| Value::Object(Map::from_iter([(name.to_owned(), value)]));
    let list = |values: &[Val]| values.iter().map(to_json).collect::<Result<_, _>>().map(Value::Array);
    Ok(match value {
        Val::Bool(value) => Value::Bool(*value),
        Val::S8(value) => (*value).into(),
        Val::U8(value) => (*value).into(),
        Val::S16(value) => (*value).into(),
        Val::U16(value) => (*value).into(),
        Val::S32(value) => (*value).into(),
        Val::U32(value) => (*value).into(),
        Val::S64(value) if value.unsigned_abs() <= EXACT_MAX => (*value).into(),
        Val::S64(value) => value.to_string().into(),
        Val::U64(value) if *value <= EXACT_MAX => (*value).into(),
        Val::U64(value) => value.to_string().into(),
        Val::Float32(value) => from_float(f64::from(*value)),
        Val::Float64(value) => from_float(*value),
        Val::Char(value) => value.to_string().into(),
        Val::String(value) => value.as_str().into(),
        Val::List(values) | Val::Tuple(values) => list(values)?,
        Val::Record(fields) => {
            Value::Object(fields.iter().map(|(name, value)| Ok((name.clone(), to_json(value)?))).collect::<Result<_, Issue>>()?)
        }
        Val::Variant(name, None) | Val::Enum(name) => name.as_str().into(),
        Val::Variant(name, value) => one(name, payload(value)?),
        Val::Option(Some(value)) if matches!(**value, Val::Option(_)) => one("some", to_json(value)?),
        Val::Option(value) => payload(value)?,
        Val::Result(Ok(value)) => one("ok", payload(value)?),
        Val::Result(Err(value)) => one("err", payload(value)?),
        Val::Flags(names) => names.iter().map(|name| Value::from(name.as_str())).collect(),
        _ => return Err(Issue { what: "a handle has no JSON form".to_owned(), at: String::new(), expected: String::new() }),
    })
}

fn from_float(value: f64) -> Value {
    match Number::from_f64(value) {
        Some(number) => Value::Number(number),
        None if value.is_nan() => "nan".into(),
        None if value > 0.0 => "inf".into(),
        None => "-inf".into(),
    }
}
