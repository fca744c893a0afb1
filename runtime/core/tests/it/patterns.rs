//! Patterns of hosts, topics and networks against the slow answers, and the order among them: what covers another matches all that it matches.

use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use bolero::TypeGenerator;
use plugwork_core::policy::Network;
use plugwork_core::policy::http::{HostPattern, RequestFacts, Scheme};
use plugwork_core::policy::topic::{TopicPattern, is_topic};

use crate::PATIENCE;
use crate::oracle;

const HOSTS: [&str; 20] = [
    "*",
    "a.b",
    "*.a.b",
    "x.a.b",
    "*.x.a.b",
    "y.x.a.b",
    "b",
    "*.b",
    "xa.b",
    "8.8.8.8",
    "127.0.0.1",
    "[::1]",
    "[2606:4700::1111]",
    "[0:0::1]",
    "::1",
    "1.2",
    "0x7f.1",
    "a..b",
    "A.b",
    "*.8.8.8.8",
];
const PORTS: [&str; 9] = ["", ":80", ":443", ":8080", ":0", ":080", ":+80", ":65536", ":"];
const SCHEMES: [&str; 5] = ["", "http://", "https://", "ftp://", "HTTP://"];
const PLACES: [&str; 9] = ["a.b", "x.a.b", "y.x.a.b", "xa.b", "b", "8.8.8.8", "127.0.0.1", "::1", "2606:4700::1111"];

#[derive(Debug, TypeGenerator)]
struct Host(u8, u8, u8);

