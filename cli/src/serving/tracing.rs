//! Where a server sends its spans: an argument, its configuration, or the environment that OpenTelemetry defines for every program, in this order. Off unless one
//! of them names a collector.
//!
//! Easy to get wrong: of the two addresses in the environment one is whole (`…TRACES_ENDPOINT`) and one a base, behind which the path of traces is put.
//! Headers hold keys of the collector's, so no message shows them.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use plugwork_core::section::{Findings, Section};
use plugwork_edge::{Destination, Tracing};

use crate::exit::Failure;

const PATH: &str = "/v1/traces";

/// What of it is said on the command line.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Sends traces to this collector: OTLP over HTTP, such as
    /// http://127.0.0.1:4318. Default: $OTEL_EXPORTER_OTLP_ENDPOINT; else none.
    #[arg(long, value_name = "URL")]
    otlp: Option<String>,
    /// The share of traces that begin here and are recorded, 0 to 1; 1 where
    /// nothing is said. Of those that a client began the client says so.
    #[arg(long, value_name = "SHARE")]
    trace_ratio: Option<f64>,
}

/// What the command line says of it, or the table `[tracing]` of a configuration.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Said {
    pub(crate) otlp: Option<String>,
    pub(crate) ratio: Option<f64>,
}

impl Arguments {
    /// With what a configuration says where the command line says nothing.
    pub(crate) fn over(&self, configured: &Said) -> Said {
        Said { otlp: self.otlp.clone().or_else(|| configured.otlp.clone()), ratio: self.trace_ratio.or(configured.ratio) }
    }
}

impl Said {
    /// Reads the table of a configuration.
    pub(crate) fn read(entries: toml::Table, findings: &mut Findings) -> Self {
        let mut section = Section::new("tracing", entries);
        let otlp = section.text("otlp", findings);
        let ratio = section.take("ratio").and_then(|value| {
            let number = match &value {
                toml::Value::Float(number) => Some(*number),
                toml::Value::Integer(number @ 0..=1) => Some(*number as f64),
                _ => None,
            };
            let share = number.filter(|number| (0.0..=1.0).contains(number));
            if share.is_none() {
                findings.add(&section.place("ratio"), format!("`{value}`"), "a share of 0 to 1, such as `0.1`");
            }
            share
        });
        if let Some(issue) = otlp.as_ref().filter(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
            let shown: String = issue.chars().take(80).collect();
            findings.add(&section.place("otlp"), format!("`{}`", shown.escape_debug()), "a collector, such as `http://127.0.0.1:4318`");
        }
        section.end(findings);
        Self { otlp, ratio }
    }
}

/// Begins to send, where there is a collector.
pub(crate) fn start(said: &Said) -> Result<Option<Tracing>, Failure> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let Some(destination) = destination(said, variable).map_err(Failure::usage)? else { return Ok(None) };
    Tracing::start(destination).map(Some).map_err(Failure::usage)
}

fn destination(said: &Said, variable: impl Fn(&str) -> Option<String>) -> Result<Option<Destination>, String> {
    let is_off = variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || variable("OTEL_TRACES_EXPORTER").is_some_and(|value| value == "none");
    let named = said.otlp.as_deref().map(whole).or_else(|| {
        let base = || variable("OTEL_EXPORTER_OTLP_ENDPOINT").map(|base| format!("{}{PATH}", base.trim_end_matches('/')));
        variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or_else(base).filter(|_| !is_off)
    });
    let Some(url) = named else { return Ok(None) };
    let either =
        |name: &str| variable(&format!("OTEL_EXPORTER_OTLP_TRACES_{name}")).or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{name}")));
    if let Some(protocol) = either("PROTOCOL").filter(|protocol| protocol != "http/protobuf") {
        return Err(format!("`OTEL_EXPORTER_OTLP_PROTOCOL` is `{protocol}`; only `http/protobuf` is spoken"));
    }
    let headers = either("HEADERS").map_or(Ok(HeaderMap::new()), |text| headers(&text))?;
    let service = variable("OTEL_SERVICE_NAME").unwrap_or_else(|| "plugwork".to_owned());
    Ok(Some(Destination { url, headers, ratio: said.ratio.unwrap_or(1.0), service }))
}

