//! How much a plugin may put into its folder: bytes, files and open handles, over all its instances, whatever way it takes.
//!
//! Each call is an instance of its own, so what one test writes in two calls is what two instances write.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use plugwork::log::Level;
use plugwork::{Limits, Plugin};
use serde_json::{Value, json};

use crate::filesystem::{Folders, is_denial};
use crate::world::{LIMITS, grant, guest, offer, probe, said};

async fn plugin(instance: &str, folders: &Folders, more: Value) -> Plugin {
    plugin_within(instance, folders, more, LIMITS).await
}

async fn plugin_within(instance: &str, folders: &Folders, more: Value, limits: Limits) -> Plugin {
    let mut bounds = json!({ "root": folders.path("root"), "access": "write" });
    bounds.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    offer(&guest("host-reach"), instance).await.limits(limits).accept_only(grant("filesystem", bounds)).await.unwrap()
}

/// Told as a quota, with this code in the plugin's log. Of a write the guest's own library makes an input/output error, whatever WASI said.
fn is_full(plugin: &Plugin, told: &str, code: &str) {
    assert!(told.contains("QuotaExceeded") || (code == "E-CAP-FILESYSTEM-BYTES" && told.contains("os error 29")), "{told}");
    let instance = &plugin.subject().instance;
    let records = said(instance);
    assert!(records.iter().any(|(level, text)| *level == Level::Warn && text.contains(code) && text.contains("\nhint: ")), "{records:?}");
}

/// `root/` begins with 6 + 6 bytes in 7 entries: two files, a folder, and five links less the one within.
const BYTES_BEFORE: u64 = 12;
const FILES_BEFORE: u64 = 8;

fn used(folders: &Folders) -> (u64, u64) {
    let content = folders.content("root");
    let bytes = content.iter().filter(|(_, text)| !text.starts_with("to ") && text != "folder").map(|(_, text)| text.len() as u64).sum();
    (bytes, content.len() as u64)
}

#[tokio::test]
async fn what_lies_there_before_counts() {
    let folders = Folders::new();
    assert_eq!(used(&folders), (BYTES_BEFORE, FILES_BEFORE));
    let plugin = plugin("quota-before", &folders, json!({ "bytes": BYTES_BEFORE + 100, "files": FILES_BEFORE + 2 })).await;
    probe(&plugin, &["fill", "/a", "100"]).await.unwrap();
    is_full(&plugin, &probe(&plugin, &["fill", "/b", "1"]).await.unwrap_err(), "E-CAP-FILESYSTEM-BYTES");
    is_full(&plugin, &probe(&plugin, &["create-dir", "/c"]).await.unwrap_err(), "E-CAP-FILESYSTEM-FILES");
    assert_eq!(used(&folders), (BYTES_BEFORE + 100, FILES_BEFORE + 2));
    let storage = plugin.account().snapshot().storage["filesystem"];
    assert_eq!((storage.bytes, storage.keys), used(&folders));
}

#[tokio::test]
async fn every_way_to_grow_a_file_is_counted_and_one_byte_more_is_refused() {
    for (number, (fits, beyond)) in [
        (&["fill", "/new", "50000"][..], &["fill", "/new", "50001"][..]),
        (&["fill-on", "/file", "49994"], &["fill-on", "/file", "49995"]),
        (&["overwrite", "/file", "50000"], &["overwrite", "/file", "50001"]),
        (&["write-at", "/sparse", "49999", "1"], &["write-at", "/sparse", "50000", "1"]),
        (&["write-at", "/sparse", "0", "50000"], &["write-at", "/sparse", "1000000000000", "1"]),
        (&["set-size", "/sized", "50000"], &["set-size", "/sized", "50001"]),
        (&["set-size", "/sized", "0"], &["set-size", "/sized", "18446744073709551615"]),
    ]
    .into_iter()
    .enumerate()
    {
        for (way, arguments) in [("fits", fits), ("beyond", beyond)] {
            let folders = Folders::new();
            // What the file that is written has already does not count twice.
            let spare = if arguments[1] == "/file" { 0 } else { 6 };
            let bounds = json!({ "bytes": 50_000 + 6 + spare });
            let plugin = plugin(&format!("quota-{number}-{way}"), &folders, bounds).await;
            let outcome = probe(&plugin, arguments).await;
            match way {
                "fits" => drop(outcome.unwrap_or_else(|told| panic!("{arguments:?}: {told}"))),
                _ => assert!(outcome.is_err(), "{arguments:?}"),
            }
            let sizes: u64 = fs::read_dir(folders.path("root"))
                .unwrap()
                .map(|entry| fs::symlink_metadata(entry.unwrap().path()).unwrap())
                .filter(fs::Metadata::is_file)
                .map(|metadata| metadata.len())
                .sum();
            assert!(sizes + 6 <= 50_012, "{arguments:?}: {sizes}");
        }
    }
}

