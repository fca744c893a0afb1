//! Steps become plugins: offered, accepted with the grants of the pipeline, and their options checked against what they say they take.
//!
//! All steps are tried and every complaint is told before anything flows.

use std::path::{Path, PathBuf};

use futures::future::join_all;
use plugwork::{Offer, Plugin, Runtime, Source};
use plugwork_core::Issue;
use plugwork_core::limits::OPTIONS_BYTES_MAX;
use plugwork_core::record::{ConsentKey, Records};
use plugwork_points::descriptor;
use serde_json::Value;

use super::calls::{self, Told};
use super::plan::{self, Step};
use super::schema;
use crate::exit::Failure;
use crate::grants;
use crate::life;

/// A step that may run.
pub(crate) struct Loaded {
    pub(crate) step: Step,
    pub(crate) plugin: Plugin,
    /// JSON text of an object.
    pub(crate) options: String,
    pub(crate) language: String,
    pub(crate) component_bytes: u64,
    /// The plugins that it calls, and how.
    pub(crate) calls: Told,
}

/// Loads every step of a pipeline whose file stands in `base`.
pub(crate) async fn load(runtime: &Runtime, records: &dyn Records, base: &Path, steps: Vec<Step>) -> Result<Vec<Loaded>, Failure> {
    let loading = steps.into_iter().map(|step| load_one(runtime, records, base, step));
    let mut loaded = Vec::new();
    let mut failures = Vec::new();
    // Together: components that the cache does not have compile side by side.
    for result in join_all(loading).await {
        match result {
            Ok(step) => loaded.push(step),
            Err(failure) => failures.push(failure),
        }
    }
    match failures.len() {
        0 => Ok(loaded),
        1 => Err(failures.remove(0)),
        _ => Err(Failure::worst(&failures)),
    }
}

async fn load_one(runtime: &Runtime, records: &dyn Records, base: &Path, step: Step) -> Result<Loaded, Failure> {
    let place = plan::place(step.kind, &step.raw);
    let path: PathBuf = base.join(&step.raw.plugin);
    if !path.is_file() {
        let hint =
            "paths are relative to the pipeline file; build a plugin with `plugwork build`, the example plugins with `cargo xtask guests`";
        return Err(Failure::not_found(format_args!("{place}: there is no component `{}`\nhint: {hint}", path.display())));
    }
    let wrong = |issues: Vec<Issue>| Failure::wrong(&place, &issues);
    let grants = grants::from_toml(&step.raw.grants).map_err(wrong)?;
    let bytes = std::fs::metadata(&path)?.len();
    let source = Source::file(&path).map_err(|error| Failure::from(error).while_doing(&place))?;
    let limits = step.raw.limits;
    limits.check().map_err(|mut issue| {
        issue.at = format!("limits.{}", issue.at);
        wrong(vec![issue])
    })?;
    let offer = runtime.offer(&source).await.map_err(|error| Failure::from(error).while_doing(&place))?;
    let offer = offer.instance(&step.raw.name).limits(limits);
    // Consent is the pipeline's to give, and what somebody disabled it does not run all the same: neither this step nor the plugin as such.
    let key = ConsentKey::from(offer.subject());
    for key in [ConsentKey { instance: String::new(), ..key.clone() }, key] {
        life::refuse_disabled(records, &key).await.map_err(|failure| failure.while_doing(&place))?;
    }
    let language = language(&offer);
    let wanted = step.kind.point();
    if !offer.points().any(|point| point.path() == wanted) {
        let points: Vec<_> = offer.points().map(|point| format!("`{point}`")).collect();
        return Err(Failure::usage(format_args!("{place}: `{}` is not a `{wanted}`; it exports {}", offer.subject(), points.join(", "))));
    }
    let (offer, calls) = calls::wired(runtime, base, &place, offer, limits, &step.raw.calls).await?;
    // The pipeline file is the consent, for this run and for no other.
    let plugin = offer.unrecorded().accept_only(grants).await.map_err(|error| Failure::from(error).while_doing(&place))?;
    let options = Value::Object(options(&step.raw.options).map_err(|issue| wrong(vec![issue]))?);
    check_options(&plugin, wanted, &options).await?.map_err(wrong)?;
    let options = options.to_string();
    if options.len() > OPTIONS_BYTES_MAX {
        return Err(Failure::usage(format_args!("{place}: its options have {} bytes; at most {OPTIONS_BYTES_MAX}", options.len())));
    }
    Ok(Loaded { step, plugin, options, language, component_bytes: bytes, calls })
}

