//! Grants as a person writes them: `--grant`, a file of grants, and a table of a pipeline. One syntax for all three: what stands behind
//! `grants.CAPABILITY =` in TOML, which is also how a denial prints the line that would have allowed it.
//!
//! Only the shape is checked here. Whether bounds make sense, and whether they narrow what the plugin asked for, is decided by
//! `plugwork_core::Grants::narrowing` and by the capability itself. Easy to get wrong: a grant without bounds is not a grant of everything,
//! it is exactly what the plugin's manifest asks for.

use std::fs;
use std::path::{Path, PathBuf};

use plugwork_core::limits::MANIFEST_BYTES_MAX;
use plugwork_core::name::is_label;
use plugwork_core::{Grants, Issue, Permission};
use serde_json::{Map, Value};

use crate::exit::Failure;

const EXAMPLE: &str = "`--grant 'http = { hosts = [\"api.example.com\"] }'`";

/// The arguments with which a command is told what to grant.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct GrantArguments {
    /// Grants one capability: `CAPABILITY` as the plugin asks for it, or with narrower bounds as a TOML inline table. Repeat for more.
    ///
    /// `--grant http`, `--grant 'http = { hosts = ["api.example.com"], methods = ["GET"] }'`, `--grant 'filesystem = { root = "./data" }'`.
    /// A relative root is taken from the current folder.
    #[arg(long, value_name = "GRANT")]
    grant: Vec<String>,
    /// Reads grants from a TOML file with one table `grants`, such as `grants.http = { hosts = ["api.example.com"] }`.
    #[arg(long, value_name = "FILE")]
    grants: Option<PathBuf>,
}

impl GrantArguments {
    /// Whether any of the two was used, be it to grant nothing.
    pub(crate) fn is_given(&self) -> bool {
        !self.grant.is_empty() || self.grants.is_some()
    }

    /// Everything that was granted, from the file and from the arguments. The same capability twice is an error: which one was meant?
    pub(crate) fn read(&self) -> Result<Grants, Failure> {
        let mut grants = match &self.grants {
            Some(path) => from_file(path)?,
            None => Grants::none(),
        };
        for text in &self.grant {
            let (capability, bounds) = from_argument(text)?;
            if grants.get(&capability).is_some() {
                return Err(Failure::usage(format_args!("`{capability}` is granted twice\nhint: put all its bounds into one grant")));
            }
            grants = grants.with(&capability, bounds);
        }
        Ok(grants)
    }
}

/// A table whose keys are capabilities and whose values are their bounds: `grants` in a pipeline or in a file. All complaints at once, each
/// with its place as it would stand in TOML.
pub(crate) fn from_toml(table: &toml::Table) -> Result<Grants, Vec<Issue>> {
    let mut grants = Grants::none();
    let mut issues = Vec::new();
    for (capability, bounds) in table {
        match bounds_of(capability, bounds) {
            Ok(bounds) => grants = grants.with(capability, bounds),
            Err(issue) => issues.push(issue),
        }
    }
    if issues.is_empty() { Ok(grants) } else { Err(issues) }
}

/// The argument that would grant a permission, quoted for a shell.
pub(crate) fn to_argument(permission: &Permission) -> String {
    let mut bounds = permission.bounds.clone();
    if permission.capability == "filesystem" {
        // A manifest cannot name a folder of the host, and a grant must. Which one is a person's choice: pasted as it is, it is refused.
        bounds.entry("root").or_insert_with(|| Value::from("FOLDER"));
    }
    let text =
        if bounds.is_empty() { permission.capability.clone() } else { format!("{} = {}", permission.capability, to_inline_table(&bounds)) };
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    if plain { format!("--grant {text}") } else { format!("--grant '{}'", text.replace('\'', r"'\''")) }
}

/// Bounds as TOML would write them behind `grants.CAPABILITY =`.
pub(crate) fn to_inline_table(bounds: &Map<String, Value>) -> String {
    to_toml(&Value::Object(bounds.clone()))
}