#[tokio::test]
async fn what_is_removed_makes_room_and_what_is_replaced_too() {
    let folders = Folders::new();
    let plugin = plugin("quota-room", &folders, json!({ "bytes": BYTES_BEFORE + 1_000, "files": FILES_BEFORE + 2 })).await;
    for _ in 0..3 {
        probe(&plugin, &["fill", "/a", "1000"]).await.unwrap();
        probe(&plugin, &["fill", "/b", "1"]).await.unwrap_err();
        probe(&plugin, &["truncate", "/a"]).await.unwrap();
        probe(&plugin, &["fill", "/b", "1000"]).await.unwrap();
        probe(&plugin, &["rename", "/a", "/b"]).await.unwrap();
        probe(&plugin, &["fill", "/a", "1000"]).await.unwrap();
        probe(&plugin, &["remove", "/a"]).await.unwrap();
        probe(&plugin, &["remove", "/b"]).await.unwrap();
        probe(&plugin, &["create-dir", "/d"]).await.unwrap();
        probe(&plugin, &["remove-dir", "/d"]).await.unwrap();
    }
    assert_eq!(used(&folders), (BYTES_BEFORE, FILES_BEFORE));
    let storage = plugin.account().snapshot().storage["filesystem"];
    assert_eq!((storage.bytes, storage.keys), (BYTES_BEFORE, FILES_BEFORE));
}

#[tokio::test]
async fn a_second_name_costs_a_file_and_no_bytes_and_gives_none_back() {
    let folders = Folders::new();
    let plugin = plugin("quota-names", &folders, json!({ "bytes": BYTES_BEFORE + 1_000, "files": FILES_BEFORE + 3 })).await;
    probe(&plugin, &["fill", "/a", "1000"]).await.unwrap();
    assert_eq!(probe(&plugin, &["make-links", "/a", "5"]).await.unwrap(), "2 QuotaExceeded");
    probe(&plugin, &["remove", "/a"]).await.unwrap();
    is_full(&plugin, &probe(&plugin, &["fill", "/b", "1"]).await.unwrap_err(), "E-CAP-FILESYSTEM-BYTES");
    probe(&plugin, &["remove", "/b"]).await.unwrap();
    probe(&plugin, &["remove", "/a.0"]).await.unwrap();
    probe(&plugin, &["remove", "/a.1"]).await.unwrap();
    probe(&plugin, &["fill", "/b", "1000"]).await.unwrap();
}

#[tokio::test]
async fn a_file_removed_while_open_keeps_its_bytes() {
    let folders = Folders::new();
    let plugin = plugin("quota-orphans", &folders, json!({ "bytes": BYTES_BEFORE + 10_000 })).await;
    for _ in 0..2 {
        assert_eq!(probe(&plugin, &["orphans", "3000", "10"]).await.unwrap(), "3 Uncategorized");
        // The instance is gone, its handles with it.
        assert_eq!(plugin.account().snapshot().storage["filesystem"].bytes, BYTES_BEFORE);
    }
}

#[tokio::test]
async fn files_and_folders_are_counted_alike() {
    let folders = Folders::new();
    let plugin = plugin("quota-files", &folders, json!({ "files": FILES_BEFORE + 20 })).await;
    assert_eq!(probe(&plugin, &["make-files", "/inner", "15"]).await.unwrap(), "15");
    assert_eq!(probe(&plugin, &["make-folders", "/inner", "15"]).await.unwrap(), "5 QuotaExceeded");
    // Those that are there may be opened and changed.
    probe(&plugin, &["write", "/inner/3", "text"]).await.unwrap();
    is_full(&plugin, &probe(&plugin, &["write", "/inner/new", "text"]).await.unwrap_err(), "E-CAP-FILESYSTEM-FILES");
    assert!(!folders.path("root/inner/new").exists());
}

#[tokio::test]
async fn without_numbers_in_the_grant_the_plugins_limits_hold() {
    let folders = Folders::new();
    let limits = Limits { storage_bytes: BYTES_BEFORE + 10, storage_keys: FILES_BEFORE + 1, ..LIMITS };
    let plugin = plugin_within("quota-limits", &folders, json!({}), limits).await;
    probe(&plugin, &["fill", "/a", "10"]).await.unwrap();
    is_full(&plugin, &probe(&plugin, &["fill-on", "/a", "1"]).await.unwrap_err(), "E-CAP-FILESYSTEM-BYTES");
    is_full(&plugin, &probe(&plugin, &["create-new", "/b"]).await.unwrap_err(), "E-CAP-FILESYSTEM-FILES");
}

