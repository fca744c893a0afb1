//! Files, configuration, variables, clocks and randomness of a real guest: with a grant within its bounds, without one nothing.
//!
//! The guest is `tests/guests/rust/host-reach`, which speaks through `std` and WASI. Each test has a folder of its own with something outside the
//! root; that it stays as it was is looked at byte by byte.

use std::fs;
use std::path::Path;

use plugwork::{Fault, Grants, Limits, Plugin};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::world::{LIMITS, grant, guest, offer, probe, said, try_probe};

/// `root/` with a few files, and `outside/` beside it with a secret.
pub(crate) struct Folders(TempDir);

impl Folders {
    pub(crate) fn new() -> Self {
        let folders = Self(tempfile::tempdir().unwrap());
        for folder in ["root/inner", "outside", "root-beside"] {
            fs::create_dir_all(folders.path(folder)).unwrap();
        }
        fs::write(folders.path("root/file"), "inside").unwrap();
        fs::write(folders.path("root/inner/file"), "deeper").unwrap();
        fs::write(folders.path("outside/secret"), "secret").unwrap();
        fs::write(folders.path("root-beside/secret"), "secret").unwrap();
        let link = |to: &str, link: &str| std::os::unix::fs::symlink(to, folders.path(link)).unwrap();
        link("../outside", "root/to-outside");
        link("../outside/secret", "root/to-secret");
        link(folders.path("outside/secret").to_str().unwrap(), "root/absolute-to-secret");
        link("/", "root/to-everything");
        link("inner/file", "root/to-inner");
        folders
    }

    pub(crate) fn path(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    async fn plugin(&self, access: &str) -> Plugin {
        accepted(grant("filesystem", json!({ "root": self.path("root"), "access": access }))).await
    }

    /// Every path below the folder with its content, links by what they name.
    pub(crate) fn content(&self, name: &str) -> Vec<(String, String)> {
        let mut found = Vec::new();
        walk(&self.path(name), &mut found);
        found.sort();
        found
    }
}

fn walk(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        let content = match () {
            () if kind.is_symlink() => format!("to {}", fs::read_link(&path).unwrap().display()),
            () if kind.is_dir() => "folder".to_owned(),
            () => fs::read_to_string(&path).unwrap(),
        };
        found.push((path.display().to_string(), content));
        if kind.is_dir() {
            walk(&path, found);
        }
    }
}

async fn accepted(grants: Grants) -> Plugin {
    offer(&guest("host-reach"), "reach").await.accept_only(grants).await.unwrap()
}

/// The kinds of error that mean "you may not": all that WASI answers for a path that leaves the root or a right that is missing.
pub(crate) fn is_denial(error: &str) -> bool {
    // The last is WASI's own name, where the guest asks WASI and not `std`.
    error.starts_with("PermissionDenied") || error.starts_with("ReadOnlyFilesystem") || error.contains("\"not-permitted\"")
}

#[tokio::test]
async fn files_within_the_root_can_be_read() {
    let folders = Folders::new();
    let plugin = folders.plugin("read").await;
    for path in ["/file", "file", "./file", "//file", "/inner/../file", "inner/./../file"] {
        assert_eq!(probe(&plugin, &["read", path]).await.unwrap(), "inside", "{path}");
    }
    assert_eq!(probe(&plugin, &["read", "/inner/file"]).await.unwrap(), "deeper");
    assert_eq!(probe(&plugin, &["read", "/to-inner"]).await.unwrap(), "deeper", "a link that stays within the root");
    assert_eq!(probe(&plugin, &["list", "/inner"]).await.unwrap(), "file");
    assert_eq!(probe(&plugin, &["size", "/file"]).await.unwrap(), "6");
}

/// Ways out of the root that the guest's own path handling leaves as they are.
const WAYS_OUT: [&str; 16] = [
    "../outside/secret",
    "/../outside/secret",
    "inner/../../outside/secret",
    "/inner/../../../../../../../../etc/passwd",
    "../root-beside/secret",
    "to-outside/secret",
    "to-outside/../outside/secret",
    "to-outside/",
    "to-outside/.",
    "to-secret",
    "to-secret/",
    "absolute-to-secret",
    "to-everything/etc/passwd",
    "to-everything/",
    "inner/../to-everything/etc/passwd",
    "..",
];

#[tokio::test]
async fn no_path_leads_out_of_the_root() {
    let folders = Folders::new();
    let outside = (folders.content("outside"), folders.content("root-beside"));
    for access in ["read", "write"] {
        let plugin = folders.plugin(access).await;
        for path in WAYS_OUT {
            for arguments in
                [&["read", path][..], &["list", path], &["size", path], &["append", path, "more"], &["truncate", path], &["touch", path]]
            {
                let told = probe(&plugin, arguments).await.expect_err(path);
                assert!(!told.contains("secret"), "{arguments:?}: {told}");
            }
        }
        let absolute = folders.path("outside/secret");
        let told = probe(&plugin, &["read", absolute.to_str().unwrap()]).await.unwrap_err();
        assert!(told.starts_with("NotFound"), "a host path means nothing here: {told}");
    }
    assert_eq!((folders.content("outside"), folders.content("root-beside")), outside);
}

