//! The configuration file of `plugwork serve`: where it listens, its limits, and the tables that other parts read. Reading is pure.
//!
//! Easy to get wrong: paths in it are relative to the file, not to the folder that the command runs in; and a key that nobody knows is an error, since a
//! limit that was misspelt is no limit.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use plugwork::Allocation;
use plugwork_core::Issue;
use plugwork_core::section::{Findings, Section, place, table};
use plugwork_edge::{Address, Checks, Listen, Settings, TlsFiles};

use super::tracing::Said;
use crate::exit::Failure;

/// Larger files are no configuration.
const CONFIG_BYTES_MAX: u64 = 256 << 10;
const LISTENS_MAX: usize = 16;
/// Permissions of a socket where none are given: its owner and its group.
const SOCKET_MODE: u32 = 0o660;
/// A day: no limit of a server is longer.
const TIME_MS_MAX: u64 = 24 * 60 * 60 * 1_000;

/// What a file says; what it leaves out is as without a file.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Config {
    /// Empty: nothing is said of it.
    pub(crate) listen: Vec<Listen>,
    pub(crate) limits: Settings,
    /// Identity checks by name, as they were written.
    pub(crate) auth: BTreeMap<String, toml::Table>,
    /// The port for operators, beside the socket of the state folder.
    pub(crate) admin: Option<SocketAddr>,
    /// Where spans are sent.
    pub(crate) tracing: Said,
}

impl Config {
    /// Reads a file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
        let doing = format!("cannot read the configuration `{}`", path.display());
        let failed = |error: std::io::Error| Failure::from(error).while_doing(&doing);
        let bytes = std::fs::metadata(path).map_err(failed)?.len();
        if bytes > CONFIG_BYTES_MAX {
            return Err(Failure::usage(format_args!("{doing}: it has {bytes} bytes, at most {CONFIG_BYTES_MAX} are allowed")));
        }
        let text = std::fs::read_to_string(path).map_err(failed)?;
        Self::parse(&text, folder(path)).map_err(|issues| Failure::usage(wrong(path, &issues)))
    }

    /// Makes the identity checks of what was read from this file. What is as it was `before` goes on with the keys that it fetched.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn checks(&self, path: Option<&Path>, before: &Checks) -> Result<Checks, Failure> {
        let Some(path) = path else { return Ok(Checks::default()) };
        Checks::read(&self.auth, folder(path), before).map_err(|issues| Failure::usage(wrong(path, &issues)))
    }

    /// Reads the text of a file that stands in `folder`.
    ///
    /// # Errors
    /// Everything that is wrong with it, each with its place.
    pub(crate) fn parse(text: &str, folder: &Path) -> Result<Self, Vec<Issue>> {
        let entries: toml::Table = toml::from_str(text)
            .map_err(|error| vec![Issue { what: error.to_string().trim_end().to_owned(), at: String::new(), expected: String::new() }])?;
        let mut findings = Findings::default();
        let mut file = Section::new("", entries);
        let written = file.list("listen", "tables `[[listen]]`", &mut findings).unwrap_or_default();
        let limits = file.table("limits", &mut findings).map(|entries| limits(entries, &mut findings)).unwrap_or_default();
        let auth = file.table("auth", &mut findings).unwrap_or_default();
        let admin = file.table("admin", &mut findings).and_then(|entries| admin(entries, &mut findings));
        let tracing = file.table("tracing", &mut findings).map(|entries| Said::read(entries, &mut findings)).unwrap_or_default();
        file.end(&mut findings);
        let listen = listens(written, folder, &mut findings);
        let auth = auth.into_iter().filter_map(|(name, value)| {
            let at = place("auth", &name);
            table(value, &at, &mut findings).map(|entries| (name, entries))
        });
        let auth = auth.collect();
        if findings.0.is_empty() { Ok(Self { listen, limits, auth, admin, tracing }) } else { Err(findings.0) }
    }
}

/// The folder that relative files of a configuration are in.
fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// What is wrong with a file, as one text.
pub(crate) fn wrong(path: &Path, issues: &[Issue]) -> String {
    let issues: String = issues.iter().map(|issue| format!("\n  {issue}")).collect();
    format!("`{}` cannot be used:{issues}", path.display())
}