impl Host {
    fn text(&self) -> String {
        let pick = |of: &[&'static str], index: u8| of[usize::from(index) % of.len()];
        format!("{}{}{}", pick(&SCHEMES, self.0), pick(&HOSTS, self.1), pick(&PORTS, self.2))
    }
}

fn places() -> impl Iterator<Item = (Scheme, &'static str, u16)> {
    let schemes = [Scheme::Http, Scheme::Https].into_iter();
    schemes.flat_map(|scheme| PLACES.into_iter().flat_map(move |host| [80, 443, 8080].map(|port| (scheme, host, port))))
}

fn matches(pattern: &HostPattern, (scheme, host, port): (Scheme, &str, u16)) -> bool {
    pattern.matches(&RequestFacts { scheme, host, port, method: "GET" })
}

#[test]
fn a_host_pattern_means_what_its_sentence_says_and_covers_only_what_it_matches() {
    let covering = AtomicUsize::new(0);
    bolero::check!().with_iterations(10_000).with_test_time(PATIENCE).with_type::<(Host, Host)>().for_each(|(wide, narrow)| {
        let (Ok(wide), Ok(narrow)) = (HostPattern::try_from(wide.text()), HostPattern::try_from(narrow.text())) else { return };
        let text = String::from(wide.clone());
        assert_eq!(HostPattern::try_from(text.clone()), Ok(wide.clone()), "read again");
        assert!(wide.covers(&wide), "{text}");
        for place @ (scheme, host, port) in places() {
            assert_eq!(matches(&wide, place), oracle::host_fits(&text, &scheme.to_string(), host, port), "{text} {place:?}");
            if wide.covers(&narrow) {
                covering.fetch_add(1, Ordering::Relaxed);
                assert!(!matches(&narrow, place) || matches(&wide, place), "{text} {narrow:?} {place:?}");
            }
        }
    });
    assert!(covering.into_inner() > 10, "the order must be tried");
}

#[test]
fn what_covers_less_than_all_is_not_called_covering_and_the_rest_is() {
    // Among single patterns the order is exact: `covers` is true exactly where every place that the narrower one opens is open.
    let patterns: Vec<HostPattern> = SCHEMES
        .iter()
        .flat_map(|scheme| HOSTS.iter().flat_map(move |host| PORTS.iter().map(move |port| format!("{scheme}{host}{port}"))))
        .filter_map(|text| HostPattern::try_from(text).ok())
        .collect();
    assert!(patterns.len() > 100);
    for wide in &patterns {
        for narrow in &patterns {
            let opens = places().filter(|place| matches(narrow, *place)).all(|place| matches(wide, place));
            // The places are few, so a wide pattern can look covered by one that happens to hold them all: only the other direction is exact.
            assert!(!wide.covers(narrow) || opens, "{wide:?} {narrow:?}");
            let single = places().filter(|place| matches(narrow, *place)).count() > 0 && !String::from(narrow.clone()).contains('*');
            assert!(!single || !opens || wide.covers(narrow), "{wide:?} should cover {narrow:?}");
        }
    }
}

#[test]
fn a_pattern_from_any_text_is_refused_or_reads_back() {
    bolero::check!().with_iterations(3000).with_test_time(PATIENCE).for_each(|bytes: &[u8]| {
        let all = String::from_utf8_lossy(bytes).into_owned();
        for text in all.lines().chain([all.as_str()]).map(str::to_owned) {
            if let Ok(pattern) = HostPattern::try_from(text.clone()) {
                let written = String::from(pattern.clone());
                assert_eq!(HostPattern::try_from(written), Ok(pattern), "{text:?}");
            }
            if let Ok(pattern) = TopicPattern::try_from(text.clone()) {
                assert_eq!(pattern.to_string(), text);
            }
            if let Ok(network) = text.parse::<Network>() {
                assert_eq!(network.to_string().parse(), Ok(network));
            }
        }
    });
}

#[derive(Debug, TypeGenerator)]
struct Topic([u8; 4], u8);

impl Topic {
    fn text(&self, words: &[&str]) -> String {
        self.0.iter().take(usize::from(self.1 % 4) + 1).map(|index| words[usize::from(*index) % words.len()]).collect::<Vec<_>>().join("/")
    }
}

#[test]
fn a_topic_pattern_means_what_it_says_and_covers_only_what_it_matches() {
    let matching = AtomicUsize::new(0);
    bolero::check!().with_iterations(4000).with_test_time(PATIENCE).with_type::<(Topic, Topic, Topic)>().for_each(
        |(wide, narrow, topic)| {
            let words = ["a", "b", "*", "*", "*", "**", "a", ""];
            let (wide, narrow, topic) = (wide.text(&words), narrow.text(&words), topic.text(&["a", "b", "a", "b", "a", "b", "c", "*"]));
            let (Ok(wider), Ok(narrower)) = (TopicPattern::try_from(wide.clone()), TopicPattern::try_from(narrow.clone())) else { return };
            let split = |text: &'_ str| text.split('/').map(str::to_owned).collect::<Vec<_>>();
            let (pattern, topic_words) = (split(&wide), split(&topic));
            let pattern: Vec<&str> = pattern.iter().map(String::as_str).collect();
            let topic_words: Vec<&str> = topic_words.iter().map(String::as_str).collect();
            let fits = is_topic(&topic) && oracle::topic_fits(&pattern, &topic_words);
            assert_eq!(wider.matches(&topic), fits, "{wide} {topic}");
            assert!(wider.covers(&wider));
            if wider.covers(&narrower) && narrower.matches(&topic) {
                matching.fetch_add(1, Ordering::Relaxed);
                assert!(fits, "{wide} covers {narrow} but not {topic}");
            }
        },
    );
    assert!(matching.into_inner() > 10, "the order must be tried");
}

/// Every text of up to three of these words: few enough to try them all.
fn up_to_three(words: &[&str]) -> Vec<String> {
    let mut texts: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    for _ in 0..2 {
        let longer: Vec<String> = texts.iter().flat_map(|text| words.iter().map(move |word| format!("{text}/{word}"))).collect();
        texts.extend(longer);
    }
    texts.sort();
    texts.dedup();
    texts
}

fn topic_patterns(words: &[&str]) -> Vec<TopicPattern> {
    up_to_three(words).into_iter().filter_map(|text| TopicPattern::try_from(text).ok()).collect()
}

#[test]
fn two_patterns_overlap_exactly_where_some_topic_fits_both() {
    let topics = up_to_three(&["a", "plugwork", "x"]);
    let patterns = topic_patterns(&["a", "plugwork", "*", "**"]);
    let mut overlapping = 0;
    for one in &patterns {
        for other in &patterns {
            let meet = topics.iter().any(|topic| one.matches(topic) && other.matches(topic));
            assert_eq!(one.overlaps(other), meet, "{one} {other}");
            overlapping += usize::from(meet);
        }
    }
    assert!(overlapping > 500, "{overlapping}");
}

#[test]
fn the_order_of_topics_is_exact() {
    let topics = up_to_three(&["a", "b"]);
    let patterns = topic_patterns(&["a", "*", "**"]);
    for wide in &patterns {
        for narrow in &patterns {
            let holds = topics.iter().filter(|topic| narrow.matches(topic)).all(|topic| wide.matches(topic));
            let open_ended = narrow.to_string().ends_with("**");
            assert!(!wide.covers(narrow) || holds, "{wide} {narrow}");
            assert!(!holds || open_ended || wide.covers(narrow), "{wide} should cover {narrow}");
        }
    }
    let pattern = |text: &str| TopicPattern::try_from(text.to_owned()).unwrap();
    for (wide, narrow, covers) in [
        ("**", "**", true),
        ("**", "a/**", true),
        ("**", "a", true),
        ("a/**", "**", false),
        ("a/**", "a/**", true),
        ("a/**", "a/*/**", true),
        ("a/*/**", "a/**", false),
        ("a/**", "a", false),
        ("a/**", "b/**", false),
        ("*/**", "a/**", true),
        ("a", "**", false),
        ("*", "**", false),
    ] {
        assert_eq!(pattern(wide).covers(&pattern(narrow)), covers, "{wide} {narrow}");
    }
}

#[test]
fn a_network_holds_what_its_bits_say() {
    bolero::check!().with_iterations(4000).with_test_time(PATIENCE).with_type::<(bool, u8, [u8; 16], u8, [u8; 16], u8)>().for_each(
        |(four, bits, net, flip, address, narrower)| {
            let address_of =
                |octets: &[u8; 16]| if *four { IpAddr::from([octets[0], octets[1], octets[2], octets[3]]) } else { IpAddr::from(*octets) };
            let width = if *four { 32 } else { 128 };
            // One bit apart, or anywhere.
            let mut near = *net;
            near[usize::from(flip / 8) % 16] ^= 1 << (flip % 8);
            let (bits, narrower) = (bits % (width + 1), narrower % (width + 1));
            let text = format!("{}/{bits}", address_of(net));
            let network: Network = text.parse().unwrap();
            for address in [address_of(net), address_of(&near), address_of(address)] {
                // A mapped address is judged as the IPv4 address that it reaches.
                let expected = address.to_canonical() == address && oracle::lies_in(address, &text);
                assert_eq!(network.contains(address), expected, "{text} {address}");
                let inner: Network = format!("{address}/{narrower}").parse().unwrap();
                assert_eq!(network.covers(&inner), bits <= narrower && oracle::lies_in(address, &text), "{text} {inner}");
            }
        },
    );
    for (wide, narrow, covers) in
        [("0.0.0.0/0", "::/0", false), ("::/0", "1.2.3.4", false), ("::/0", "::1", true), ("10.0.0.0/8", "10.0.0.0/7", false)]
    {
        assert_eq!(wide.parse::<Network>().unwrap().covers(&narrow.parse().unwrap()), covers, "{wide} {narrow}");
    }
}