/// An address without a path is a base; one with a path is whole.
fn whole(given: &str) -> String {
    let has_path = given.split_once("://").is_some_and(|(_, rest)| rest.split_once('/').is_some_and(|(_, path)| !path.is_empty()));
    if has_path { given.to_owned() } else { format!("{}{PATH}", given.trim_end_matches('/')) }
}

/// `key=value,key=value`, with escapes as in a URL.
fn headers(text: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    for (place, pair) in text.split(',').map(str::trim).enumerate().filter(|(_, pair)| !pair.is_empty()) {
        let parsed = pair.split_once('=').and_then(|(name, value)| {
            let mut value = HeaderValue::from_bytes(&unescaped(value.trim())?).ok()?;
            value.set_sensitive(true);
            Some((HeaderName::from_bytes(name.trim().as_bytes()).ok()?, value))
        });
        let (name, value) = parsed.ok_or_else(|| format!("`OTEL_EXPORTER_OTLP_HEADERS`: number {} is no `name=value`", place + 1))?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        (bytes, rest) = match byte {
            b'%' => {
                let digits =
                    std::str::from_utf8(behind.get(..2)?).ok().filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
                (bytes, &behind[2..])
            }
            byte => {
                bytes.push(*byte);
                (bytes, behind)
            }
        };
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(otlp: Option<&str>, variables: &[(&str, &str)]) -> Result<Option<String>, String> {
        let said = Said { otlp: otlp.map(str::to_owned), ratio: None };
        let variable = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Ok(destination(&said, variable)?.map(|destination| destination.url))
    }

    #[test]
    fn nothing_is_sent_unless_somebody_says_where() {
        let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/");
        assert_eq!(url(None, &[]), Ok(None));
        assert_eq!(url(None, &[base, ("OTEL_SDK_DISABLED", "TRUE")]), Ok(None));
        assert_eq!(url(None, &[base, ("OTEL_TRACES_EXPORTER", "none")]), Ok(None));
        let told = |url: &str| Ok(Some(url.to_owned()));
        assert_eq!(url(None, &[base]), told("http://c:4318/v1/traces"));
        assert_eq!(url(None, &[base, ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://t/x")]), told("http://t/x"));
        assert_eq!(url(Some("http://a:1"), &[base]), told("http://a:1/v1/traces"));
        assert_eq!(url(Some("http://a:1/"), &[]), told("http://a:1/v1/traces"));
        assert_eq!(url(Some("http://a:1/own"), &[]), told("http://a:1/own"));
        assert!(url(None, &[base, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap_err().contains("http/protobuf"));
    }

    #[test]
    fn the_command_line_wins_over_the_configuration() {
        let configured = Said { otlp: Some("http://a:1".to_owned()), ratio: Some(0.5) };
        let nothing = Arguments { otlp: None, trace_ratio: None };
        assert_eq!(nothing.over(&configured), configured);
        let all = Arguments { otlp: Some("http://b:1".to_owned()), trace_ratio: Some(0.0) };
        assert_eq!(all.over(&configured), Said { otlp: Some("http://b:1".to_owned()), ratio: Some(0.0) });
    }

    #[test]
    fn a_header_that_is_none_is_told_by_its_number_and_never_by_its_value() {
        let good = headers("a=1, x-key=b%20c%3D,").unwrap();
        assert_eq!((good["a"].as_bytes(), good["x-key"].as_bytes()), (&b"1"[..], &b"b c="[..]));
        for wrong in ["a=1,secret", "a b=secret", "a=secret%", "a=secret%zz", "a=secret%0a"] {
            let error = headers(wrong).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
