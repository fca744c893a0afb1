//! An entry under attack, without the engine: what the checks before the unsafe load let through. `tests/it/cache.rs` has the same with plugins.

#![allow(clippy::unwrap_used, reason = "a test says by panicking that it failed")]

use std::fs;
use std::io::{Read, Write};

use plugwork_core::Digest;
use tempfile::TempDir;

use super::disk::{Disk, Entry, Rejection};
use crate::engine::{Profile, Variant};

const PAYLOAD_BYTES: usize = 10_000;

fn kept() -> (TempDir, Disk, Entry, Vec<u8>) {
    let state = tempfile::tempdir().unwrap();
    let disk = Disk::open(state.path()).unwrap();
    let entry = Entry::code(Digest::of(b"a component"), Variant { profile: Profile::Hardened, fuel: false }, 7);
    let payload: Vec<u8> = (0..PAYLOAD_BYTES).map(|at| (at * 31 % 251) as u8).collect();
    disk.write(&entry, &payload).unwrap();
    (state, disk, entry, payload)
}

#[test]
fn none_of_a_thousand_flipped_bits_reaches_the_engine() {
    let (_state, disk, entry, payload) = kept();
    let path = disk.folder().join(format!("{}.hardened", Digest::of(b"a component").hex()));
    let whole = fs::read(&path).unwrap();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..1_000 {
        // xorshift: the same thousand each time.
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let bit = usize::try_from(seed % (whole.len() as u64 * 8)).unwrap();
        disk.write(&entry, &payload).unwrap();
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &changed).unwrap();
        assert!(disk.read_sealed(&entry).is_err(), "bit {bit}");
        assert!(!path.exists(), "it is removed");
    }
}

#[test]
fn every_shorter_entry_is_refused() {
    let (_state, disk, entry, payload) = kept();
    let path = disk.folder().join(format!("{}.hardened", Digest::of(b"a component").hex()));
    let whole = fs::read(&path).unwrap();
    for length in (0..whole.len()).step_by(97) {
        disk.write(&entry, &payload).unwrap();
        fs::write(&path, &whole[..length]).unwrap();
        assert!(disk.read_sealed(&entry).is_err(), "{length} bytes");
    }
}

#[test]
fn what_was_verified_stays_when_the_file_is_swapped_and_nobody_can_write_to_it() {
    let (_state, disk, entry, payload) = kept();
    let mut sealed = disk.read_sealed(&entry).unwrap().unwrap();
    let path = disk.folder().join(format!("{}.hardened", Digest::of(b"a component").hex()));
    fs::write(&path, b"something else").unwrap();
    assert!(sealed.write_all(b"x").is_err() && sealed.set_len(1).is_err());
    let mut read = Vec::new();
    std::io::Seek::rewind(&mut sealed).unwrap();
    sealed.read_to_end(&mut read).unwrap();
    assert_eq!(read, payload);
}

#[test]
fn a_refusal_is_no_code_and_code_no_refusal() {
    let (_state, disk, code, _) = kept();
    let refusal = Entry::refusal(Digest::of(b"a component"), Variant { profile: Profile::Hardened, fuel: false }, 7);
    let folder = disk.folder();
    let (code_path, refusal_path) = {
        let hex = Digest::of(b"a component").hex();
        (folder.join(format!("{hex}.hardened")), folder.join(format!("{hex}.hardened.refusal")))
    };
    fs::copy(&code_path, &refusal_path).unwrap();
    assert!(matches!(disk.read(&refusal), Err(Rejection::Foreign)));
    disk.write(&refusal, b"{}").unwrap();
    fs::copy(&refusal_path, &code_path).unwrap();
    assert!(matches!(disk.read_sealed(&code), Err(Rejection::Foreign)));
}

#[test]
fn what_a_crash_left_half_written_is_swept_after_an_hour() {
    let (state, disk, ..) = kept();
    let staged = |name: &str, age_seconds| {
        let file = fs::File::create(disk.folder().join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(age_seconds)).unwrap();
    };
    staged(".old.hardened.1", 3_700);
    staged(".new.hardened.2", 60);
    let names: Vec<_> = Disk::open(state.path()).unwrap().list().unwrap().into_iter().map(|listed| listed.name).collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.contains(&".new.hardened.2".to_owned()));
}
