//! A collector on the loopback address, as small as it can be: takes what is posted, answers as it is told to, and reads protobuf by its wire format
//! alone, so that nothing of the writer's is needed to understand what was written.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// What it got.
#[derive(Clone, Default)]
pub(crate) struct Collector {
    pub(crate) heads: Arc<Mutex<Vec<String>>>,
    pub(crate) bodies: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Collector {
    /// Listens; each request gets this answer, or none at all where that is empty.
    pub(crate) async fn start(answer: &'static str) -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let this = Self::default();
        let kept = this.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let kept = kept.clone();
                tokio::spawn(async move {
                    let (mut head, mut byte) = (Vec::new(), [0]);
                    while !head.ends_with(b"\r\n\r\n") {
                        if stream.read_exact(&mut byte).await.is_err() {
                            return;
                        }
                        head.push(byte[0]);
                    }
                    let head = String::from_utf8(head).unwrap().to_lowercase();
                    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
                    let mut body = vec![0; length];
                    stream.read_exact(&mut body).await.unwrap();
                    kept.heads.lock().unwrap().push(head);
                    kept.bodies.lock().unwrap().push(body);
                    if answer.is_empty() {
                        std::future::pending::<()>().await;
                    }
                    stream.write_all(answer.as_bytes()).await.unwrap();
                });
            }
        });
        (this, url)
    }

    /// All spans so far, in the order in which they came.
    pub(crate) fn spans(&self) -> Vec<Span> {
        let bodies = self.bodies.lock().unwrap();
        let scopes = bodies.iter().flat_map(|body| all(body, 1)).flat_map(|resource| all(resource, 2));
        scopes.flat_map(|scope| all(scope, 2)).map(Span::read).collect()
    }
}

pub(crate) const TAKEN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
pub(crate) const REFUSED: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

/// A span by the numbers of `opentelemetry/proto/trace/v1/trace.proto`.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
    pub(crate) state: String,
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) kind: u64,
    pub(crate) start_ns: u64,
    pub(crate) end_ns: u64,
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) is_error: bool,
}

impl Span {
    fn read(bytes: &[u8]) -> Self {
        let hex = |field| all(bytes, field).first().map(|id| id.iter().map(|byte| format!("{byte:02x}")).collect()).unwrap_or_default();
        let text =
            |bytes: &[u8], field| all(bytes, field).first().map(|text| String::from_utf8(text.to_vec()).unwrap()).unwrap_or_default();
        let attribute = |pair: &[u8]| {
            let value = all(pair, 2)[0];
            let shown = fields(value).into_iter().map(|(field, found)| match (field, found) {
                (1, Field::Bytes(text)) => String::from_utf8(text.to_vec()).unwrap(),
                (3, Field::Number(number)) => number.to_string(),
                other => panic!("an attribute of no known kind: {}", other.0),
            });
            (text(pair, 1), shown.collect())
        };
        Self {
            trace_id: hex(1),
            span_id: hex(2),
            state: text(bytes, 3),
            parent: hex(4),
            name: text(bytes, 5),
            kind: number(bytes, 6),
            start_ns: number(bytes, 7),
            end_ns: number(bytes, 8),
            attributes: all(bytes, 9).into_iter().map(attribute).collect(),
            is_error: all(bytes, 15).first().is_some_and(|status| number(status, 3) == 2),
        }
    }

    pub(crate) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Every field of a message.
fn fields(mut message: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    let varint = |message: &mut &[u8]| {
        let mut number = 0;
        for place in 0.. {
            let byte = *message.split_off_first().unwrap();
            number |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                break;
            }
        }
        number
    };
    while !message.is_empty() {
        let key = varint(&mut message);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut message)),
            1 => Field::Number(u64::from_le_bytes(message.split_off(..8).unwrap().try_into().unwrap())),
            2 => {
                let length = varint(&mut message) as usize;
                Field::Bytes(message.split_off(..length).unwrap())
            }
            5 => Field::Number(u32::from_le_bytes(message.split_off(..4).unwrap().try_into().unwrap()).into()),
            wire => panic!("no wire type: {wire}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

fn all(message: &[u8], wanted: u64) -> Vec<&[u8]> {
    let found = fields(message).into_iter().filter(|(field, _)| *field == wanted);
    found.map(|(_, field)| if let Field::Bytes(bytes) = field { bytes } else { panic!("a number") }).collect()
}

fn number(message: &[u8], wanted: u64) -> u64 {
    let found = fields(message).into_iter().find(|(field, _)| *field == wanted);
    found.map_or(0, |(_, field)| if let Field::Number(number) = field { number } else { panic!("no number") })
}
