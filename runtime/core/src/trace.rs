//! W3C trace context: what of `traceparent` and `tracestate` is taken from a stranger, and how it is written. Pure.
//!
//! Numbers are drawn elsewhere. Easily got wrong: whatever is not exactly right is no context at all, and a new trace begins; a `tracestate` that is
//! too long or malformed is dropped alone, and the trace goes on without it (W3C Trace Context, level 1, section 4.3).

use std::fmt;

use serde::{Serialize, Serializer};

/// The longest `tracestate` that is kept. Bytes; what every participant must be able to carry.
pub const TRACE_STATE_BYTES_MAX: usize = 512;

/// Bytes of a `traceparent`.
pub const TRACEPARENT_BYTES: usize = 55;

/// The last digits of a number, hexadecimal and in lower case, an even count of at most 32.
pub fn digits<const N: usize>(number: u128) -> [u8; N] {
    let bytes = number.to_be_bytes();
    let bytes = &bytes[bytes.len() - N / 2..];
    std::array::from_fn(|at| b"0123456789abcdef"[usize::from(if at % 2 == 0 { bytes[at / 2] >> 4 } else { bytes[at / 2] & 15 })])
}

/// Members of a `tracestate` at most.
const MEMBERS_MAX: usize = 32;

/// The flag that says: whoever sent this records it.
const SAMPLED: u8 = 1;

/// A place in a trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; never 0.
    pub trace_id: u128,
    /// The span that what comes next belongs to; never 0.
    pub span_id: u64,
    /// Whether the trace is recorded.
    pub sampled: bool,
    /// What other systems keep in it: `tracestate` as it came; empty for none.
    pub state: String,
}

impl TraceContext {
    /// Reads the two headers. `None`: there is no context, or none that may be continued. Several `tracestate` headers are one, in their order.
    pub fn parse<'a>(traceparent: &[u8], tracestates: impl IntoIterator<Item = &'a [u8]>) -> Option<Self> {
        let text = std::str::from_utf8(traceparent).ok()?;
        let (version, rest) = (hex(text.get(..2)?)?, text.get(2..)?);
        // A later version may say more, behind another dash; the first one says exactly this.
        let (known, more) = (rest.get(..53)?, rest.get(53..)?);
        let is_whole = match version {
            0xff => false,
            0 => more.is_empty(),
            _ => more.is_empty() || more.starts_with('-'),
        };
        let mut parts = known.split('-');
        let (Some(""), Some(trace), Some(span), Some(flags), None) = (parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return None;
        };
        if !is_whole || (trace.len(), span.len(), flags.len()) != (32, 16, 2) {
            return None;
        }
        let (trace_id, span_id, flags) = (hex(trace)?, hex(span)?, hex(flags)?);
        if trace_id == 0 || span_id == 0 {
            return None;
        }
        let span_id = u64::try_from(span_id).ok()?;
        Some(Self { trace_id, span_id, sampled: flags & u128::from(SAMPLED) != 0, state: state(tracestates).unwrap_or_default() })
    }

    /// As `traceparent` says it.
    pub fn traceparent(&self) -> [u8; TRACEPARENT_BYTES] {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        text[3..35].copy_from_slice(&digits::<32>(self.trace_id));
        text[36..52].copy_from_slice(&digits::<16>(self.span_id.into()));
        text[53..].copy_from_slice(&digits::<2>(if self.sampled { SAMPLED.into() } else { 0 }));
        text
    }

    /// The trace as 32 hexadecimal digits.
    pub fn trace_id_text(&self) -> String {
        TraceId(self.trace_id).to_string()
    }

    /// The same trace, from this span on.
    pub fn at(&self, span_id: u64) -> Self {
        Self { span_id, ..self.clone() }
    }
}

/// A trace's number, as text: 32 hexadecimal digits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct TraceId(pub u128);

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&digits::<32>(self.0)).expect("digits are text"))
    }
}

impl Serialize for TraceId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.traceparent()).expect("digits and dashes are text"))
    }
}

/// Lower-case digits only, as the standard says.
fn hex(digits: &str) -> Option<u128> {
    let legal = digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if legal { u128::from_str_radix(digits, 16).ok() } else { None }
}

fn state<'a>(headers: impl IntoIterator<Item = &'a [u8]>) -> Option<String> {
    let mut state = String::new();
    for header in headers {
        let text = std::str::from_utf8(header).ok()?.trim_matches([' ', '\t']);
        if text.is_empty() {
            continue;
        }
        if !state.is_empty() {
            state.push(',');
        }
        state.push_str(text);
        if state.len() > TRACE_STATE_BYTES_MAX {
            return None;
        }
    }
    let members: Vec<&str> = state.split(',').map(|member| member.trim_matches([' ', '\t'])).filter(|member| !member.is_empty()).collect();
    (members.len() <= MEMBERS_MAX && members.into_iter().all(is_member)).then_some(state)
}

fn is_member(member: &str) -> bool {
    let Some((key, value)) = member.split_once('=') else { return false };
    let key_ok = (1..=256).contains(&key.len())
        && key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@'));
    key_ok && (1..=256).contains(&value.len()) && value.bytes().all(|byte| matches!(byte, 0x20..=0x7e) && !matches!(byte, b',' | b'='))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn parse(parent: &str, states: &[&str]) -> Option<TraceContext> {
        TraceContext::parse(parent.as_bytes(), states.iter().map(|state| state.as_bytes()))
    }

    #[test]
    fn what_is_not_exactly_a_context_is_none() {
        for bad in [
            "",
            "00",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01more",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319-cb7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333+-01",
            "00_0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            " 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0\u{e9}",
        ] {
            assert_eq!(parse(bad, &[]), None, "{bad:?}");
        }
        assert_eq!(TraceContext::parse(&[0xff; 55], []), None);
    }

    #[test]
    fn a_context_is_read_and_written_as_it_was() {
        let context = parse(GOOD, &["a=1", " b@c=2 "]).unwrap();
        assert_eq!((context.trace_id_text().as_str(), context.span_id, context.sampled), (&GOOD[3..35], 0xb7ad_6b71_6920_3331, true));
        assert_eq!((context.to_string().as_str(), context.state.as_str()), (GOOD, "a=1,b@c=2"));
        assert_eq!(context.at(7).to_string(), "00-0af7651916cd43dd8448eb211c80319c-0000000000000007-01");
        let later = parse("cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-fe-what", &[]).unwrap();
        assert!(!later.sampled && later.to_string().starts_with("00-") && later.to_string().ends_with("-00"));
    }

    #[test]
    fn a_state_that_is_wrong_or_too_long_is_dropped_alone() {
        let long = format!("a={}", "x".repeat(256));
        let at = format!("a={},b={}", "x".repeat(254), "x".repeat(TRACE_STATE_BYTES_MAX - 259));
        let past = format!("{at}x");
        let many = (0..33).map(|number| format!("k{number}=v")).collect::<Vec<_>>().join(",");
        for (state, kept) in [
            (&*long, true),
            (&*at, true),
            (&*past, false),
            (&*many, false),
            ("a", false),
            ("A=1", false),
            ("a=\u{7f}", false),
            ("=", false),
        ] {
            let context = parse(GOOD, &[state]).unwrap();
            assert_eq!(!context.state.is_empty(), kept, "{state}");
        }
    }
}
