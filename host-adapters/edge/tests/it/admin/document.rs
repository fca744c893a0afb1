//! The document of the API: as it is checked in, and held against what the server answers to whatever is asked.
//!
//! An ordinary test asks some hundred times; `cargo bolero test` asks for as long as somebody waits.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use bolero::check;
use http::Method;
use plugwork_core::Digest;
use plugwork_core::authorize::{Action, Presented};
use serde_json::{Map, Value, json};
use tokio::net::{TcpStream, UnixStream};

use super::desk::{Desk, HOUR_MS, now_ms, request, send, wish};
use crate::world::{Told, component};

/// So many that each operation is asked for by somebody who may.
const REQUESTS: usize = 600;

#[test]
fn the_document_that_is_checked_in_is_what_the_server_answers() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let document = plugwork_edge::admin::document();
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, &document).unwrap();
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(kept == document, "`{path}` is not what the server answers\nhint: `BLESS=1 cargo test -p plugwork-edge --test it document`");
}

/// One operation of the document.
struct Operation {
    path: String,
    method: Method,
    /// Names in the query.
    query: Vec<String>,
    /// The schema of what it is sent.
    body: Option<Value>,
    /// For each status and type, what is answered.
    responses: BTreeMap<(u16, String), Option<jsonschema::Validator>>,
}

/// The document, read as a client would read it.
struct Document {
    operations: Vec<Operation>,
    schemas: Value,
}

impl Document {
    fn read() -> Self {
        let mut document: Value = serde_json::from_str(&plugwork_edge::admin::document()).unwrap();
        // A field that is in no schema would be an undocumented shape.
        close(&mut document["components"]["schemas"]);
        close(&mut document["paths"]);
        let schemas = document["components"].clone();
        let mut operations = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for (method, operation) in methods.as_object().unwrap() {
                let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
                let query = parameters.iter().filter(|one| one["in"] == "query").map(|one| one["name"].as_str().unwrap().to_owned());
                let body = operation["requestBody"]["content"]["application/json"]["schema"].clone();
                let mut responses = BTreeMap::new();
                for (status, response) in operation["responses"].as_object().unwrap() {
                    for (kind, content) in response["content"].as_object().unwrap() {
                        let validator = kind.ends_with("json").then(|| validator(&content["schema"], &schemas));
                        responses.insert((status.parse().unwrap(), kind.clone()), validator);
                    }
                }
                let method = method.to_uppercase().parse().unwrap();
                let body = (!body.is_null()).then_some(body);
                operations.push(Operation { path: path.clone(), method, query: query.collect(), body, responses });
            }
        }
        Self { operations, schemas }
    }

    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        match schema["$ref"].as_str() {
            Some(reference) => &self.schemas["schemas"][reference.rsplit('/').next().unwrap()],
            None => schema,
        }
    }
}

fn validator(schema: &Value, components: &Value) -> jsonschema::Validator {
    let mut schema = schema.clone();
    schema["components"] = components.clone();
    jsonschema::draft202012::new(&schema).unwrap()
}

/// Lets no field into an object but those that are described.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            if fields.contains_key("properties") {
                fields.insert("additionalProperties".to_owned(), Value::Bool(false));
            }
            fields.values_mut().for_each(close);
        }
        Value::Array(values) => values.iter_mut().for_each(close),
        _ => {}
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_and_every_reference_leads_somewhere() {
    let document: Value = serde_json::from_str(&plugwork_edge::admin::document()).unwrap();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1."));
    let names: Vec<&str> = document["paths"]
        .as_object()
        .unwrap()
        .values()
        .flat_map(|methods| methods.as_object().unwrap().values())
        .map(|operation| operation["operationId"].as_str().unwrap())
        .collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
    // Building a validator follows every reference.
    assert_eq!(Document::read().operations.len(), names.len());
}

/// Choices made from bytes; when those are used up, the first of everything.
struct Choices<'a>(std::slice::Iter<'a, u8>);

