//! The route table against a slow matcher, which tries every route and keeps the nearest; it shares no code with the crate but the parsing of patterns.

use std::cmp::Reverse;

use bolero::TypeGenerator;
use plugwork_core::route::{BadPath, Miss, Route, RouteTable};

use crate::PATIENCE;

const HOSTS: [&str; 6] = ["*", "a.b", "*.b", "*.a.b", "x.a.b", "b"];
const ASKED_HOSTS: [&str; 7] = ["", "a.b", "b", "x.a.b", "Y.x.A.b.", "c:80", "xa.b"];
const METHODS: [&[&str]; 5] = [&[], &["GET"], &["POST"], &["GET", "POST"], &["HEAD", "PUT"]];
const ASKED_METHODS: [&str; 4] = ["GET", "HEAD", "POST", "OPTIONS"];
const SEGMENTS: [&str; 6] = ["a", "b", "{p}", "{*r}", "", "c d"];
const ASKED_SEGMENTS: [&str; 14] =
    ["a", "b", "c%20d", "%61", "a%2Fb", "", "..", "%2e", "%zz", "\u{e9}", "%c3%a9", "a%2f..%2f", "%2Fetc", "a%5Cb"];

#[derive(Debug, TypeGenerator)]
struct Rule(u8, u8, [u8; 3], u8);

impl Rule {
    /// A route; none where the segments make no pattern.
    fn route(&self) -> Option<Route> {
        let picked: Vec<&str> = self.2.iter().take(usize::from(self.3 % 3) + 1).map(|&at| pick(&SEGMENTS, at)).collect();
        let mut path = String::new();
        for (index, segment) in picked.iter().enumerate() {
            // Names differ by place, so that no name stands twice.
            path += "/";
            path += &segment.replace('p', &format!("p{index}")).replace('r', &format!("r{index}"));
        }
        let methods = METHODS[usize::from(self.1) % METHODS.len()];
        let methods = methods.iter().map(|method| (*method).to_owned()).collect();
        Some(Route { host: pick(&HOSTS, self.0).parse().unwrap(), methods, path: path.parse().ok()? })
    }
}

fn pick<'t>(of: &[&'t str], at: u8) -> &'t str {
    of[usize::from(at) % of.len()]
}

#[derive(Debug, TypeGenerator)]
struct Case {
    rules: [Rule; 6],
    host: u8,
    method: u8,
    path: [u8; 3],
    depth: u8,
}

impl Case {
    fn asked(&self) -> (&'static str, &'static str, String) {
        let depth = usize::from(self.depth % 3) + 1;
        let path = self.path.iter().take(depth).map(|&at| format!("/{}", pick(&ASKED_SEGMENTS, at))).collect();
        (pick(&ASKED_HOSTS, self.host), pick(&ASKED_METHODS, self.method), path)
    }
}

/// One segment decoded, or the slow proof that it is none.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let raw = segment.as_bytes();
    let mut at = 0;
    while at < raw.len() {
        if raw[at] == b'%' {
            let digits = segment.get(at + 1..at + 3)?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            at += 3;
        } else {
            bytes.push(raw[at]);
            at += 1;
        }
    }
    let text = String::from_utf8(bytes).ok()?;
    let is_plain = |step: &str| step != "." && step != ".." && !(step.is_empty() && text.contains('/')) && !step.contains('\\');
    text.split('/').all(is_plain).then_some(text)
}

/// The rank of each segment and the parameters, if the pattern matches.
fn slow_path(pattern: &str, path: &[(String, bool)]) -> Option<(Vec<u8>, Vec<String>)> {
    let pattern: Vec<&str> = pattern[1..].split('/').collect();
    let (mut ranks, mut values) = (Vec::new(), Vec::new());
    for (index, segment) in pattern.iter().enumerate() {
        if segment.starts_with("{*") {
            let rest = path.get(index..).filter(|rest| !rest.is_empty() && rest.iter().all(|(_, encoded)| !encoded))?;
            values.push(rest.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join("/"));
            ranks.push(2);
            return Some((ranks, values));
        }
        let (text, _) = path.get(index)?;
        if segment.starts_with('{') {
            values.push((!text.is_empty()).then(|| text.clone())?);
            ranks.push(1);
        } else if segment == text {
            ranks.push(0);
        } else {
            return None;
        }
    }
    (pattern.len() == path.len()).then_some((ranks, values))
}

/// How near a host rule is, if it matches: smaller is nearer.
fn slow_host(rule: &str, host: &str) -> Option<(u8, Reverse<usize>)> {
    match rule.strip_prefix('*') {
        None => (rule == host).then_some((0, Reverse(0))),
        Some("") => Some((2, Reverse(0))),
        Some(ending) => host.ends_with(ending).then_some((1, Reverse(ending.len()))),
    }
}

type Slow = Result<(usize, Vec<String>), Miss>;

