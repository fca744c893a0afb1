//! One permission in plain words, and the texts of strangers made fit to stand among ours.
//!
//! The words are made from the bounds alone, never from what the author says about them. A bound that has no words of its own is shown as it stands:
//! leaving it out would hide part of what is asked.

use serde_json::{Map, Value};

use crate::grants::to_inline_table;

/// Characters of a stranger's text that are shown. A longer one would wrap into lines that look like ours.
const SHOWN_CHARACTERS_MAX: usize = 160;
/// Members of a list that are shown by name.
const SHOWN_MEMBERS_MAX: usize = 8;

/// What a permission lets a plugin do, without its name: `send GET requests to example.org`.
pub(crate) fn in_words(capability: &str, bounds: &Map<String, Value>) -> String {
    let mut rest = bounds.clone();
    let mut take = |key: &str| rest.remove(key);
    let words = match capability {
        "http" => {
            let hosts = take("hosts").map_or_else(|| "hosts that it does not name".to_owned(), |hosts| members(&hosts, "any host"));
            let methods = take("methods").map_or_else(|| "GET or HEAD".to_owned(), |methods| members(&methods, "any"));
            let private = take("networks").filter(|networks| networks.as_array().is_some_and(|networks| !networks.is_empty()));
            let private = private.map(|networks| format!(", also to the private addresses {}", members(&networks, "all")));
            format!("send {methods} requests to {hosts}{}", private.unwrap_or_default())
        }
        "filesystem" => {
            let verb = match take("access").as_ref().and_then(Value::as_str) {
                None | Some("read") => "read",
                Some(_) => "read, create, change and remove",
            };
            let folder = take("root").as_ref().and_then(Value::as_str).map(|root| format!("`{}`", one_line(root)));
            format!("{verb} files below {}", folder.unwrap_or_else(|| "one folder of this computer, which you name".to_owned()))
        }
        "config" => {
            let _ = take("values");
            let keys = take("keys").map_or_else(|| "no key".to_owned(), |keys| members(&keys, "every key"));
            format!("read configuration values that you give: {keys}")
        }
        "environment" => {
            let variables = take("variables").map_or_else(|| "none".to_owned(), |variables| members(&variables, "all of them"));
            format!("read environment variables of this command: {variables}")
        }
        "secrets" => {
            let names = take("names").map_or_else(|| "none named".to_owned(), |names| members(&names, "all of them"));
            let hosts = take("hosts").filter(|hosts| hosts.as_array().is_some_and(|hosts| !hosts.is_empty()));
            let header = take("header").as_ref().and_then(Value::as_str).map_or("authorization".to_owned(), one_line);
            let sent = hosts.map(|hosts| format!("have sent in the header `{header}` to {}", members(&hosts, "any host")));
            let seen = (take("reveal") == Some(Value::Bool(true))).then(|| "see as text".to_owned());
            let uses: Vec<String> = [seen, sent].into_iter().flatten().collect();
            format!("use secrets ({names}): {}", if uses.is_empty() { "for nothing".to_owned() } else { uses.join(" and ") })
        }
        "keyvalue" => format!("{} values in stores of its own{}", access(take("access")), named(take("stores"))),
        "blob" => format!("{} files in containers of its own{}", access(take("access")), named(take("containers"))),
        "clock" => match take("resolution-ns") {
            Some(resolution) => format!("tell the time to {resolution} ns instead of whole milliseconds"),
            None => "tell the time more finely than in milliseconds".to_owned(),
        },
        "call" => {
            let mut named = |key: &str| take(key).filter(|names| names.as_array().is_some_and(|names| !names.is_empty()));
            let plugins = named("plugins").map(|plugins| format!("call {}", members(&plugins, "every plugin")));
            let interfaces = named("interfaces").map(|names| format!("call whichever plugin has {}", members(&names, "any interface")));
            let both: Vec<String> = plugins.into_iter().chain(interfaces).collect();
            if both.is_empty() { "call no other plugin".to_owned() } else { both.join(" and ") }
        }
        "deputy" => {
            let rights = take("capabilities").map_or_else(|| "no right".to_owned(), |rights| members(&rights, "every right"));
            format!("use its own {rights} for every plugin that calls it, also for those that may not")
        }
        "random" => match take("call-bytes") {
            Some(bytes) => format!("take up to {bytes} random bytes in one call"),
            None => "take more random bytes in one call than every plugin may".to_owned(),
        },
        "engine" => match take("profile").as_ref().and_then(Value::as_str) {
            Some("full") => "run with component async: more of the engine than other plugins touch".to_owned(),
            _ => "choose the engine's profile".to_owned(),
        },
        _ => "what this host means by that name".to_owned(),
    };
    if rest.is_empty() { words } else { format!("{words}; within {}", one_line(&to_inline_table(&rest))) }
}

