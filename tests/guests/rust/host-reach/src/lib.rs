//! Tries what a test asks for, through std and WASI: files, variables, clocks, randomness, configuration.
//!
//! An answer is text; an error is what the guest was told. Nothing is decided here: a guest that is refused says so.

plugwork_guest::bindings!("../../wit");

mod config;
mod storage;

use std::fmt::Display;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// The guest.
pub struct HostReach;

impl probe::Guest for HostReach {
    fn run(arguments: Vec<String>) -> Result<String, String> {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match arguments.as_slice() {
            ["environment"] => Ok(joined(std::env::vars().map(|(name, value)| format!("{name}={value}")))),
            ["arguments"] => Ok(joined(std::env::args())),
            ["config", key] => config::get(key),
            ["config-all"] => config::all(),
            ["random", bytes] => Ok(random(bytes.parse().unwrap_or(1))),
            ["monotonic", times] => Ok(readings(times, wasip2::clocks::monotonic_clock::now)),
            ["wall", times] => Ok(readings(times, || {
                let now = wasip2::clocks::wall_clock::now();
                now.seconds * 1_000_000_000 + u64::from(now.nanoseconds)
            })),
            other => file(other).map_err(|error| format!("{:?}: {error}", error.kind())),
        }
    }
}

fn file(arguments: &[&str]) -> io::Result<String> {
    match arguments {
        ["read", path] => fs::read_to_string(path),
        ["list", path] => {
            let mut names =
                fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect::<io::Result<Vec<_>>>()?;
            names.sort();
            Ok(joined(names))
        }
        ["size", path] => Ok(fs::metadata(path)?.len().to_string()),
        ["write", path, text] => fs::write(path, text).map(|()| String::new()),
        ["create-new", path] => OpenOptions::new().write(true).create_new(true).open(path).map(|_| String::new()),
        ["append", path, text] => OpenOptions::new().append(true).open(path)?.write_all(text.as_bytes()).map(|()| String::new()),
        ["truncate", path] => OpenOptions::new().write(true).open(path)?.set_len(0).map(|()| String::new()),
        ["open-truncating", path] => OpenOptions::new().write(true).truncate(true).open(path).map(|_| String::new()),
        ["touch", path] => fs::File::open(path)?.set_modified(std::time::UNIX_EPOCH).map(|()| String::new()),
        ["rename", from, to] => fs::rename(from, to).map(|()| String::new()),
        ["hard-link", from, to] => fs::hard_link(from, to).map(|()| String::new()),
        ["symlink", to, link] => symlink(to, link),
        ["remove", path] => fs::remove_file(path).map(|()| String::new()),
        ["create-dir", path] => fs::create_dir(path).map(|()| String::new()),
        ["remove-dir", path] => fs::remove_dir(path).map(|()| String::new()),
        other => storage::run(other),
    }
}

/// `std` has no stable way to make one, so this asks WASI for it on the first folder.
fn symlink(to: &str, link: &str) -> io::Result<String> {
    let folders = wasip2::filesystem::preopens::get_directories();
    let (folder, _) = folders.first().ok_or_else(|| io::Error::other("no folder"))?;
    let link = Path::new(link).strip_prefix("/").unwrap_or(Path::new(link)).to_string_lossy().into_owned();
    folder.symlink_at(to, &link).map(|()| String::new()).map_err(|code| io::Error::other(format!("{code:?}")))
}

fn random(bytes: u64) -> String {
    let got = wasip2::random::random::get_random_bytes(bytes);
    format!("{} {}", got.len(), got.iter().any(|byte| *byte != 0))
}

fn readings(times: &str, now: impl Fn() -> u64) -> String {
    joined((0..times.parse().unwrap_or(1_u32)).map(|_| now()))
}

fn joined<T: Display>(values: impl IntoIterator<Item = T>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join("\n")
}

plugwork_guest::export!(HostReach: probe);