#[tokio::test]
async fn open_handles_are_limited_and_free_again_with_the_instance() {
    let folders = Folders::new();
    let max = plugwork::interfaces::filesystem::FILE_HANDLES_MAX;
    for access in ["read", "write"] {
        let plugin = plugin(&format!("quota-handles-{access}"), &folders, json!({ "access": access })).await;
        for _ in 0..2 {
            let told = probe(&plugin, &["open-many", "/file", "100000"]).await.unwrap();
            assert_eq!(told, format!("{max} QuotaExceeded"));
        }
        is_full(&plugin, "QuotaExceeded", "E-CAP-FILESYSTEM-HANDLES");
        assert_eq!(probe(&plugin, &["read", "/file"]).await.unwrap(), "inside");
    }
}

#[tokio::test]
async fn pipes_and_sockets_are_neither_opened_nor_waited_for() {
    let folders = Folders::new();
    let made = std::process::Command::new("mkfifo").arg(folders.path("root/pipe")).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(folders.path("root/socket")).unwrap();
    std::os::unix::fs::symlink("pipe", folders.path("root/to-pipe")).unwrap();
    for access in ["read", "write"] {
        let plugin = plugin(&format!("quota-kinds-{access}"), &folders, json!({ "access": access })).await;
        for path in ["/pipe", "/socket", "/to-pipe", "/inner/../pipe"] {
            for arguments in [&["read", path][..], &["append", path, "x"], &["open-truncating", path], &["write", path, "x"]] {
                let told = probe(&plugin, arguments).await.expect_err(path);
                assert!(is_denial(&told) || told.contains("IsADirectory"), "{arguments:?}: {told}");
            }
        }
        let denied = said(&plugin.subject().instance);
        assert!(denied.iter().any(|(_, text)| text.contains("E-CAP-FILESYSTEM-KIND")), "{denied:?}");
    }
}

#[tokio::test]
async fn odd_names_stay_within_the_root() {
    let folders = Folders::new();
    let outside = folders.content("outside");
    let plugin = plugin("quota-names-odd", &folders, json!({})).await;
    let long = "n".repeat(4_096);
    let steps = "../".repeat(1_000) + "etc/passwd";
    let odd = [
        "/proc/self/root/etc/passwd",
        "proc/self/fd/0",
        "/dev/null",
        "/etc/passwd",
        "a\0b",
        "/file\0/../../outside/secret",
        long.as_str(),
        steps.as_str(),
        "FILE",
        "/FILE",
        "/ﬁle",
        "file.",
        "file/",
        "file/.",
        "inner/file/..",
        "\u{202e}elif",
        "..\\outside\\secret",
        "....//outside/secret",
        "%2e%2e/outside/secret",
        "..%2foutside/secret",
        "\u{2024}\u{2024}/outside/secret",
        "\u{ff0e}\u{ff0e}/outside/secret",
    ];
    for path in odd {
        let told = probe(&plugin, &["read", path]).await.expect_err(path);
        assert!(!told.contains("secret\""), "{path}: {told}");
        let _ = probe(&plugin, &["rename", "/inner/file", path]).await;
        let _ = probe(&plugin, &["rename", path, "/inner/file"]).await;
    }
    assert_eq!(folders.content("outside"), outside);
}

/// A folder and a link to the outside change places as fast as they can while the guest reads and writes through them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_race_between_a_link_and_a_folder_lets_nothing_out() {
    let folders = Folders::new();
    let (outside, beside) = (folders.content("outside"), folders.content("root-beside"));
    fs::create_dir(folders.path("root/good")).unwrap();
    fs::write(folders.path("root/good/secret"), "decoy").unwrap();
    let plugin = plugin("quota-race", &folders, json!({})).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (flag, root) = (stop.clone(), folders.path("root"));
    let renamer = std::thread::spawn(move || {
        let mut turns = 0_u64;
        while !flag.load(Ordering::Relaxed) {
            for (from, to) in [("good", "swap"), ("swap", "good"), ("to-outside", "swap"), ("swap", "to-outside")] {
                let _ = fs::rename(root.join(from), root.join(to));
                turns += 1;
            }
        }
        turns
    });
    for _ in 0..6 {
        let seen = probe(&plugin, &["read-often", "/swap/secret", "500"]).await.unwrap();
        assert!(seen.split(' ').all(|text| text != "secret"), "{seen}");
        probe(&plugin, &["write-often", "/swap/new", "200"]).await.unwrap();
        let _ = probe(&plugin, &["rename", "/file", "/swap/secret"]).await;
        let _ = probe(&plugin, &["hard-link", "/swap/secret", "/taken"]).await;
    }
    stop.store(true, Ordering::Relaxed);
    assert!(renamer.join().unwrap() > 100);
    assert_eq!((folders.content("outside"), folders.content("root-beside")), (outside, beside));
    assert!(!fs::read_to_string(folders.path("root/taken")).is_ok_and(|text| text == "secret"));
}
