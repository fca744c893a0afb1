//! Hostile URLs, addresses, paths, keys and headers, with a reference that knows nothing of the code: what escapes fails here.
//!
//! Run longer: `BOLERO_RANDOM_TEST_TIME_MS=60000 BOLERO_RANDOM_ITERATIONS=100000000 cargo test -p plugwork-core --test it policy`.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use bolero::TypeGenerator;
use plugwork_core::policy::http::HttpBounds;
use plugwork_core::policy::{Access, Decision, Facts, Target, decide, header};
use serde_json::{Map, Value, json};

use crate::PATIENCE;
use crate::oracle;

fn bounds(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn is_allowed(capability: &Value, facts: &Facts<'_>) -> bool {
    decide(capability.as_object(), facts).unwrap() == Decision::Allow
}

#[test]
fn an_address_that_is_special_is_never_dialled_without_its_network() {
    let http: HttpBounds = serde_json::from_value(json!({ "hosts": ["*"] })).unwrap();
    let allowed = AtomicUsize::new(0);
    bolero::check!().with_iterations(5000).with_test_time(PATIENCE).with_type::<(u8, [u8; 4], [u8; 16])>().for_each(|(form, v4, v6)| {
        let [a, b, c, d] = *v4;
        let high = |prefix: [u8; 2]| {
            let mut octets = *v6;
            octets[..2].copy_from_slice(&prefix);
            IpAddr::from(octets)
        };
        let address = match form % 8 {
            0 => IpAddr::from(*v4),
            1 => IpAddr::from([192, 0, c & 3, d]),
            2 => IpAddr::from([[100, 169, 172, 192, 198, 203][usize::from(a) % 6], b, c, d]),
            3 => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, a, b, c, d]),
            4 => IpAddr::from([0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]),
            5 => high([0x20, [0x01, 0x02][usize::from(a) % 2]]),
            6 => high([0x20 | (a & 0x1f), b]),
            _ => IpAddr::from(*v6),
        };
        let decision = http.decide_address(address);
        if decision == Decision::Allow {
            allowed.fetch_add(1, Ordering::Relaxed);
            assert!(!oracle::is_special(address), "{address}");
        } else {
            // Refused beyond the list: only what 2000::/3 leaves out, its first block, and the tunnels that carry an IPv4 address.
            let beyond = !oracle::lies_in(address, "2000::/3") || oracle::lies_in(address, "2001::/23") || is_tunnel(address);
            assert!(oracle::is_special(address) || (address.is_ipv6() && beyond), "{address}");
        }
    });
    assert!(allowed.into_inner() > 10, "not everything may be refused");
}

fn is_tunnel(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if matches!(address.octets(), [_, _, _, _, _, _, _, _, 0 | 2, 0, 0x5e, 0xfe, ..]))
}

const HEADS: [&str; 12] =
    ["http://", "https://", "HTTP:", "http:/", "http:\\\\", "ftp://", "//", "", "https://user@", "https://a:b@", "http://@", "file://"];
const TAILS: [&str; 12] = ["", "/", ":80", ":443", ":0", "./", "../", "?x@y", "#@a.b", "\\@a.b/", "/%2e%2e", "\t"];

#[derive(Debug, TypeGenerator)]
struct Place {
    head: u8,
    tail: u8,
    form: u8,
    v4: [u8; 4],
    private: u8,
    text: String,
}

