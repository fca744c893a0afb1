//! Requests a second of one small answer: plugwork with fresh and with warm instances, through its three worlds, beside native axum, `wasmtime serve` and workerd;
//! what the access log, traces and rates cost; how late the latest are at half load.
//!
//! May be misread: every server is loaded for some seconds, all of them by turns, round after round; ratios are of medians. Half load is half of what
//! ours reached in this run, for both sides of a row.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use anyhow::Result;

use super::Programs;
use super::contestants::{Contestant, start};
use crate::measure::Summary;
use crate::report::{Judge, Row};

const HALF_LOADED_MAX: f64 = 2.0;

pub(super) fn rows(programs: &Programs, quick: bool) -> Result<Vec<Row>> {
    let (rounds, seconds) = if quick { (1, 1) } else { (3, 4) };
    let mut all = start(programs, &collector()?)?;
    let count = all.len();
    for round in 0..rounds {
        for turn in 0..count {
            // Another one begins each round.
            all[(turn + round) % count].turn(seconds)?;
        }
    }
    let mut rows = told(&all)?;
    for (row, ours) in [("edge-half-p99", "function-warm"), ("edge-half-fresh-p99", "function-fresh")] {
        // Apart from the others: what cannot be paced is a row that is missing.
        match half_loaded(&all, row, ours, rounds, seconds) {
            Ok(found) => rows.push(found),
            Err(error) => eprintln!("{row}: {error:#}"),
        }
    }
    Ok(rows)
}

/// How late the latest are of ours and of native code, both with half of what ours can do.
fn half_loaded(all: &[Contestant], row: &'static str, ours: &str, rounds: usize, seconds: u32) -> Result<Row> {
    let half = rate(all, ours).median / 2.0;
    let (mut of_ours, mut of_native) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        of_native.push(find(all, "native").paced(seconds, half)?.p99_us);
        of_ours.push(find(all, ours).paced(seconds, half)?.p99_us);
    }
    Ok(Row::value(row, "us", Summary::of(of_ours)).against("native", Summary::of(of_native), Judge::Ratio).target(HALF_LOADED_MAX))
}

fn told(all: &[Contestant]) -> Result<Vec<Row>> {
    let share = |row: &'static str, ours: &str, rival: &'static str| {
        Row::value(row, "/s", rate(all, ours)).against(rival, rate(all, rival), Judge::Share)
    };
    let latest = |name: &str| Summary::of(find(all, name).turns.iter().map(|load| load.p99_us).collect());
    let resident = |name: &str| Ok::<_, anyhow::Error>(Summary::of(vec![find(all, name).server.resident_mib()?]));
    Ok(vec![
        share("edge-function-fresh", "function-fresh", "native").target(0.35),
        share("edge-function-fresh-serve", "function-fresh", "serve").target(4.5),
        share("edge-function-warm", "function-warm", "native").target(0.75),
        share("edge-function-workerd", "function-warm", "workerd"),
        share("edge-proxy-fresh", "proxy-fresh", "serve").target(2.0),
        share("edge-proxy-fresh-tuned", "proxy-fresh", "serve-tuned").target(0.8),
        share("edge-proxy-warm", "proxy-warm", "serve-warm").target(0.85),
        share("edge-service-fresh", "service-fresh", "serve-0.3-fresh").target(0.9),
        share("edge-service-warm", "service-warm", "serve-0.3").target(0.9),
        share("edge-unlogged", "unlogged", "function-warm"),
        share("edge-traced", "traced", "function-warm"),
        share("edge-rated", "rated", "function-warm"),
        share("edge-native-bare", "native", "native-bare"),
        Row::value("edge-full-p99", "us", latest("function-warm")).against("native", latest("native"), Judge::Ratio),
        Row::value("edge-loaded-memory", "MiB", resident("function-warm")?).against("native", resident("native")?, Judge::Ratio),
        Row::value("edge-loaded-memory-serve", "MiB", resident("proxy-warm")?).against("serve-warm", resident("serve-warm")?, Judge::Ratio),
    ])
}

fn find<'c>(all: &'c [Contestant], name: &str) -> &'c Contestant {
    all.iter().find(|contestant| contestant.name == name).expect("each of them is there")
}

fn rate(all: &[Contestant], name: &str) -> Summary {
    Summary::of(find(all, name).turns.iter().map(|load| load.per_second).collect())
}

/// A collector that takes every trace and says so, on a thread that ends with the program. Its address.
fn collector() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || drop(take(stream)));
        }
    });
    Ok(format!("http://{address}"))
}

/// Reads requests whole and answers each with an empty 200.
fn take(mut stream: TcpStream) -> std::io::Result<()> {
    let (mut seen, mut piece) = (Vec::new(), [0; 64 << 10]);
    loop {
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Ok(());
        }
        seen.extend_from_slice(&piece[..read]);
        while let Some(length) = whole(&seen) {
            seen.drain(..length);
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n")?;
        }
    }
}

/// The length of the first request, once all of it is here.
fn whole(seen: &[u8]) -> Option<usize> {
    let head = seen.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&seen[..head]).to_ascii_lowercase();
    let body = text.lines().find_map(|line| line.strip_prefix("content-length:")?.trim().parse::<usize>().ok()).unwrap_or(0);
    (seen.len() >= head + body).then_some(head + body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_whole_when_its_body_is() {
        let request = b"POST /v1/traces HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcPOST";
        assert_eq!(whole(request), Some(request.len() - 4));
        assert_eq!(whole(&request[..request.len() - 5]), None);
        assert_eq!(whole(b"GET / HTTP/1.1\r\n"), None);
    }
}