fn slow(routes: &[Route], host: &str, method: &str, path: &str) -> Slow {
    let host = host.to_lowercase();
    let host = host.split(':').next().unwrap().trim_end_matches('.');
    let mut segments = Vec::new();
    for segment in path[1..].split('/') {
        segments.push((decoded(segment).ok_or(Miss::BadPath(BadPath::Nul))?, segment.to_lowercase().contains("%2f")));
    }
    if path.contains("//") {
        return Err(Miss::BadPath(BadPath::Nul));
    }
    let mut best = None;
    let mut allow = Vec::new();
    for (index, route) in routes.iter().enumerate() {
        let Some(nearness) = slow_host(&route.host.to_string(), host) else { continue };
        let Some((ranks, values)) = slow_path(&route.path.to_string(), &segments) else { continue };
        let takes = |method: &str| route.methods.iter().any(|taken| taken == method || taken == "GET" && method == "HEAD");
        allow.extend(["DELETE", "GET", "HEAD", "POST", "PUT"].into_iter().filter(|method| takes(method)));
        if route.methods.is_empty() || takes(method) {
            let rank = (nearness, ranks, route.methods.is_empty());
            if best.as_ref().is_none_or(|(nearer, _)| rank < *nearer) {
                best = Some((rank, (index, values)));
            }
        }
    }
    allow.sort_unstable();
    allow.dedup();
    match best {
        Some((_, found)) => Ok(found),
        None if allow.is_empty() => Err(Miss::NotFound),
        None => Err(Miss::MethodNotAllowed(allow.into_iter().map(str::to_owned).collect())),
    }
}

#[test]
fn the_table_answers_as_a_matcher_that_tries_every_route() {
    bolero::check!().with_type::<Case>().with_iterations(60_000).with_max_len(64).with_test_time(PATIENCE).for_each(|case| {
        let mut routes: Vec<Route> = Vec::new();
        for route in case.rules.iter().filter_map(Rule::route) {
            routes.push(route);
            // A route in conflict with an earlier one is taken out again; that it is one, the other tests decide.
            if let Err(conflicts) = RouteTable::new(&routes) {
                assert!(conflicts.iter().all(|conflict| conflict.second + 1 == routes.len()));
                routes.pop();
            }
        }
        let table = RouteTable::new(&routes).unwrap();
        let (host, method, path) = case.asked();
        let found = table.find(host, method, &path);
        let found: Slow = match found {
            Ok(found) => Ok((found.route, found.parameters.into_iter().map(|(_, value)| value).collect())),
            // Which of several faults is named first is not compared.
            Err(Miss::BadPath(_)) => Err(Miss::BadPath(BadPath::Nul)),
            Err(other) => Err(other),
        };
        assert_eq!(found, slow(&routes, host, method, &path), "{host} {method} {path} in {routes:?}");
    });
}

#[test]
fn of_two_sides_each_answers_as_if_it_were_alone() {
    bolero::check!().with_type::<Case>().with_iterations(60_000).with_max_len(64).with_test_time(PATIENCE).for_each(|case| {
        // The rules fall in turn to one side, to the other, and to both.
        let sides = |index: usize| [[true, false], [false, true], [true, true]][index % 3];
        let mut both: Vec<(Route, [bool; 2])> = Vec::new();
        let are_apart =
            |both: &[(Route, [bool; 2])], one: usize, other: usize| (0..2).all(|side| !(both[one].1[side] && both[other].1[side]));
        let routes = |both: &[(Route, [bool; 2])]| both.iter().map(|(route, _)| route.clone()).collect::<Vec<_>>();
        for (index, route) in case.rules.iter().enumerate().filter_map(|(index, rule)| Some((index, rule.route()?))) {
            both.push((route, sides(index)));
            let alone = (0..2).all(|side| RouteTable::new(&routes(&of(&both, side))).is_ok());
            let table = RouteTable::with_alternatives(&routes(&both), &|one, other| are_apart(&both, one, other));
            assert_eq!(table.is_ok(), alone, "{both:?}");
            if !alone {
                both.pop();
            }
        }
        let table = RouteTable::with_alternatives(&routes(&both), &|one, other| are_apart(&both, one, other)).unwrap();
        let (host, method, path) = case.asked();
        for side in 0..2 {
            let places: Vec<usize> = (0..both.len()).filter(|&index| both[index].1[side]).collect();
            let alone = RouteTable::new(&routes(&of(&both, side))).unwrap();
            let alone = alone.find(host, method, &path).map(|found| (places[found.route], found.parameters.len()));
            let found = table.find_served(host, method, &path, &|route| both[route].1[side]);
            assert_eq!(found.map(|found| (found.route, found.parameters.len())), alone, "{host} {method} {path} in {both:?}");
        }
    });
}

fn of(both: &[(Route, [bool; 2])], side: usize) -> Vec<(Route, [bool; 2])> {
    both.iter().filter(|(_, sides)| sides[side]).cloned().collect()
}