fn limits(entries: toml::Table, findings: &mut Findings) -> Settings {
    let mut section = Section::new("limits", entries);
    let mut settings = Settings::default();
    let mut number = |key, max, field: &mut dyn FnMut(u64)| {
        if let Some(number) = section.number(key, 1..=max, findings) {
            field(number);
        }
    };
    number("connections-max", 1_000_000, &mut |number| settings.connections_max = number as usize);
    number("client-connections-max", 1_000_000, &mut |number| settings.client_connections_max = number as usize);
    number("head-deadline-ms", TIME_MS_MAX, &mut |number| settings.head_deadline_ms = number);
    number("idle-ms", TIME_MS_MAX, &mut |number| settings.idle_ms = number);
    number("stall-ms", TIME_MS_MAX, &mut |number| settings.stall_ms = number);
    number("send-bytes-per-second-min", 1 << 30, &mut |number| settings.send_bytes_per_second_min = number);
    number("answer-bytes-total", 1 << 40, &mut |number| settings.answer_bytes_total = number as usize);
    number("body-bytes-total", 1 << 40, &mut |number| settings.body_bytes_total = number as usize);
    number("bodies-max", 1_000_000, &mut |number| settings.bodies_max = number as usize);
    number("client-share-percent", 100, &mut |number| settings.client_share_percent = number as u32);
    number("streams-max", 10_000, &mut |number| settings.streams_max = number as u32);
    number("instances-max", u64::from(Allocation::INSTANCES_MAX), &mut |number| settings.instances_max = number as u32);
    number("plugin-requests-max", 1_000_000, &mut |number| settings.plugin_requests_max = number as usize);
    number("rate-clients-max", 100_000_000, &mut |number| settings.rate_clients_max = number as usize);
    number("tenant-component-bytes-max", 1 << 50, &mut |number| settings.tenant_component_bytes_max = number);
    // None in a line, no wait and no time to drain are limits too.
    let mut number = |key, max, field: &mut dyn FnMut(u64)| {
        if let Some(number) = section.number(key, 0..=max, findings) {
            field(number);
        }
    };
    number("plugin-queue-max", 1_000_000, &mut |number| settings.plugin_queue_max = number as usize);
    number("plugin-queue-ms", TIME_MS_MAX, &mut |number| settings.plugin_queue_ms = number);
    number("drain-ms", TIME_MS_MAX, &mut |number| settings.drain_ms = number);
    section.end(findings);
    settings
}

fn admin(entries: toml::Table, findings: &mut Findings) -> Option<SocketAddr> {
    let mut section = Section::new("admin", entries);
    let text = section.needed("address", "an IP address and a port, such as `127.0.0.1:9090`", findings);
    let address = text.and_then(|text| {
        let address = text.parse().ok();
        if address.is_none() {
            findings.add("admin.address", shown(&text), "an IP address and a port, such as `127.0.0.1:9090`");
        }
        address
    });
    section.end(findings);
    address
}

fn listens(written: Vec<toml::Value>, folder: &Path, findings: &mut Findings) -> Vec<Listen> {
    if written.len() > LISTENS_MAX {
        findings.add("listen", format!("{} places", written.len()), format!("at most {LISTENS_MAX}"));
        return Vec::new();
    }
    let mut listens: Vec<Listen> = Vec::with_capacity(written.len());
    for (index, value) in written.into_iter().enumerate() {
        let at = format!("listen[{index}]");
        let Some(listen) = table(value, &at, findings).and_then(|entries| listen(&at, entries, folder, findings)) else { continue };
        let is_twice = listens.iter().any(|other| match (&other.address, &listen.address) {
            (Address::Tcp(one), Address::Tcp(other)) => one == other && one.port() != 0,
            (Address::Unix { path: one, .. }, Address::Unix { path: other, .. }) => one == other,
            _ => false,
        });
        if is_twice {
            findings.add(&at, format!("`{}` stands twice", listen.address), "each place once");
        }
        listens.push(listen);
    }
    listens
}