impl Place {
    /// An address in one of the spellings that browsers read, or any text.
    fn url(&self) -> String {
        let private = [[127, 0, 0, 1], [10, 0, 0, 1], [169, 254, 169, 254], [192, 168, 0, 1], [172, 16, 0, 1], [0, 0, 0, 0]];
        let [a, b, c, d] = if self.private < 128 { private[usize::from(self.private) % private.len()] } else { self.v4 };
        let whole = u32::from_be_bytes([a, b, c, d]);
        let low = whole & 0xff_ffff;
        let wide = |digit: char| char::from_u32(u32::from(digit) + 0xfee0).unwrap_or(digit);
        let host = match self.form % 18 {
            0 => format!("{a}.{b}.{c}.{d}"),
            1 => format!("{whole}"),
            2 => format!("{whole:#x}"),
            3 => format!("0{whole:o}"),
            4 => format!("{a:#x}.{low}"),
            5 => format!("0{a:o}.{b:#X}.{}", u32::from(c) << 8 | u32::from(d)),
            6 => format!("{a}.{b}.{c}.{d}.").to_uppercase(),
            7 => format!("{a}.{b}.{c}.{d}").chars().map(|letter| if letter == '.' { '\u{3002}' } else { wide(letter) }).collect(),
            8 => format!("%3{}{}", a / 100, &format!("{a}.{b}.{c}.{d}")[1..]),
            9 => format!("[::ffff:{a}.{b}.{c}.{d}]"),
            10 => format!("[64:ff9b::{a}.{b}.{c}.{d}]"),
            11 => format!("[2002:{:x}:{:x}::1]", whole >> 16, whole & 0xffff),
            12 => format!("[::{a}.{b}.{c}.{d}]"),
            13 => "[::1]".to_owned(),
            14 => format!("a.b@{a}.{b}.{c}.{d}"),
            15 => format!("{a}.{b}.{c}.{d}.a.b"),
            16 => "a.b".to_owned(),
            _ => self.text.clone(),
        };
        let pick = |of: &[&'static str], index: u8| of[usize::from(index) % of.len()];
        format!("{}{host}{}", pick(&HEADS, self.head), pick(&TAILS, self.tail))
    }
}

#[test]
fn no_spelling_of_a_url_reaches_what_was_not_granted() {
    let allowed = AtomicUsize::new(0);
    bolero::check!()
        .with_iterations(5000)
        .with_test_time(PATIENCE)
        .with_type::<Place>()
        .for_each(|place| judge_url(&place.url(), &allowed));
    assert!(allowed.into_inner() > 5, "some must be allowed");
}

#[test]
fn no_text_as_a_url_reaches_what_was_not_granted() {
    let allowed = AtomicUsize::new(0);
    bolero::check!().with_iterations(3000).with_test_time(PATIENCE).for_each(|bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes);
        text.lines().for_each(|line| judge_url(line, &allowed));
        judge_url(&text, &allowed);
    });
    assert!(allowed.into_inner() >= 3, "the seeds among them must be allowed");
}

fn judge_url(url: &str, allowed: &AtomicUsize) {
    let any = json!({ "hosts": ["*", "http://*"] });
    let one = json!({ "hosts": ["a.b"] });
    let facts = Facts::Request { method: "GET", url };
    let Ok(target) = Target::parse(url) else {
        assert!(!is_allowed(&any, &facts) && !is_allowed(&one, &facts), "{url:?}");
        return;
    };
    // What is dialled is read once more by rules of this file alone: scheme, host up to the port, and nothing of a user.
    let dialled = target.as_str();
    let (scheme, rest) = dialled.split_once("://").unwrap();
    let authority = rest.split(['/', '?']).next().unwrap();
    assert!(
        matches!(scheme, "http" | "https") && !authority.contains(['@', '\\']) && !dialled.contains(['#', '\t', ' ']),
        "{url:?} {dialled:?}"
    );
    let host = authority.strip_prefix('[').map_or_else(|| authority.split(':').next(), |rest| rest.split(']').next()).unwrap();
    if is_allowed(&any, &facts) {
        allowed.fetch_add(1, Ordering::Relaxed);
        match host.parse::<IpAddr>() {
            Ok(address) => assert!(!oracle::is_special(address), "{url:?} dials {address}"),
            Err(_) => assert!(host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)), "{url:?} dials {host:?}"),
        }
    }
    if is_allowed(&one, &facts) {
        let port = authority.split_once(':').map_or("443", |(_, port)| port);
        assert_eq!((scheme, host, port), ("https", "a.b", "443"), "{url:?}");
    }
    assert_eq!(Target::parse(dialled), Ok(target), "{url:?}");
}

#[derive(Debug, TypeGenerator)]
struct Path(Vec<u8>, String);

#[test]
fn no_path_above_the_root_is_allowed() {
    let read = json!({ "root": "/srv" });
    let allowed = AtomicUsize::new(0);
    bolero::check!().with_iterations(3000).with_test_time(PATIENCE).with_type::<Path>().for_each(|Path(steps, text)| {
        let steps: Vec<&str> = steps
            .iter()
            .map(|step| ["..", "..", ".", "", "a", "b", "...", "..a", " ..", "proc", "\u{0}", "..\\..", text][usize::from(*step) % 13])
            .collect();
        let path = steps.join("/");
        let is_readable = is_allowed(&read, &Facts::Path { path: &path, access: Access::Read });
        assert!(!is_allowed(&read, &Facts::Path { path: &path, access: Access::Write }), "{path:?}");
        let place = oracle::walk(&path);
        if is_readable {
            allowed.fetch_add(1, Ordering::Relaxed);
            assert!(place.is_some(), "{path:?} leads above the root");
            assert!(!path.contains(['\0', '\\', '\n']) && path.len() <= 4096, "{path:?}");
        } else {
            let odd = path.is_empty() || path.len() > 4096 || path.chars().any(|letter| letter.is_control() || letter == '\\');
            assert!(place.is_none() || odd || steps.iter().any(|step| step.len() > 255), "{path:?} should be allowed");
        }
    });
    assert!(allowed.into_inner() > 5, "some must be allowed");
}