#[tokio::test]
async fn a_path_that_leaves_is_denied_as_such() {
    let folders = Folders::new();
    let plugin = folders.plugin("read").await;
    let escape = probe(&plugin, &["read", "../outside/secret"]).await.unwrap_err();
    assert!(is_denial(&escape) && said("reach").iter().any(|(_, text)| text.contains("E-CAP-FILESYSTEM-ESCAPE")), "{escape}");
    for path in ["../outside/secret", "to-secret", "absolute-to-secret", "to-outside/secret", "to-everything/etc/passwd"] {
        let told = probe(&plugin, &["read", path]).await.unwrap_err();
        assert!(is_denial(&told), "{path}: {told}");
    }
}

/// Every way to change something below the root.
const CHANGES: [&[&str]; 14] = [
    &["write", "/file", "changed"],
    &["write", "/new", "new"],
    &["create-new", "/new"],
    &["append", "/file", "more"],
    &["truncate", "/file"],
    &["open-truncating", "/file"],
    &["touch", "/file"],
    &["rename", "/file", "/renamed"],
    &["hard-link", "/file", "/linked"],
    &["symlink", "inner/file", "/link"],
    &["remove", "/inner/file"],
    &["create-dir", "/folder"],
    &["remove-dir", "/inner"],
    &["write", "/file/", "changed"],
];

#[tokio::test]
async fn a_grant_to_read_changes_nothing() {
    let folders = Folders::new();
    let before = folders.content("");
    let modified = fs::metadata(folders.path("root/file")).unwrap().modified().unwrap();
    let plugin = folders.plugin("read").await;
    for change in CHANGES {
        let told = probe(&plugin, change).await.expect_err(change[0]);
        // A file's name with a slash behind it is wrong before it is denied.
        assert!(is_denial(&told) || change[1] == "/file/", "{change:?}: {told}");
        assert_eq!(folders.content(""), before, "{change:?}");
    }
    assert_eq!(fs::metadata(folders.path("root/file")).unwrap().modified().unwrap(), modified);
}

#[tokio::test]
async fn a_grant_to_write_changes_what_is_within_the_root() {
    let folders = Folders::new();
    let outside = folders.content("outside");
    let plugin = folders.plugin("write").await;
    for change in [
        &["write", "/new", "new"][..],
        &["append", "/new", "er"],
        &["rename", "/new", "/inner/moved"],
        &["create-dir", "/folder"],
        &["truncate", "/file"],
        &["remove", "/inner/file"],
    ] {
        probe(&plugin, change).await.unwrap_or_else(|told| panic!("{change:?}: {told}"));
    }
    assert_eq!(fs::read_to_string(folders.path("root/inner/moved")).unwrap(), "newer");
    assert_eq!(fs::read_to_string(folders.path("root/file")).unwrap(), "");
    assert!(folders.path("root/folder").is_dir() && !folders.path("root/inner/file").exists());
    for change in [
        &["write", "../outside/new", "new"][..],
        &["write", "to-outside/new", "new"],
        &["write", "to-secret", "changed"],
        &["rename", "/inner/moved", "../outside/moved"],
        &["rename", "to-outside/secret", "/taken"],
        &["hard-link", "to-outside/secret", "/taken"],
        &["hard-link", "../outside/secret", "/taken"],
        &["remove", "to-outside/secret"],
        &["create-dir", "../outside/folder"],
        &["symlink", "/etc/passwd", "/absolute-link"],
    ] {
        let told = probe(&plugin, change).await.expect_err(change[0]);
        assert!(!told.is_empty(), "{change:?}");
    }
    // A link that leads out may be made where the grant is to write; it may not be followed.
    let made = probe(&plugin, &["symlink", "../outside/secret", "/own-link"]).await;
    let told = probe(&plugin, &["read", "/own-link"]).await.unwrap_err();
    assert!(is_denial(&told) || made.is_err(), "{told}");
    assert_eq!(folders.content("outside"), outside);
}

#[tokio::test]
async fn without_a_grant_there_is_no_folder_to_open() {
    let folders = Folders::new();
    let plugin = accepted(Grants::none()).await;
    for path in ["/", ".", "/file", "file", "/etc/passwd", folders.path("root/file").to_str().unwrap()] {
        for verb in ["read", "list", "size", "create-dir", "remove"] {
            probe(&plugin, &[verb, path]).await.expect_err(path);
        }
    }
}

