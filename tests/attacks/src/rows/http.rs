//! Group F as a guest sees it: addresses in disguise, redirects, names that change their mind, requests that smuggle, every connection at once.
//!
//! Each forbidden place is a real server on loopback, and what counts is that it heard nothing. Not here: answers to clients (F6 to F8), which come
//! with serving; TLS, whose downgrade by a redirect the contract suite of the client tests.

use std::sync::Arc;

use futures::future::join_all;
use plugwork::Limits;
use plugwork_core::Grants;
use serde_json::json;

use super::answered::{Answered, answered};
use super::fetching::fetching;
use crate::arena::Arena;
use crate::guest::Guest;
use crate::row::{Contained, Ended, Expected, Row, SHORT, SMALL, Variant, faulted};
use crate::server::{Answers, BODY, Server};
use crate::world::Text;

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("F1", "private addresses in every disguise", disguises),
        Row::new("F2", "redirects from an allowed place to a forbidden one", redirects),
        Row::new("F3", "a name that is public when it is judged and private when it is dialled", rebinding),
        Row::new("F4", "absolute paths, foreign Host headers", authorities),
        Row::new("F5", "smuggled headers, lengths and methods", smuggling),
        Row::new("F9", "every connection there is", exhaustion).instances(48),
    ]
}

fn get() -> Guest {
    fetching("GET", &[], 1)
}

/// Every host in clear text and encrypted, on its own port and on this one; only these networks beside what is public.
fn grant(port: u16, networks: &[&str], redirects: bool) -> Grants {
    let hosts = ["*".to_owned(), "http://*".to_owned(), format!("http://*:{port}"), format!("*:{port}")];
    let bounds = json!({"hosts": hosts, "methods": ["*"], "networks": networks, "redirects": redirects});
    Grants::none().with("http", bounds.as_object().unwrap().clone())
}

/// Interactive limits leave little for a list of addresses that each take a look-up.
const LIMITS: Limits = Limits { deadline_ms: 10_000, ..SMALL };

fn disguises() -> Vec<Variant> {
    // The same forms that the rule's own vectors have, from a guest.
    let vectors = include_str!("../../../../runtime/core/vectors/urls.txt");
    let mut listed = Vec::new();
    let every = vectors.lines().skip_while(|line| !line.starts_with("bounds http {\"hosts\":[\"*\",\"http://*\"]")).skip(1);
    for line in every.take_while(|line| !line.starts_with("bounds")) {
        let Some(url) = line.strip_prefix("E-CAP-HTTP-ADDRESS request GET ") else { continue };
        listed.push(if url.starts_with('"') { serde_json::from_str(url).unwrap() } else { url.to_owned() });
    }
    assert!(listed.len() > 60, "the vectors moved: {} found", listed.len());
    let hosts = [
        "127.0.0.1",
        "127.0.0.1.",
        "127.1",
        "127.0.1",
        "0x7f.1",
        "0x7f000001",
        "2130706433",
        "0177.0.0.1",
        "017700000001",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "[2002:7f00:1::]",
        "[::127.0.0.1]",
        "user@127.0.0.1",
        "example.com:x@127.0.0.1",
        "%31%32%37.0.0.1",
        "127\u{3002}0\u{3002}0\u{3002}1",
        "\u{2460}\u{2461}\u{2466}.0.0.1",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "private.evil.example",
        "mapped.evil.example",
        "nat64.evil.example",
        "127.0.0.1.evil.example",
        "169.254.169.254",
        "metadata.evil.example",
        "[fd00::1]",
        "[fe80::1]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[ff02::1]",
    ];
    let tried = |name: &'static str, urls: Arc<dyn Fn(u16) -> Vec<String> + Send + Sync>| {
        Variant::new(name, move |arena| {
            let urls = urls.clone();
            Box::pin(async move {
                let server = Server::start([127, 0, 0, 1], 0, Answers::Well).map_err(|error| error.to_string())?;
                let urls = urls(server.port());
                let given = answered(arena, &get(), LIMITS, grant(server.port(), &[], false), &urls).await?;
                if let Some(head) = server.heads().first() {
                    return Err(format!("the server on loopback heard {head:?}"));
                }
                match urls.iter().zip(&given.texts).find(|(_, answer)| !is_refused(answer)) {
                    Some((url, answer)) => Err(format!("`{url}`: {answer:?}")),
                    None => Ok(given.contained(format!("{} addresses denied", urls.len())).on_record([given.denial("E-CAP-HTTP-ADDRESS")])),
                }
            })
        })
    };
    vec![
        tried("the vectors of the rule", Arc::new(move |_| listed.clone())),
        tried("a server that would answer", Arc::new(move |port| hosts.iter().map(|host| format!("http://{host}:{port}/")).collect())),
        control(),
    ]
}

