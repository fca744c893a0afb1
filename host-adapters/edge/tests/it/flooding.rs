//! Floods over one connection of HTTP/2: each ends with the connection, costs little memory, and holds up nobody else.

use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::crowding::Server;
use crate::frames::{self, CONTINUATION, END_HEADERS, END_STREAM, GET, GOAWAY, HEADERS, PING, RST_STREAM, SETTINGS, frame};

/// The code with which a server tells a client that it asks too much.
const ENHANCE_YOUR_CALM: u32 = 11;

/// What became of a flood.
struct Flood {
    /// Bytes that the server took.
    sent: usize,
    /// The code of its last word, where it was read.
    code: Option<u32>,
}

/// Sends chunks until the server takes no more or all are sent, and reads what it says meanwhile.
async fn flood(stream: TcpStream, mut chunk: impl FnMut(usize) -> Vec<u8>, chunks: usize) -> Flood {
    let (mut read, mut write) = stream.into_split();
    let reading = tokio::spawn(async move {
        let mut code = None;
        while let Some((kind, _, content)) = frames::next(&mut read).await {
            if kind == GOAWAY {
                code = content.get(4..8).map(|code| u32::from_be_bytes(code.try_into().unwrap()));
            }
        }
        code
    });
    let mut sent = 0;
    for index in 0..chunks {
        let bytes = chunk(index);
        if write.write_all(&bytes).await.is_err() {
            break;
        }
        sent += bytes.len();
    }
    let code = tokio::time::timeout(Duration::from_secs(60), reading).await.map_or(None, Result::unwrap);
    Flood { sent, code }
}

/// Runs a flood, while others ask; gives back what became of it, and by how many bytes the server grew.
async fn while_others_ask(server: &Server, chunk: impl FnMut(usize) -> Vec<u8>, chunks: usize) -> (Flood, u64) {
    assert!(server.answers().await);
    let before = server.memory();
    let mut stream = server.connect().await;
    frames::open(&mut stream).await;
    let others = async {
        for _ in 0..10 {
            assert!(server.answers().await, "somebody else is not served");
        }
    };
    let (flood, ()) = tokio::join!(flood(stream, chunk, chunks), others);
    assert!(server.answers().await);
    (flood, server.memory().saturating_sub(before))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_are_opened_and_reset_end_their_connection() {
    let server = Server::start();
    let burst = |index: usize| {
        let streams = (0..1_000).map(|step| (index * 1_000 + step) as u32 * 2 + 1);
        let frames = streams.map(|stream| {
            let reset = frame(RST_STREAM, 0, stream, &8_u32.to_be_bytes());
            [frame(HEADERS, END_STREAM | END_HEADERS, stream, GET), reset].concat()
        });
        frames.collect::<Vec<_>>().concat()
    };
    let (flood, grown) = while_others_ask(&server, burst, 1_000).await;
    let whole = burst(0).len() * 1_000;
    assert!(flood.sent < whole / 10, "it was let go on for {} of {whole} bytes", flood.sent);
    assert!(flood.code.is_none_or(|code| code == ENHANCE_YOUR_CALM), "{:?}", flood.code);
    assert!(grown < 32 << 20, "{grown} bytes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_goes_on_for_ever_ends_its_connection() {
    let server = Server::start();
    // A header without indexing, of a name and a value that are new each time.
    let header = |index: usize| {
        let name = format!("x-{index:08}");
        [&[0, name.len() as u8], name.as_bytes(), &[100], &[b'v'; 100]].concat()
    };
    for content in [&header as &dyn Fn(usize) -> Vec<u8>, &|_| Vec::new()] {
        let chunk = |index: usize| match index {
            0 => frame(HEADERS, 0, 1, GET),
            _ => (0..100).flat_map(|step| frame(CONTINUATION, 0, 1, &content(index * 100 + step))).collect(),
        };
        let (flood, grown) = while_others_ask(&server, chunk, 20_000).await;
        assert!(flood.sent < 4 << 20, "it was let go on for {} bytes", flood.sent);
        assert!(grown < 16 << 20, "{grown} bytes");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_head_that_unpacks_to_a_large_one_reaches_no_plugin() {
    let server = Server::start();
    let mut stream = server.connect().await;
    frames::open(&mut stream).await;
    let before = server.memory();
    // One header of 4,000 bytes is put into the table, and then meant 10,000 times by one byte each.
    let value = [&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e], &[b'v'; 4_000][..]].concat();
    let content = [GET, &value, &[0xbe; 10_000]].concat();
    stream.write_all(&frame(HEADERS, END_STREAM | END_HEADERS, 1, &content)).await.unwrap();
    let mut refused = false;
    while let Ok(Some((kind, _, content))) = tokio::time::timeout(Duration::from_secs(60), frames::next(&mut stream)).await {
        // An answer of 431, which HPACK writes out, or the end of the stream or of the connection.
        refused |= matches!(kind, RST_STREAM | GOAWAY) || kind == HEADERS && content.windows(3).any(|three| three == b"431");
        if refused {
            break;
        }
    }
    assert!(refused, "it was refused");
    assert!(server.memory().saturating_sub(before) < 16 << 20);
    assert!(server.answers().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn questions_whose_answers_nobody_reads_pile_up_nowhere() {
    let server = Server::start();
    for asked in [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, 0, 0, &[0, 4, 0, 1, 0, 0])] {
        let before = server.memory();
        let mut stream = server.connect().await;
        frames::open(&mut stream).await;
        // Many at a time; nothing of what is said is read. The server stops reading long before all are sent.
        let many = asked.repeat(10_000);
        let sending = async {
            for _ in 0..400 {
                if stream.write_all(&many).await.is_err() {
                    break;
                }
            }
        };
        let others = async {
            for _ in 0..20 {
                assert!(server.answers().await);
            }
        };
        // How far it comes decides nothing.
        drop(tokio::join!(tokio::time::timeout(Duration::from_secs(5), sending), others));
        let grown = server.memory().saturating_sub(before);
        assert!(grown < 16 << 20, "{grown} bytes");
    }
}