fn listen(at: &str, entries: toml::Table, folder: &Path, findings: &mut Findings) -> Option<Listen> {
    const EITHER: &str = "either `address = \"127.0.0.1:8080\"` or `unix = \"edge.sock\"`";
    let mut section = Section::new(at, entries);
    let (has_address, has_unix, has_mode) = (section.has("address"), section.has("unix"), section.has("mode"));
    if has_address == has_unix {
        findings.add(at, if has_unix { "both `address` and `unix`" } else { "neither `address` nor `unix`" }, EITHER);
    }
    if has_mode && !has_unix {
        findings.add(&section.place("mode"), "an address has no permissions", "`mode` beside `unix`");
    }
    let tcp = section.text("address", findings).and_then(|text| {
        let address = text.parse().map(Address::Tcp).ok();
        if address.is_none() {
            findings.add(&section.place("address"), shown(&text), "an IP address and a port, such as `127.0.0.1:8080` or `[::]:443`");
        }
        address
    });
    let mode = match section.text("mode", findings) {
        None => Some(SOCKET_MODE),
        Some(text) => {
            let mode = u32::from_str_radix(&text, 8).ok().filter(|mode| *mode <= 0o777 && matches!(text.len(), 3 | 4));
            if mode.is_none() {
                findings.add(&section.place("mode"), shown(&text), "permissions in octal digits, such as `\"0660\"`");
            }
            mode
        }
    };
    let unix = path(&mut section, "unix", folder, findings);
    let tls = section.table("tls", findings).map(|entries| tls(section.place("tls"), entries, folder, findings));
    section.end(findings);
    let address = match (tcp, unix) {
        (Some(tcp), None) => tcp,
        (None, Some(path)) => Address::Unix { path, mode: mode? },
        _ => return None,
    };
    // Where TLS is asked for and wrong there is a finding, and nothing is listened on without it.
    Some(Listen { address, tls: tls.flatten() })
}

fn tls(at: String, entries: toml::Table, folder: &Path, findings: &mut Findings) -> Option<TlsFiles> {
    let mut section = Section::new(at, entries);
    for key in ["certificate", "key"] {
        if !section.has(key) {
            findings.add(&section.place(key), "it is missing", "`tls = { certificate = \"edge.pem\", key = \"edge.key\" }`");
        }
    }
    let certificate = path(&mut section, "certificate", folder, findings);
    let key = path(&mut section, "key", folder, findings);
    section.end(findings);
    Some(TlsFiles { certificate: certificate?, key: key? })
}

fn path(section: &mut Section, key: &'static str, folder: &Path, findings: &mut Findings) -> Option<PathBuf> {
    let text = section.text(key, findings)?;
    if text.is_empty() || text.contains('\0') {
        findings.add(&section.place(key), shown(&text), "the path of a file");
        return None;
    }
    Some(folder.join(text))
}