/// Denied by a rule, or no URL at all.
fn is_refused(answer: &str) -> bool {
    answer.starts_with("E-CAP-HTTP-") || answer.starts_with("invalid ")
}

/// The same guest, granted: else a client that never works would hold every row.
fn control() -> Variant {
    Variant::new("granted by its network it is reached", |arena| {
        Box::pin(async move {
            let server = Server::start([127, 0, 0, 1], 0, Answers::Well).map_err(|error| error.to_string())?;
            let url = vec![format!("http://127.0.0.1:{}/", server.port()), format!("http://private.evil.example:{}/", server.port())];
            let given = answered(arena, &get(), LIMITS, grant(server.port(), &["127.0.0.0/8"], false), &url).await?.texts;
            if given.iter().all(|answer| answer == BODY) { Ok(Contained::harmless("reached")) } else { Err(format!("{given:?}")) }
        })
    })
}

fn redirects() -> Vec<Variant> {
    // `to` is made from the port, which both servers share.
    let followed = |name: &'static str, redirects: bool, to: &'static str, expected: &'static str| {
        Variant::new(name, move |arena| {
            Box::pin(async move {
                let forbidden = Server::start([127, 0, 0, 1], 0, Answers::Well).map_err(|error| error.to_string())?;
                let to = to.replace("PORT", &forbidden.port().to_string());
                let allowed = Server::start([127, 0, 0, 2], forbidden.port(), Answers::Redirect(to)).map_err(|error| error.to_string())?;
                let url = vec![format!("http://127.0.0.2:{}/", allowed.port())];
                let given = answered(arena, &get(), LIMITS, grant(allowed.port(), &["127.0.0.2/32"], redirects), &url).await?;
                if let Some(head) = forbidden.heads().first() {
                    return Err(format!("the forbidden server heard {head:?}"));
                }
                match given.texts.as_slice() {
                    [answer] if answer.contains(expected) && !allowed.heads().is_empty() => Ok(given.contained("not followed")),
                    other => Err(format!("expected `{expected}`, not {other:?} after {} requests", allowed.heads().len())),
                }
            })
        })
    };
    vec![
        followed("off, as they are by default", false, "http://127.0.0.1:PORT/", BODY),
        followed("to a private address", true, "http://127.0.0.1:PORT/", "E-CAP-HTTP-ADDRESS"),
        followed("to a name of one", true, "http://private.evil.example:PORT/", "E-CAP-HTTP-ADDRESS"),
        followed("without a scheme", true, "//127.0.0.1:PORT/", "E-CAP-HTTP-ADDRESS"),
        followed("to the metadata of a cloud", true, "http://169.254.169.254/latest/meta-data/", "E-CAP-HTTP-ADDRESS"),
        followed("to a port that is not granted", true, "http://127.0.0.2:1/", "E-CAP-HTTP-HOST"),
        followed("to a file", true, "file:///etc/passwd", "E-CAP-HTTP-"),
        followed("to itself, for ever", true, "http://127.0.0.2:PORT/", "redirect"),
    ]
}