#[test]
fn no_key_and_no_name_leaves_what_was_granted() {
    let keyvalue = json!({ "stores": ["cache"] });
    let blob = json!({ "containers": ["cache"] });
    bolero::check!().with_iterations(3000).with_test_time(PATIENCE).with_type::<(u8, String, String)>().for_each(|(place, store, key)| {
        let store = if *place < 200 { "cache" } else { store.as_str() };
        let fits = store == "cache" && (1..=1024).contains(&key.len()) && !key.chars().any(char::is_control);
        assert_eq!(is_allowed(&keyvalue, &Facts::Key { store, key, access: Access::Read }), fits, "{store:?} {key:?}");
        assert_eq!(is_allowed(&blob, &Facts::Object { container: store, name: key, access: Access::Read }), fits, "{store:?} {key:?}");
        assert!(!is_allowed(&keyvalue, &Facts::Key { store, key, access: Access::Write }));
        assert!(!is_allowed(&blob, &Facts::Object { container: store, name: key, access: Access::Write }));
    });
}

#[test]
fn no_header_ends_its_line_or_frames_the_body() {
    const NAMES: [&str; 14] = [
        "accept",
        "X-Own",
        "content-length",
        "Content-Length",
        "transfer-encoding",
        "HOST",
        ":status",
        "te",
        "connection",
        "x y",
        "",
        "proxy-x",
        "x-forwarded-for",
        "\u{e9}",
    ];
    let allowed = AtomicUsize::new(0);
    bolero::check!().with_iterations(12_000).with_test_time(PATIENCE).with_type::<(Vec<(u8, u8, Vec<u8>)>, Option<u8>)>().for_each(
        |(fields, body)| {
            let owned: Vec<(String, Vec<u8>)> = fields
                .iter()
                .map(|(name, form, value)| {
                    let name = NAMES[usize::from(*name) % NAMES.len()].to_owned();
                    (name, if form % 3 == 0 { value.clone() } else { form.to_string().into_bytes() })
                })
                .collect();
            let fields: Vec<(&str, &[u8])> = owned.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
            if header::decide(&fields, body.map(u64::from)) != Decision::Allow {
                return;
            }
            allowed.fetch_add(1, Ordering::Relaxed);
            // Written out as HTTP/1.1 and read again by lines, there are exactly these fields and at most one true length.
            let wire: Vec<u8> = fields.iter().flat_map(|(name, value)| [name.as_bytes(), b": ", value, b"\r\n"].concat()).collect();
            let lines: Vec<&[u8]> = wire.split(|byte| matches!(byte, b'\r' | b'\n')).filter(|line| !line.is_empty()).collect();
            assert_eq!(lines.len(), fields.len());
            let is = |wanted: &str| {
                fields.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| *value).collect::<Vec<_>>()
            };
            for refused in ["transfer-encoding", "host", "te", "connection", ":status", "proxy-x", "x-forwarded-for"] {
                assert!(is(refused).is_empty(), "{refused}");
            }
            match (is("content-length").as_slice(), body) {
                ([], _) => {}
                ([length], Some(body)) => assert_eq!(*length, body.to_string().as_bytes()),
                ([length], None) => assert!(length.iter().all(u8::is_ascii_digit) && !length.is_empty()),
                (more, _) => panic!("{} lengths", more.len()),
            }
        },
    );
    assert!(allowed.into_inner() > 5, "some must be allowed");
}

#[test]
fn bad_bounds_are_an_issue_and_never_a_decision() {
    let facts = Facts::Request { method: "GET", url: "https://a.b/" };
    for bad in [json!({}), json!({"hosts": "*"}), json!({"hosts": ["*"], "more": 1}), json!({"hosts": ["*"], "concurrency": 0})] {
        decide(Some(&bounds(bad)), &facts).unwrap_err();
    }
}