impl Choices<'_> {
    fn below(&mut self, count: usize) -> usize {
        self.0.next().map_or(0, |byte| usize::from(*byte) % count)
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == count - 1
    }

    fn of<T: Clone>(&mut self, some: &[T]) -> T {
        some[self.below(some.len())].clone()
    }

    /// Text as nobody should send it.
    fn noise(&mut self) -> String {
        (0..self.below(12)).map(|_| char::from(self.0.next().copied().unwrap_or(b'a'))).collect()
    }

    /// A value of a schema, mostly.
    fn value(&mut self, document: &Document, schema: &Value, words: &Words, depth: usize) -> Value {
        let schema = document.resolved(schema);
        if depth > 4 || self.one_in(12) {
            return self.of(&[
                json!(null),
                json!(-1),
                json!(""),
                json!([]),
                json!({}),
                json!(u64::MAX),
                json!(1.5),
                json!("\u{0}\u{202e}"),
            ]);
        }
        let kind = match &schema["type"] {
            Value::Array(kinds) => self.of(kinds),
            kind => kind.clone(),
        };
        match kind.as_str() {
            Some("object") if schema["properties"].is_object() => {
                let mut fields = Map::new();
                for (name, property) in schema["properties"].as_object().unwrap() {
                    let is_needed = schema["required"].as_array().is_some_and(|required| required.contains(&json!(name)));
                    if self.one_in(if is_needed { 20 } else { 2 }) == is_needed {
                        continue;
                    }
                    let value = match words.bodies.get(name.as_str()) {
                        Some(known) if !self.one_in(4) => self.of(known),
                        _ => self.value(document, property, words, depth + 1),
                    };
                    fields.insert(name.clone(), value);
                }
                if self.one_in(20) {
                    fields.insert(self.noise(), json!(1));
                }
                Value::Object(fields)
            }
            Some("object") => {
                let value = self.value(document, &schema["additionalProperties"], words, depth + 1);
                Value::Object([(self.noise(), value)].into_iter().collect())
            }
            Some("array") => (0..self.below(3)).map(|_| self.value(document, &schema["items"], words, depth + 1)).collect(),
            Some("integer") => self.of(&[json!(0), json!(1), json!(2), json!(60), json!(1_000_000_000_000_u64)]),
            Some("boolean") => Value::Bool(self.below(2) == 1),
            Some("null") => Value::Null,
            _ => Value::String(self.noise()),
        }
    }
}

/// What stands for names, so that not everything is unknown.
struct Words {
    names: BTreeMap<&'static str, Vec<String>>,
    bodies: BTreeMap<&'static str, Vec<Value>>,
    tokens: Vec<String>,
}

impl Words {
    async fn new(desk: &Desk) -> Self {
        let texts = |some: &[&str]| some.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let everything = desk.token(None, None, &Action::ALL).await;
        let tenant = desk.token(Some("default"), None, &Action::ALL).await;
        let reader = desk.token(Some("acme"), None, &[Action::DeploymentsRead, Action::TokensRead]).await;
        // Not one that is wrong: after some of those nothing else is looked at any more.
        let over = desk.token_until(None, None, &Action::ALL, now_ms() - 2 * HOUR_MS, HOUR_MS).await;
        let id = Presented::parse(&reader).unwrap().id().to_string();
        let names = BTreeMap::from([
            ("application", texts(&["shop", "blog", "shop", "NO"])),
            ("number", texts(&["1", "2", "0", "18446744073709551615", "-1"])),
            ("digest", vec![Digest::of(component()).to_string(), Digest::of(b"").to_string(), "sha256:00".to_owned()]),
            ("id", vec![id.clone(), "0011223344556677".to_owned(), "x".to_owned()]),
            ("tenant", texts(&["default", "acme", "-", ""])),
            ("plugin", texts(&["guest", "other", "/"])),
            ("status", texts(&["404", "5xx", "9xx", "1"])),
            ("limit", texts(&["1", "100", "101", "x"])),
            ("cursor", vec!["1".to_owned(), "shop".to_owned(), id, "%00".to_owned(), "1/shop/guest".to_owned()]),
            ("since", texts(&["0", "3600000", "x"])),
            ("until", texts(&["1", "18446744073709551615", "-1"])),
            ("old", texts(&["true", "false", "yes"])),
        ]);
        let good = wish("shop", &[("/e", "")], json!({}));
        let bodies = BTreeMap::from([
            ("text", vec![good["text"].clone(), json!("name = \"shop\"\n"), json!("name = ")]),
            ("plugins", vec![good["plugins"].clone(), json!({}), json!({ "guest": Digest::of(b"").to_string() })]),
            ("actions", vec![json!(["deployments:read"]), json!(["usage:read", "logs:read"]), json!([])]),
            ("lifetime-seconds", vec![json!(60), json!(31_622_400), json!(0)]),
            ("tenant", vec![json!("default"), json!("acme"), json!("A")]),
            ("application", vec![json!("shop"), json!(null)]),
            ("expected", vec![json!(null), json!(1), json!(0)]),
            ("to", vec![json!(1), json!(2), json!(null)]),
        ]);
        Self { names, bodies, tokens: vec![everything, tenant, reader, over] }
    }
}