fn rebinding() -> Vec<Variant> {
    vec![Variant::new("every other answer is private", |arena| {
        Box::pin(async move {
            let forbidden = Server::start([127, 0, 0, 1], 0, Answers::Well).map_err(|error| error.to_string())?;
            let allowed = Server::start([127, 0, 0, 2], forbidden.port(), Answers::Well).map_err(|error| error.to_string())?;
            let urls = vec![format!("http://alternates.evil.example:{}/", allowed.port()); 40];
            let given = answered(arena, &get(), LIMITS, grant(allowed.port(), &["127.0.0.2/32"], false), &urls).await?;
            let denied = given.texts.iter().filter(|answer| *answer == "E-CAP-HTTP-ADDRESS").count();
            let reached = given.texts.iter().filter(|answer| *answer == BODY).count();
            match (forbidden.heads().len(), allowed.heads().len()) {
                (0, heard) if heard == reached && reached > 0 && denied > 0 && denied + reached == 40 => {
                    Ok(given.contained("judged is dialled"))
                }
                (wrong, right) => {
                    Err(format!("forbidden heard {wrong}, allowed {right}; {denied} denied, {reached} answered: {:?}", given.texts))
                }
            }
        })
    })]
}

/// A request to the one server that is granted, and its heads.
async fn heard(arena: &Arena, guest: &Guest, path: &str) -> Result<(Answered, u16, Vec<String>), String> {
    let server = Server::start([127, 0, 0, 2], 0, Answers::Well).map_err(|error| error.to_string())?;
    let url = vec![format!("http://127.0.0.2:{}{path}", server.port())];
    let given = answered(arena, guest, LIMITS, grant(server.port(), &["127.0.0.2/32"], false), &url).await?;
    Ok((given, server.port(), server.heads()))
}