fn shown(text: &str) -> String {
    format!("`{}`", text.chars().take(80).collect::<String>().escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config, Vec<Issue>> {
        Config::parse(text, Path::new("/etc/plugwork"))
    }

    /// The place of each finding.
    fn places(text: &str) -> Vec<String> {
        parse(text).unwrap_err().into_iter().map(|issue| issue.at).collect()
    }

    #[test]
    fn nothing_said_is_as_without_a_file() {
        assert_eq!(parse("").unwrap(), Config::default());
    }

    #[test]
    fn places_to_listen_are_read_with_paths_beside_the_file() {
        let config = parse(
            "[[listen]]\naddress = \"127.0.0.1:8443\"\ntls = { certificate = \"x.pem\", key = \"/run/x.key\" }\n\
             [[listen]]\nunix = \"edge.sock\"\n[[listen]]\nunix = \"/run/edge.sock\"\nmode = \"0600\"\n\
             [auth.staff]\nissuer = \"https://id.example\"\n[admin]\naddress = \"127.0.0.1:9000\"\n\
             [tracing]\notlp = \"http://127.0.0.1:4318\"\nratio = 0.25\n",
        )
        .unwrap();
        let tls = TlsFiles { certificate: "/etc/plugwork/x.pem".into(), key: "/run/x.key".into() };
        assert_eq!(
            config.listen,
            [
                Listen { address: Address::Tcp("127.0.0.1:8443".parse().unwrap()), tls: Some(tls) },
                Listen { address: Address::Unix { path: "/etc/plugwork/edge.sock".into(), mode: 0o660 }, tls: None },
                Listen { address: Address::Unix { path: "/run/edge.sock".into(), mode: 0o600 }, tls: None },
            ]
        );
        assert_eq!(config.auth["staff"]["issuer"].as_str(), Some("https://id.example"));
        assert_eq!(config.admin, Some("127.0.0.1:9000".parse().unwrap()));
        assert_eq!(config.tracing, Said { otlp: Some("http://127.0.0.1:4318".to_owned()), ratio: Some(0.25) });
    }

    #[test]
    fn tracing_is_a_collector_and_a_share_of_traces() {
        assert_eq!(places("[tracing]\notlp = 1\nratio = 2\ncolour = 1\n"), ["tracing.otlp", "tracing.ratio", "tracing.colour"]);
        assert_eq!(places("[tracing]\notlp = \"collector\"\nratio = -0.1\n"), ["tracing.ratio", "tracing.otlp"]);
        for (text, ratio) in [("0", 0.0), ("1", 1.0), ("0.5", 0.5)] {
            assert_eq!(parse(&format!("[tracing]\nratio = {text}\n")).unwrap().tracing.ratio, Some(ratio));
        }
    }

    #[test]
    fn every_limit_has_its_key() {
        let text = "[limits]\nconnections-max = 1\nhead-deadline-ms = 2\nidle-ms = 3\nstall-ms = 4\nstreams-max = 5\nplugin-requests-max = 6\n\
                    plugin-queue-max = 7\nplugin-queue-ms = 8\nrate-clients-max = 9\ndrain-ms = 10\nsend-bytes-per-second-min = 11\n\
                    answer-bytes-total = 12\nbody-bytes-total = 13\nbodies-max = 14\nclient-share-percent = 15\nclient-connections-max = 16\n\
                    tenant-component-bytes-max = 17\ninstances-max = 18\n";
        // Without a rest: a limit that is new has to be written here too.
        let Settings {
            connections_max,
            head_deadline_ms,
            idle_ms,
            stall_ms,
            streams_max,
            instances_max,
            plugin_requests_max,
            plugin_queue_max,
            plugin_queue_ms,
            rate_clients_max,
            drain_ms,
            send_bytes_per_second_min,
            answer_bytes_total,
            body_bytes_total,
            bodies_max,
            client_share_percent,
            client_connections_max,
            tenant_component_bytes_max,
        } = parse(text).unwrap().limits;
        let sizes = [connections_max, streams_max as usize, plugin_requests_max, plugin_queue_max, rate_clients_max];
        let held = [answer_bytes_total, body_bytes_total, bodies_max, client_share_percent as usize, client_connections_max];
        assert_eq!((send_bytes_per_second_min, held, tenant_component_bytes_max, instances_max), (11, [12, 13, 14, 15, 16], 17, 18));
        assert_eq!((sizes, [head_deadline_ms, idle_ms, stall_ms, plugin_queue_ms, drain_ms]), ([1, 5, 6, 7, 9], [2, 3, 4, 8, 10]));
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_with_its_place() {
        let text = "colour = 1\nadmin = 1\n\
                    [[listen]]\naddress = \"localhost\"\nmode = \"0660\"\n[[listen]]\nunix = \"\"\naddress = \"[::1]:1\"\n[[listen]]\n\
                    [[listen]]\nunix = \"s\"\nmode = \"999\"\ntls = { certificate = \"x.pem\" }\n\
                    [[listen]]\naddress = \"127.0.0.1:1\"\n[[listen]]\naddress = \"127.0.0.1:1\"\n\
                    [limits]\nidle-ms = 0\nstall-ms = \"1s\"\nheaders-max = 1\n[auth]\nstaff = 1\n";
        let mut found = places(text);
        found.sort();
        let expected = [
            "admin",
            "auth.staff",
            "colour",
            "limits.headers-max",
            "limits.idle-ms",
            "limits.stall-ms",
            "listen[0].address",
            "listen[0].mode",
            "listen[1]",
            "listen[1].unix",
            "listen[2]",
            "listen[3].mode",
            "listen[3].tls.key",
            "listen[5]",
        ];
        assert_eq!(found, expected);
        assert_eq!(places("listen = 1"), ["listen"]);
        assert_eq!(places("[admin]\naddress = \"localhost:1\"\nport = 1\n"), ["admin.address", "admin.port"]);
        assert_eq!(places("[admin]"), ["admin.address"]);
        assert_eq!(places("[[listen]"), [""], "what is no TOML is one finding");
        let many = "[[listen]]\naddress = \"127.0.0.1:0\"\n".repeat(LISTENS_MAX);
        assert_eq!(parse(&many).unwrap().listen.len(), LISTENS_MAX);
        assert_eq!(places(&format!("{many}[[listen]]\n")), ["listen"]);
    }

    #[test]
    fn the_longest_time_of_a_limit_is_a_day() {
        assert_eq!(parse("[limits]\nidle-ms = 86400000").unwrap().limits.idle_ms, TIME_MS_MAX);
        assert_eq!(places("[limits]\nidle-ms = 86400001"), ["limits.idle-ms"]);
    }
}
