//! Spans as OTLP writes them: `ExportTraceServiceRequest` in protobuf (opentelemetry-proto 1.x, `collector/trace/v1`).
//!
//! Written by hand because it is four messages of twenty fields whose numbers can never change, and the crates for it bring an SDK of thirty crates
//! and cost minutes to compile. What it writes was decoded with opentelemetry-proto 0.33.1; the tests read it by its wire format. Easily got wrong: a nested
//! message has its length in front, so it is written beside and then copied.

use super::span::{Recorded, Span, Value};

/// How a field's bytes are to be read.
#[derive(Clone, Copy)]
enum Wire {
    Number = 0,
    Fixed64 = 1,
    Bytes = 2,
    Fixed32 = 5,
}

#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }

    fn key(&mut self, field: u64, wire: Wire) {
        self.varint(field << 3 | wire as u64);
    }

    fn number(&mut self, field: u64, number: u64) {
        self.key(field, Wire::Number);
        self.varint(number);
    }

    fn fixed64(&mut self, field: u64, number: u64) {
        self.key(field, Wire::Fixed64);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn fixed32(&mut self, field: u64, number: u32) {
        self.key(field, Wire::Fixed32);
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.key(field, Wire::Bytes);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, write: impl FnOnce(&mut Self)) {
        let mut inner = Self::default();
        write(&mut inner);
        self.bytes(field, &inner.0);
    }

    /// `KeyValue { key, AnyValue { string or int } }`.
    fn attribute(&mut self, field: u64, name: &str, value: &Value<'_>) {
        self.message(field, |pair| {
            pair.bytes(1, name.as_bytes());
            pair.message(2, |any| match value {
                Value::Text(text) => any.bytes(1, text.as_bytes()),
                Value::Number(number) => any.number(3, *number),
            });
        });
    }
}

/// One request to a collector: all spans of these requests, by one service. The second number says how many spans.
pub(super) fn request(service: &str, recorded: &[Box<Recorded>]) -> (Vec<u8>, u64) {
    let mut spans = 0;
    let mut request = Message::default();
    request.message(1, |resource_spans| {
        resource_spans.message(1, |resource| {
            resource.attribute(1, "service.name", &Value::Text(service));
            resource.attribute(1, "service.version", &Value::Text(env!("CARGO_PKG_VERSION")));
            resource.attribute(1, "process.pid", &Value::Number(std::process::id().into()));
        });
        resource_spans.message(2, |scope_spans| {
            scope_spans.message(1, |scope| {
                scope.bytes(1, b"plugwork-edge");
                scope.bytes(2, env!("CARGO_PKG_VERSION").as_bytes());
            });
            for one in recorded.iter().flat_map(|recorded| recorded.spans()) {
                spans += 1;
                scope_spans.message(2, |message| span(message, &one));
            }
        });
    });
    (request.0, spans)
}

fn span(message: &mut Message, span: &Span<'_>) {
    message.bytes(1, &span.trace_id.to_be_bytes());
    message.bytes(2, &span.span_id.to_be_bytes());
    if !span.state.is_empty() {
        message.bytes(3, span.state.as_bytes());
    }
    if span.parent != 0 {
        message.bytes(4, &span.parent.to_be_bytes());
    }
    message.bytes(5, span.name.as_bytes());
    // `SERVER` or `INTERNAL`.
    message.number(6, if span.is_server { 2 } else { 1 });
    message.fixed64(7, span.start_ns);
    message.fixed64(8, span.end_ns);
    for (name, value) in &span.attributes {
        message.attribute(9, name, value);
    }
    if span.failed {
        // `Status { code: ERROR }`. A span that is fine has none.
        message.message(15, |status| status.number(3, 2));
    }
    // `sampled`.
    message.fixed32(16, 1);
}

/// How many spans a collector says it took none of, in its answer (`partial_success.rejected_spans`). What is no such answer says nothing.
pub(super) fn rejected(answer: &[u8]) -> u64 {
    let partial = field(answer, 1).and_then(|found| if let Found::Bytes(bytes) = found { Some(bytes) } else { None });
    match partial.and_then(|partial| field(partial, 1)) {
        Some(Found::Number(number)) => i64::try_from(number).map_or(0, i64::unsigned_abs),
        _ => 0,
    }
}

enum Found<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The first field of this number.
fn field(mut message: &[u8], wanted: u64) -> Option<Found<'_>> {
    while !message.is_empty() {
        let key = varint(&mut message)?;
        let found = match key & 7 {
            0 => Found::Number(varint(&mut message)?),
            1 => Found::Bytes(message.split_off(..8)?),
            2 => {
                let length = usize::try_from(varint(&mut message)?).ok()?;
                Found::Bytes(message.split_off(..length)?)
            }
            5 => Found::Bytes(message.split_off(..4)?),
            _ => return None,
        };
        if key >> 3 == wanted {
            return Some(found);
        }
    }
    None
}

fn varint(message: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for place in 0..10 {
        let byte = message.split_off_first()?;
        number |= u64::from(byte & 0x7f).checked_shl(7 * place)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_groups_of_seven_bits() {
        for (number, bytes) in [
            (0, &[0][..]),
            (127, &[127]),
            (128, &[0x80, 1]),
            (300, &[0xac, 2]),
            (u64::MAX, &[255, 255, 255, 255, 255, 255, 255, 255, 255, 1]),
        ] {
            let mut message = Message::default();
            message.varint(number);
            assert_eq!(message.0, bytes);
            assert_eq!(varint(&mut &*message.0), Some(number));
        }
    }

    #[test]
    fn what_a_collector_did_not_take_is_read_and_nonsense_is_nothing() {
        let mut answer = Message::default();
        answer.message(1, |partial| {
            partial.bytes(2, b"too many");
            partial.number(1, 300);
        });
        assert_eq!(rejected(&answer.0), 300);
        for nonsense in [&b""[..], b"{}", &[0xff; 40], &[0x0a, 0x7f], &[0x0a, 0x01, 0x08]] {
            assert_eq!(rejected(nonsense), 0, "{nonsense:?}");
        }
    }
}