fn from_file(path: &Path) -> Result<Grants, Failure> {
    let shown = path.display();
    let doing = format!("cannot read grants from `{shown}`");
    let bytes = fs::metadata(path).map_err(|error| Failure::from(error).while_doing(&doing))?.len();
    if bytes > MANIFEST_BYTES_MAX as u64 {
        return Err(Failure::usage(format_args!("{doing}: it has {bytes} bytes, at most {MANIFEST_BYTES_MAX} are allowed")));
    }
    let text = fs::read_to_string(path).map_err(|error| Failure::from(error).while_doing(&doing))?;
    let table: toml::Table =
        toml::from_str(&text).map_err(|error| Failure::usage(format_args!("{doing}:\n{}", error.to_string().trim_end())))?;
    let stranger = table.keys().find(|key| *key != "grants");
    let (None, Some(toml::Value::Table(grants))) = (stranger, table.get("grants")) else {
        let what = stranger.map_or_else(|| "it has no table `grants`".to_owned(), |key| format!("unknown key `{key}`"));
        return Err(Failure::usage(format_args!("{doing}: {what}\nhint: write `grants.http = {{ hosts = [\"api.example.com\"] }}`")));
    };
    from_toml(grants).map_err(|issues| Failure::usage(format_args!("{doing}:{}", lines(&issues))))
}

/// `http`, `http = { … }`, or the same behind `grants.`, as a denial prints it.
fn from_argument(text: &str) -> Result<(String, Map<String, Value>), Failure> {
    let refused = |why: &str| Failure::usage(format_args!("`--grant {text}` is not a grant: {why}\nhint: write {EXAMPLE}"));
    let bare = text.trim();
    let bare = bare.strip_prefix("grants.").unwrap_or(bare);
    if is_label(bare) {
        return Ok((bare.to_owned(), Map::new()));
    }
    let table: toml::Table = toml::from_str(bare).map_err(|error| refused(error.message()))?;
    let mut entries = table.iter();
    match (entries.next(), entries.next()) {
        (Some((capability, bounds)), None) => match bounds_of(capability, bounds) {
            Ok(bounds) => Ok((capability.clone(), bounds)),
            Err(issue) => Err(refused(&issue.to_string())),
        },
        _ => Err(refused("one capability was expected")),
    }
}

fn bounds_of(capability: &str, bounds: &toml::Value) -> Result<Map<String, Value>, Issue> {
    let at = format!("grants.{capability}");
    if !is_label(capability) {
        return Err(Issue {
            what: "not a capability's name".to_owned(),
            at,
            expected: "lower case words joined by `-`, such as `http`".to_owned(),
        });
    }
    match bounds {
        toml::Value::Table(table) => table.iter().map(|(key, value)| Ok((key.clone(), to_json(value, &format!("{at}.{key}"))?))).collect(),
        other => Err(Issue {
            what: other.type_str().to_owned(),
            at,
            expected: "a table of bounds; `{}` grants what the plugin asks for".to_owned(),
        }),
    }
}

fn to_json(value: &toml::Value, at: &str) -> Result<Value, Issue> {
    let wrong = |expected: &str| Issue { what: value.to_string(), at: at.to_owned(), expected: expected.to_owned() };
    Ok(match value {
        toml::Value::String(text) => Value::from(text.as_str()),
        toml::Value::Integer(number) => Value::from(*number),
        toml::Value::Float(number) => serde_json::Number::from_f64(*number).map(Value::Number).ok_or_else(|| wrong("a finite number"))?,
        toml::Value::Boolean(value) => Value::from(*value),
        toml::Value::Datetime(_) => return Err(wrong("text, a number, true or false, a list or a table")),
        toml::Value::Array(items) => Value::Array(items.iter().map(|item| to_json(item, at)).collect::<Result<_, _>>()?),
        toml::Value::Table(table) => Value::Object(
            table.iter().map(|(key, value)| Ok((key.clone(), to_json(value, &format!("{at}.{key}"))?))).collect::<Result<_, Issue>>()?,
        ),
    })
}