/// Every head must be one request to the authority that was dialled, with nothing smuggled in.
fn is_clean(heads: &[String], port: u16) -> Result<(), String> {
    for head in heads {
        let lines: Vec<_> = head.split("\r\n").take_while(|line| !line.is_empty()).collect();
        let named = |name: &str| lines.iter().filter(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:"))).collect::<Vec<_>>();
        let hosts = named("host");
        let authority = format!("127.0.0.2:{port}");
        let one_host = hosts.len() == 1 && hosts[0].ends_with(&authority);
        let smuggled = ["x-injected", "transfer-encoding", "te", "upgrade", "trailer"].into_iter().any(|name| !named(name).is_empty());
        let lengths = named("content-length");
        if !one_host || smuggled || lengths.len() > 1 || head.matches("HTTP/1.1").count() != 1 || head.contains('\0') {
            return Err(format!("on the wire: {head:?}"));
        }
    }
    Ok(())
}

fn authorities() -> Vec<Variant> {
    let paths = [
        "/http://127.0.0.1/x",
        "//127.0.0.1/x",
        "/\\127.0.0.1",
        "/?u=http://127.0.0.1",
        "/@127.0.0.1/",
        "/x HTTP/1.1",
        "/%0d%0ax-injected:1",
    ];
    let mut variants: Vec<_> = paths
        .into_iter()
        .map(|path| {
            Variant::new(format!("path `{path}`"), move |arena| {
                Box::pin(async move {
                    let (given, port, heads) = heard(arena, &get(), path).await?;
                    is_clean(&heads, port)?;
                    match given.texts.as_slice() {
                        [answer] if answer == BODY || is_refused(answer) => Ok(given.contained("own authority")),
                        other => Err(format!("{other:?}")),
                    }
                })
            })
        })
        .collect();
    variants.extend(["host", "Host", ":authority", "x-forwarded-host"].into_iter().map(|name| smuggled(name, "GET", name, "127.0.0.1", 1)));
    variants
}

fn smuggled(title: &str, method: &'static str, name: &str, value: &str, copies: usize) -> Variant {
    let guest = fetching(method, &[(name.to_owned(), value.to_owned())], copies);
    Variant::new(format!("{} {}", title.escape_debug(), method.escape_debug()), move |arena| {
        let guest = guest.clone();
        Box::pin(async move {
            let (given, port, heads) = heard(arena, &guest, "/").await?;
            is_clean(&heads, port)?;
            match given.texts.as_slice() {
                [answer] if answer.starts_with("fault") => Err(answer.clone()),
                _ if heads.is_empty() => Ok(given.contained("refused")),
                _ => Ok(given.contained("sent clean")),
            }
        })
    })
}

fn smuggling() -> Vec<Variant> {
    let headers: [(&str, &str); 24] = [
        ("x", "a\r\nx-injected: 1"),
        ("x", "a\nx-injected: 1"),
        ("x", "a\rx-injected: 1"),
        ("x", "a\r\n\r\nGET / HTTP/1.1\r\nhost: evil\r\n\r\n"),
        ("x\r\nx-injected", "1"),
        ("x: 1\r\nx-injected", "1"),
        ("x\0", "1"),
        ("x", "a\0b"),
        ("x", "a\u{7f}b"),
        ("", "1"),
        (" x", "1"),
        ("x ", "1"),
        ("x:", "1"),
        ("content-length", "5"),
        ("content-length", "18446744073709551616"),
        ("transfer-encoding", "chunked"),
        ("Transfer-Encoding", " chunked"),
        ("te", "trailers"),
        ("trailer", "x-injected"),
        ("connection", "x"),
        ("upgrade", "h2c"),
        ("expect", "100-continue"),
        (":method", "POST"),
        ("\u{212a}", "1"),
    ];
    let mut variants: Vec<_> =
        headers.into_iter().map(|(name, value)| smuggled(&format!("{name}: {value}"), "GET", name, value, 1)).collect();
    for method in ["GET / HTTP/1.1\r\nx-injected: 1\r\n", "get", "CONNECT", "TRACE", "", "GET\0", "G\u{201a}T"] {
        variants.push(smuggled("method", method, "x", "1", 1));
    }
    variants.push(smuggled("content-length twice", "POST", "content-length", "0", 2));
    variants.push(smuggled("10,000 headers", "GET", "x", "1", 10_000));
    variants.push(smuggled("a name of 300 bytes", "GET", &"x".repeat(300), "1", 1));
    variants.push(smuggled("a value of 9,000 bytes", "GET", "x", &"v".repeat(9_000), 1));
    variants
}

fn exhaustion() -> Vec<Variant> {
    vec![Variant::new("40 requests at once to a server that never answers, 4 allowed", |arena| Box::pin(exhausted(arena)))]
}

async fn exhausted(arena: &Arena) -> Ended {
    let server = Server::start([127, 0, 0, 2], 0, Answers::Never).map_err(|error| error.to_string())?;
    let limits = Limits { requests: 4, deadline_ms: 1_500, ..SMALL };
    let plugin =
        arena.accept(&get(), limits, grant(server.port(), &["127.0.0.2/32"], false)).await.map_err(|error| format!("{error:?}"))?;
    let url = format!("http://127.0.0.2:{}/", server.port());
    let calls = (0..40).map(|_| {
        let (plugin, url) = (plugin.clone(), url.clone());
        tokio::spawn(async move { plugin.call::<Text>(&url).await })
    });
    let (mut denied, mut last) = (0, None);
    for ended in join_all(calls).await {
        match ended.map_err(|error| error.to_string())? {
            Ok(code) if code == "E-LIMIT-REQUESTS" => denied += 1,
            Ok(other) => return Err(format!("an answer: {other}")),
            Err(error) if error.fault().is_some_and(|fault| fault.code() == "deadline") => last = Some(error),
            Err(error) => return Err(format!("{error:?}")),
        }
    }
    let open = plugin.account().snapshot().requests;
    match last {
        Some(error) if denied == 36 && open == 0 && server.heads().len() <= 4 => faulted(&plugin, &error),
        _ => Err(format!("{denied} denied, {open} still open, the server heard {}", server.heads().len())),
    }
}

/// A4: a server that takes the request and never answers.
pub(super) fn tarpit() -> Variant {
    Variant::new("a server that never answers", |arena| {
        Box::pin(async move {
            let server = Server::start([127, 0, 0, 2], 0, Answers::Never).map_err(|error| error.to_string())?;
            let plugin =
                arena.accept(&get(), SHORT, grant(server.port(), &["127.0.0.2/32"], false)).await.map_err(|error| format!("{error:?}"))?;
            let ended = plugin.call::<Text>(&format!("http://127.0.0.2:{}/", server.port())).await;
            Expected::deadline().check(&plugin, ended)
        })
    })
}