/// The language that the manifest names, for people: a claim.
fn language(offer: &Offer) -> String {
    offer.manifest().and_then(|manifest| manifest.build.as_ref()).map_or_else(String::new, |build| build.language.to_string())
}

fn options(table: &toml::Table) -> Result<serde_json::Map<String, Value>, Issue> {
    match serde_json::to_value(table) {
        Ok(Value::Object(options)) => Ok(options),
        Ok(_) | Err(_) => Err(Issue {
            what: "cannot be written as JSON".to_owned(),
            at: "options".to_owned(),
            expected: "text, numbers, booleans, arrays and tables".to_owned(),
        }),
    }
}

/// Checks the options against the JSON Schema of the plugin's descriptor: every violation with its path.
async fn check_options(plugin: &Plugin, point: &str, options: &Value) -> Result<Result<(), Vec<Issue>>, Failure> {
    let descriptor = descriptor(plugin).await?;
    let Some(stated) = descriptor.points.get(point).and_then(|point| point.options.as_ref()) else { return Ok(Ok(())) };
    let validator = schema::validator(stated).map_err(|error| {
        Failure::failed(format_args!("plugin `{}` has a schema for its options that is not one: {error}", plugin.subject()))
    })?;
    let issues: Vec<Issue> = validator
        .iter_errors(options)
        .take(schema::ISSUES_MAX)
        .map(|error| Issue { what: error.to_string(), at: format!("options{}", error.instance_path()), expected: names(stated, &error) })
        .collect();
    Ok(if issues.is_empty() { Ok(()) } else { Err(issues) })
}

/// The names that would have been right, where a name was wrong: those that the schema gives at the place of the error.
fn names(schema: &Value, error: &jsonschema::ValidationError<'_>) -> String {
    use jsonschema::error::ValidationErrorKind::{AdditionalProperties, Required, UnevaluatedProperties};
    if !matches!(error.kind(), AdditionalProperties { .. } | UnevaluatedProperties { .. } | Required { .. }) {
        return String::new();
    }
    // The keyword stands beside the `properties` that it is about.
    let keyword = error.schema_path().to_string();
    let beside = keyword.rsplit_once('/').map_or("", |(beside, _)| beside);
    let properties = schema.pointer(beside).and_then(|schema| schema.get("properties")).and_then(Value::as_object);
    let names: Vec<_> = properties.into_iter().flat_map(|properties| properties.keys()).map(|name| format!("`{name}`")).collect();
    if names.is_empty() { String::new() } else { format!("one of {}", names.join(", ")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn a_name_that_a_schema_does_not_know_is_told_with_those_it_does() {
        let inner = json!({ "type": "object", "properties": { "c": {}, "d": {} }, "required": ["d"], "additionalProperties": false });
        let schema = json!({ "type": "object", "properties": { "a": {}, "b": inner }, "additionalProperties": false });
        let validator = jsonschema::validator_for(&schema).unwrap();
        let said = |options: serde_json::Value| -> Vec<String> {
            validator.iter_errors(&options).map(|error| super::names(&schema, &error)).collect()
        };
        assert_eq!(said(json!({ "x": 1 })), ["one of `a`, `b`"]);
        assert_eq!(said(json!({ "b": { "d": 1, "e": 2 } })), ["one of `c`, `d`"]);
        assert_eq!(said(json!({ "b": {} })), ["one of `c`, `d`"]);
        assert_eq!(said(json!({ "b": 1 }))[0], "");
    }
}