fn to_toml(value: &Value) -> String {
    match value {
        // TOML has none, and bounds come from TOML: a manifest, a grant.
        Value::Null => "\"\"".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => toml::Value::from(text.as_str()).to_string(),
        Value::Array(items) => format!("[{}]", items.iter().map(to_toml).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) if fields.is_empty() => "{}".to_owned(),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| {
                let key = if is_label(key) { key.clone() } else { toml::Value::from(key.as_str()).to_string() };
                format!("{key} = {}", to_toml(value))
            };
            format!("{{ {} }}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
    }
}

fn lines(issues: &[Issue]) -> String {
    issues.iter().map(|issue| format!("\n  {issue}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn given(texts: &[&str]) -> Result<Grants, String> {
        let arguments = GrantArguments { grant: texts.iter().map(|text| (*text).to_owned()).collect(), grants: None };
        arguments.read().map_err(|failure| failure.to_string())
    }

    fn permission(capability: &str, bounds: Value) -> Permission {
        Permission {
            capability: capability.to_owned(),
            bounds: bounds.as_object().unwrap().clone(),
            optional: false,
            reason: String::new(),
        }
    }

    #[test]
    fn every_spelling_of_one_grant_is_the_same_grant() {
        let expected = Grants::none().with("http", json!({"hosts": ["a.example"]}).as_object().unwrap().clone());
        for text in [
            "http = { hosts = [\"a.example\"] }",
            "http={hosts=['a.example']}",
            "grants.http = { hosts = [\"a.example\"] }",
            "http.hosts = [\"a.example\"]",
        ] {
            assert_eq!(given(&[text]).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn a_bare_name_has_no_bounds_of_its_own() {
        assert_eq!(given(&["http"]).unwrap(), Grants::none().with("http", Map::new()));
        assert_eq!(given(&["grants.http"]).unwrap(), given(&["http = {}"]).unwrap());
    }

    #[test]
    fn what_a_hint_prints_can_be_given_back() {
        let values = json!({"hosts": ["it's", "quote\"d"], "n": 3, "values": {"a b": "x", "deep": {"y": [true, 1.5]}}});
        let argument = to_argument(&permission("config", values.clone()));
        let quoted = argument.strip_prefix("--grant '").and_then(|text| text.strip_suffix('\'')).unwrap();
        let shell = quoted.replace(r"'\''", "'");
        assert_eq!(given(&[&shell]).unwrap().get("config"), values.as_object());
    }

    #[test]
    fn a_hint_for_files_names_a_folder_because_a_grant_must() {
        let argument = to_argument(&permission("filesystem", json!({"access": "read"})));
        assert_eq!(argument, "--grant 'filesystem = { access = \"read\", root = \"FOLDER\" }'");
        assert_eq!(to_argument(&permission("clock", json!({}))), "--grant clock");
    }

    #[test]
    fn what_is_not_a_grant_is_refused_with_an_example() {
        for text in
            ["", "http=", "http = true", "HTTP = {}", "http = {}\nconfig = {}", "http = { since = 2024-01-01 }", "http = { n = nan }", "{}"]
        {
            let message = given(&[text]).unwrap_err();
            assert!(message.contains("is not a grant") && message.contains("hint: write `--grant"), "{text}: {message}");
        }
    }

    #[test]
    fn one_capability_granted_twice_is_refused() {
        assert!(given(&["http", "http = {}"]).unwrap_err().contains("granted twice"));
    }

    #[test]
    fn a_table_gives_all_complaints_at_once() {
        let table = toml::from_str("http = true\nBad = {}\nconfig = { a = 1979-05-27 }\nclock = {}").unwrap();
        let places: Vec<String> = from_toml(&table).unwrap_err().into_iter().map(|issue| issue.at).collect();
        assert_eq!(places, ["grants.Bad", "grants.config.a", "grants.http"]);
    }
}