#[tokio::test]
async fn configuration_is_what_the_grant_names_and_no_more() {
    let plugin = accepted(Grants::none()).await;
    assert_eq!(probe(&plugin, &["config", "theme"]).await.unwrap(), "none");
    assert_eq!(probe(&plugin, &["config-all"]).await.unwrap(), "");
    let values = json!({ "keys": ["theme"], "values": { "theme": "dark", "password": "hidden" } });
    let plugin = accepted(grant("config", values)).await;
    assert_eq!(probe(&plugin, &["config", "theme"]).await.unwrap(), "dark");
    assert_eq!(probe(&plugin, &["config", "password"]).await.unwrap(), "none");
    assert_eq!(probe(&plugin, &["config-all"]).await.unwrap(), "theme=dark");
}

#[tokio::test]
async fn variables_are_those_that_the_grant_names() {
    // Set wherever tests run, so nothing has to change the environment of a process with threads.
    const SEEN: &str = "PATH";
    let plugin = accepted(Grants::none()).await;
    assert_eq!(probe(&plugin, &["environment"]).await.unwrap(), "");
    assert_eq!(probe(&plugin, &["arguments"]).await.unwrap(), "");
    let plugin = accepted(grant("environment", json!({ "variables": [SEEN, "PLUGWORK_TESTS_ABSENT"] }))).await;
    assert_eq!(probe(&plugin, &["environment"]).await.unwrap(), format!("{SEEN}={}", std::env::var(SEEN).unwrap()));
}

/// E6 of the attack catalogue: no two readings differ by less than a step, however often it asks.
#[tokio::test]
async fn no_two_readings_are_closer_than_a_millisecond() {
    let plugin = accepted(Grants::none()).await;
    for clock in ["monotonic", "wall"] {
        let text = probe(&plugin, &[clock, "20000"]).await.unwrap();
        let times: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
        assert!(times.is_sorted(), "{clock}");
        let steps: Vec<_> = times.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 0).collect();
        assert!(steps.iter().all(|step| step % 1_000_000 == 0), "{clock}: {steps:?}");
    }
}

#[tokio::test]
async fn randomness_of_a_second_is_limited_over_all_instances() {
    let limits = Limits { random_bytes_per_second: 100_000, ..LIMITS };
    let offer = offer(&guest("host-reach"), "reach-random").await.limits(limits);
    let plugin = offer.accept_only(Grants::none()).await.unwrap();
    let mut told = None;
    for _ in 0..4 {
        if let Err(error) = try_probe(&plugin, &["random", "60000"]).await {
            told = Some(error.to_string());
        }
    }
    let told = told.expect("240,000 bytes are more than fit");
    assert!(told.contains("E-LIMIT-RANDOM") && told.contains("limits.random-bytes-per-second"), "{told}");
}

async fn readings(plugin: &Plugin, clock: &str) -> Vec<u64> {
    let text = probe(plugin, &[clock, "50"]).await.unwrap();
    text.lines().map(|line| line.parse().unwrap()).collect()
}

#[tokio::test]
async fn clocks_tell_whole_milliseconds_unless_granted_more() {
    for clock in ["monotonic", "wall"] {
        let coarse = readings(&accepted(Grants::none()).await, clock).await;
        assert!(coarse.iter().all(|time| time % 1_000_000 == 0), "{clock}: {coarse:?}");
        let granted = |resolution_ns: Value| accepted(grant("clock", json!({ "resolution-ns": resolution_ns })));
        let fine = readings(&granted(json!(1)).await, clock).await;
        assert!(fine.iter().any(|time| time % 1_000_000 != 0), "{clock}: {fine:?}");
        assert!(fine.is_sorted(), "{clock}: {fine:?}");
    }
}

#[tokio::test]
async fn much_randomness_in_one_call_is_for_those_who_were_granted_it() {
    let plugin = accepted(Grants::none()).await;
    assert_eq!(probe(&plugin, &["random", "65536"]).await.unwrap(), "65536 true");
    for bytes in ["65537", "70000", "18446744073709551615"] {
        let error = try_probe(&plugin, &["random", bytes]).await.unwrap_err();
        assert!(matches!(error.fault(), Some(Fault::Trap { message, .. }) if message.contains("exceeds limit 65536")), "{bytes}: {error}");
    }
    let plugin = accepted(grant("random", json!({ "call-bytes": 100_000 }))).await;
    assert_eq!(probe(&plugin, &["random", "70000"]).await.unwrap(), "70000 true");
    assert_eq!(probe(&plugin, &["random", "100000"]).await.unwrap(), "100000 true");
    try_probe(&plugin, &["random", "100001"]).await.unwrap_err();
}