/// Everything up to the end of the head for what does not end, all of it for the rest.
async fn ask(desk: &Desk, is_endless: bool, by_port: bool, bytes: &[u8]) -> Told {
    let answered = async {
        match by_port {
            true => send(TcpStream::connect(desk.port).await.unwrap(), bytes).await,
            false => send(UnixStream::connect(desk.socket()).await.unwrap(), bytes).await,
        }
    };
    if !is_endless {
        return answered.await;
    }
    // A log that is followed has no end: what was answered by then is looked at where it is refused.
    tokio::time::timeout(Duration::from_millis(250), answered).await.unwrap_or_else(|_| crate::world::told(""))
}

#[test]
fn whatever_is_asked_is_answered_as_the_document_says() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let desk = runtime.block_on(Desk::with_shop());
    let words = runtime.block_on(Words::new(&desk));
    let document = Document::read();
    let seen = std::sync::Mutex::new(BTreeMap::<(String, u16), u64>::new());
    // Unwind safe by assertion: after a panic the test is over and nobody looks at it again.
    let bench = AssertUnwindSafe((&runtime, &desk, &words, &document, &seen));
    check!().with_iterations(REQUESTS).for_each(|bytes: &[u8]| {
        let (runtime, desk, words, document, seen) = *bench;
        let mut choices = Choices(bytes.iter());
        let operation = &document.operations[choices.below(document.operations.len())];
        let mut path = String::new();
        for part in operation.path.split_inclusive(&['{', '}'][..]) {
            match part.strip_suffix('}') {
                Some(name) => path += &escaped(&if choices.one_in(10) { choices.noise() } else { choices.of(&words.names[name]) }),
                None => path += part.trim_end_matches('{'),
            }
        }
        let mut query = Vec::new();
        for name in &operation.query {
            if choices.one_in(3) {
                let value = if choices.one_in(10) { choices.noise() } else { choices.of(&words.names[name.as_str()]) };
                query.push(format!("{name}={}", escaped(&value)));
            }
        }
        if choices.one_in(20) {
            query.push(escaped(&choices.noise()));
        }
        if !query.is_empty() {
            path = format!("{path}?{}", query.join("&"));
        }
        let body = operation.body.as_ref().map(|schema| choices.value(document, schema, words, 0));
        let mut headers = String::new();
        if choices.one_in(3) {
            headers += &format!("authorization: Bearer {}\r\n", choices.of(&words.tokens));
        }
        if choices.one_in(4) {
            headers += &format!("idempotency-key: {}\r\n", choices.of(&["a", "b", "two words"]));
        }
        let by_port = choices.one_in(4);
        let bytes = request(&operation.method, &path, &headers, body.clone());
        let told = runtime.block_on(ask(desk, operation.path == "/v1/tail", by_port, &bytes));
        let asked = || format!("{} {path}\n{headers}{body:?}\n{told:?}", operation.method);
        if told.status == 0 && operation.path == "/v1/tail" {
            return;
        }
        assert!((200..500).contains(&told.status), "{}", asked());
        *seen.lock().unwrap().entry((operation.path.clone(), told.status)).or_default() += 1;
        let kind = told.header("content-type").unwrap_or_default().split(';').next().unwrap_or_default().to_owned();
        // Where a part of the path was left empty it is another path, or another method of one.
        if told.status == 404 && told.json()["code"] == "E-ADMIN-PATH" || told.status == 405 {
            return;
        }
        match operation.responses.get(&(told.status, kind)) {
            None => panic!("not in the document: {}", asked()),
            Some(None) => {}
            Some(Some(validator)) => {
                let errors: Vec<String> = validator.iter_errors(&told.json()).map(|error| error.to_string()).collect();
                assert!(errors.is_empty(), "{errors:?}: {}", asked());
            }
        }
    });
    // Not only refusals were looked at.
    let seen = seen.into_inner().unwrap();
    let done = seen.keys().filter(|(_, status)| *status < 300).map(|(path, _)| path).collect::<BTreeSet<_>>();
    assert!(done.len() >= 8, "{seen:?}");
}

fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b':' | b'%' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