fn access(access: Option<Value>) -> &'static str {
    match access.as_ref().and_then(Value::as_str) {
        None | Some("read") => "read",
        Some(_) => "keep, change and remove",
    }
}

fn named(stores: Option<Value>) -> String {
    stores.map_or_else(String::new, |stores| format!(": {}", members(&stores, "any")))
}

/// `a, b or c`; `every` where `*` is among them.
fn members(list: &Value, every: &str) -> String {
    let Some(list) = list.as_array() else { return one_line(&list.to_string()) };
    if list.iter().any(|member| member == "*") {
        return every.to_owned();
    }
    let mut shown: Vec<String> =
        list.iter().take(SHOWN_MEMBERS_MAX).map(|member| one_line(member.as_str().unwrap_or(&member.to_string()))).collect();
    if list.len() > SHOWN_MEMBERS_MAX {
        shown.push(format!("{} more", list.len() - SHOWN_MEMBERS_MAX));
    }
    match shown.split_last() {
        None => "none".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, before)) => format!("{} or {last}", before.join(", ")),
    }
}

/// A stranger's text on one line: runs of white space become one space, what is not shown is said to be left out. Control characters and
/// bidirectional overrides are made visible when it is printed.
pub(crate) fn one_line(text: &str) -> String {
    let line = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN_CHARACTERS_MAX) {
        Some((end, _)) => format!("{}… ({} characters)", &line[..end], line.chars().count()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(capability: &str, bounds: Value) -> String {
        in_words(capability, bounds.as_object().unwrap())
    }

    #[test]
    fn bounds_are_said_in_words() {
        assert_eq!(said("http", json!({"hosts": ["*"]})), "send GET or HEAD requests to any host");
        let narrow = json!({"hosts": ["a.example", "b.example", "c.example"], "methods": ["POST"]});
        assert_eq!(said("http", narrow), "send POST requests to a.example, b.example or c.example");
        assert_eq!(said("filesystem", json!({})), "read files below one folder of this computer, which you name");
        assert_eq!(said("filesystem", json!({"access": "write", "root": "/srv"})), "read, create, change and remove files below `/srv`");
        assert_eq!(said("environment", json!({"variables": ["LANG"]})), "read environment variables of this command: LANG");
    }

    #[test]
    fn seeing_a_secret_and_having_it_sent_are_told_apart() {
        let sent = json!({"names": ["token"], "hosts": ["a.example"]});
        assert_eq!(said("secrets", sent), "use secrets (token): have sent in the header `authorization` to a.example");
        assert_eq!(said("secrets", json!({"names": ["token"], "reveal": true})), "use secrets (token): see as text");
    }

    #[test]
    fn a_bound_without_words_is_shown_and_none_is_hidden() {
        assert_eq!(
            said("http", json!({"hosts": ["a.example"], "bytes": 7})),
            "send GET or HEAD requests to a.example; within { bytes = 7 }"
        );
        assert_eq!(said("own", json!({"a": 1})), "what this host means by that name; within { a = 1 }");
        let many: Vec<String> = (0..20).map(|n| format!("h{n}")).collect();
        assert!(said("http", json!({"hosts": many})).ends_with("h7 or 12 more"));
    }

    #[test]
    fn a_strangers_text_cannot_begin_a_line_or_fill_a_page() {
        assert_eq!(one_line("to\r\n\tread\u{2028}a   feed\u{85}"), "to read a feed");
        assert_eq!(one_line("\u{1b}[2Jx"), "[2Jx");
        let long = one_line(&"x".repeat(1_000));
        assert!(long.chars().count() < 200 && long.ends_with("… (1000 characters)"), "{long}");
    }
}
