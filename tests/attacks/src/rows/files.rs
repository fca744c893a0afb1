//! E7, E8: a granted folder. Paths that lead out of it, links that change while they are followed, and filling it up.
//!
//! What decides is outside: the secret never comes back, and nothing beside the folder changes by a byte. Easily got wrong: that a path is denied
//! shows nothing about the next one, so every operation tries every path.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use plugwork::Limits;
use plugwork_core::Grants;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::host_calls::answers;
use crate::guest::Guest;
use crate::row::{Contained, Ended, Row, SMALL, Variant};

/// The rows.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("E7", "paths, links and renames that lead out of the folder", escapes),
        Row::new("E8", "filling the volume: bytes, files, handles; filling a store", filling),
    ]
}

const SECRET: &str = "outside secret";

/// The interfaces of WASI that a guest with files imports, as far as it uses them.
const FILES: &str = r#"
  (import "wasi:filesystem/types@0.2.6" (instance $files
    (export "descriptor" (type $descriptor' (sub resource)))
    (type $e (enum "access" "would-block" "already" "bad-descriptor" "busy" "deadlock" "quota" "exist" "file-too-large"
      "illegal-byte-sequence" "in-progress" "interrupted" "invalid" "io" "is-directory" "loop" "too-many-links" "message-size" "name-too-long"
      "no-device" "no-entry" "no-lock" "insufficient-memory" "insufficient-space" "not-directory" "not-empty" "not-recoverable"
      "unsupported" "no-tty" "no-such-device" "overflow" "not-permitted" "pipe" "read-only" "invalid-seek" "text-file-busy" "cross-device"))
    (export "error-code" (type $error (eq $e)))
    (type $pf (flags "symlink-follow")) (export "path-flags" (type $path-flags (eq $pf)))
    (type $of (flags "create" "directory" "exclusive" "truncate")) (export "open-flags" (type $open-flags (eq $of)))
    (type $df (flags "read" "write" "file-integrity-sync" "data-integrity-sync" "requested-write-sync" "mutate-directory"))
    (export "descriptor-flags" (type $descriptor-flags (eq $df)))
    (export "[method]descriptor.open-at" (func (param "self" (borrow $descriptor')) (param "path-flags" $path-flags) (param "path" string)
      (param "open-flags" $open-flags) (param "flags" $descriptor-flags) (result (result (own $descriptor') (error $error)))))
    (export "[method]descriptor.read" (func (param "self" (borrow $descriptor')) (param "length" u64) (param "offset" u64)
      (result (result (tuple (list u8) bool) (error $error)))))
    (export "[method]descriptor.write" (func (param "self" (borrow $descriptor')) (param "buffer" (list u8)) (param "offset" u64)
      (result (result u64 (error $error)))))
    (export "[method]descriptor.set-size" (func (param "self" (borrow $descriptor')) (param "size" u64) (result (result (error $error)))))
    (export "[method]descriptor.link-at" (func (param "self" (borrow $descriptor')) (param "old-path-flags" $path-flags)
      (param "old-path" string) (param "new-descriptor" (borrow $descriptor')) (param "new-path" string) (result (result (error $error)))))
    (export "[method]descriptor.rename-at" (func (param "self" (borrow $descriptor')) (param "old-path" string)
      (param "new-descriptor" (borrow $descriptor')) (param "new-path" string) (result (result (error $error)))))
    (export "[method]descriptor.symlink-at" (func (param "self" (borrow $descriptor')) (param "old-path" string) (param "new-path" string)
      (result (result (error $error)))))
    (export "[method]descriptor.unlink-file-at" (func (param "self" (borrow $descriptor')) (param "path" string) (result (result (error $error)))))
    (export "[method]descriptor.create-directory-at" (func (param "self" (borrow $descriptor')) (param "path" string) (result (result (error $error)))))
    (export "[method]descriptor.readlink-at" (func (param "self" (borrow $descriptor')) (param "path" string) (result (result string (error $error)))))))
  (alias export $files "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.6" (instance $preopens
    (alias outer 1 $descriptor (type $d)) (export "descriptor" (type $descriptor'' (eq $d)))
    (export "get-directories" (func (result (list (tuple (own $descriptor'') string)))))))
"#;

/// Every method that the guests use, with the type it has once lowered.
const LOWERED: [(&str, &str); 10] = [
    ("open-at", "i32 i32 i32 i32 i32 i32 i32"),
    ("read", "i32 i64 i64 i32"),
    ("write", "i32 i32 i32 i64 i32"),
    ("set-size", "i32 i64 i32"),
    ("link-at", "i32 i32 i32 i32 i32 i32 i32 i32"),
    ("rename-at", "i32 i32 i32 i32 i32 i32 i32"),
    ("symlink-at", "i32 i32 i32 i32 i32 i32"),
    ("unlink-file-at", "i32 i32 i32 i32"),
    ("create-directory-at", "i32 i32 i32 i32"),
    ("readlink-at", "i32 i32 i32 i32"),
];

/// A guest that does `deed` with the folder `$root` and the path at `$p`, `$n`, and answers `yes`, a text, or `no: ` and the number of the error.
///
/// A deed leaves the result of one method at 64; `pair` where an answer of text lies then.
fn doing(deed: &str, pair: &str) -> Guest {
    let mut code = String::from(
        r#"(import "heap" "memory" (memory 1)) (import "host" "get-directories" (func $get-directories (param i32)))
        (import "host" "drop" (func $drop (param i32)))"#,
    );
    for (name, parameters) in LOWERED {
        code += &format!("(import \"host\" \"[method]descriptor.{name}\" (func ${name} (param {parameters})))");
    }
    code += &format!(
        r#"(data (i32.const 0) "yes") (data (i32.const 8) "no: ") (data (i32.const 16) "none") (data (i32.const 32) "taken") (data (i32.const 40) "inside.txt")
        (global $root (mut i32) (i32.const 0))
        (func (export "run") (param $p i32) (param $n i32) (result i32) (local $root i32) (local $h i32) (local $code i32)
          (if (i32.eqz (global.get $root)) (then
            (call $get-directories (i32.const 64))
            (if (i32.eqz (i32.load (i32.const 68))) (then
              (i32.store (i32.const 128) (i32.const 16)) (i32.store (i32.const 132) (i32.const 4)) (return (i32.const 128))))
            (global.set $root (i32.load (i32.load (i32.const 64))))))
          (local.set $root (global.get $root))
          (block $failed
            {deed}
            (i32.store (i32.const 128) (i32.const 0)) (i32.store (i32.const 132) (i32.const 3))
            {pair}
            (return (i32.const 128)))
          (i32.store8 (i32.const 12) (i32.add (i32.const 48) (i32.div_u (local.get $code) (i32.const 10))))
          (i32.store8 (i32.const 13) (i32.add (i32.const 48) (i32.rem_u (local.get $code) (i32.const 10))))
          (i32.store (i32.const 128) (i32.const 8)) (i32.store (i32.const 132) (i32.const 6))
          i32.const 128)"#
    );
    let mut guest = Guest::new(&code).import(FILES).host("get-directories", "$preopens").canon("drop", "(canon resource.drop $descriptor)");
    for (name, _) in LOWERED {
        guest = guest.host(&format!("[method]descriptor.{name}"), "$files");
    }
    guest.point("text", "(param \"input\" string) (result string)", "", "").realloc(
        "",
        // Each path and each piece of a file in the same place: 64 KiB are enough for both.
        "(if (i32.lt_u (memory.size) (i32.const 8)) (then (drop (memory.grow (i32.const 8)))))
         (if (result i32) (i32.eq (global.get $next) (i32.const 65536)) (then (i32.const 196608) (global.set $next (i32.const 0)))
           (else (i32.const 65536) (global.set $next (i32.const 65536))))",
    )
}

/// Leaves the block where the result at 64 is an error; its code is a byte at `at`.
fn or_fail(at: u32) -> String {
    format!("(if (i32.load8_u (i32.const 64)) (then (local.set $code (i32.load8_u (i32.const {at}))) (br $failed)))")
}

fn open(open_flags: u32, flags: u32) -> String {
    format!(
        "(call $open-at (local.get $root) (i32.const 1) (local.get $p) (local.get $n) (i32.const {open_flags}) (i32.const {flags}) (i32.const 64))
         {} (local.set $h (i32.load (i32.const 68)))",
        or_fail(68)
    )
}

/// What can be done with a path.
fn deeds() -> Vec<(&'static str, Guest)> {
    let path = "(local.get $root) (local.get $p) (local.get $n)";
    let taken = "(i32.const 32) (i32.const 5)";
    let inside = "(i32.const 40) (i32.const 10)";
    // A name that is free each time.
    let free = format!("(call $unlink-file-at (local.get $root) {taken} (i32.const 64))");
    let freed = |call: String| doing(&format!("{free} (call {call} (i32.const 64)) {}", or_fail(65)), "");
    let simple = |call: String| doing(&format!("(call {call} (i32.const 64)) {}", or_fail(65)), "");
    let reads = format!(
        "{} (call $read (local.get $h) (i64.const 64) (i64.const 0) (i32.const 64)) (call $drop (local.get $h)) {}",
        open(0, 1),
        or_fail(68)
    );
    let writes = format!(
        "{} (call $write (local.get $h) (i32.const 0) (i32.const 3) (i64.const 0) (i32.const 64)) (call $drop (local.get $h)) {}",
        open(1, 2),
        or_fail(72)
    );
    let found = "(i32.store (i32.const 128) (i32.load (i32.const 68))) (i32.store (i32.const 132) (i32.load (i32.const 72)))";
    vec![
        ("read", doing(&reads, found)),
        ("write", doing(&writes, "")),
        ("truncate", doing(&format!("{} (call $drop (local.get $h))", open(8, 2)), "")),
        ("truncate, opened to read", doing(&format!("{} (call $drop (local.get $h))", open(8, 1)), "")),
        (
            "resize",
            doing(
                &format!(
                    "{} (call $set-size (local.get $h) (i64.const 1) (i32.const 64)) (call $drop (local.get $h)) {}",
                    open(0, 2),
                    or_fail(65)
                ),
                "",
            ),
        ),
        ("link", freed(format!("$link-at (local.get $root) (i32.const 0) (local.get $p) (local.get $n) (local.get $root) {taken}"))),
        (
            "link, following",
            freed(format!("$link-at (local.get $root) (i32.const 1) (local.get $p) (local.get $n) (local.get $root) {taken}")),
        ),
        ("link to", simple(format!("$link-at (local.get $root) (i32.const 0) {inside} (local.get $root) (local.get $p) (local.get $n)"))),
        ("rename", simple(format!("$rename-at {path} (local.get $root) {taken}"))),
        ("rename to", simple(format!("$rename-at (local.get $root) {inside} (local.get $root) (local.get $p) (local.get $n)"))),
        ("symlink to", freed(format!("$symlink-at {path} {taken}"))),
        ("unlink", simple(format!("$unlink-file-at {path}"))),
        ("create folder", simple(format!("$create-directory-at {path}"))),
        ("read link", doing(&format!("(call $readlink-at {path} (i32.const 64)) {}", or_fail(68)), found)),
    ]
}

/// A folder to grant, beside something that must stay as it is.
struct Place {
    all: TempDir,
}

impl Place {
    fn make() -> std::io::Result<Self> {
        let place = Self { all: tempfile::tempdir()? };
        let (root, outside) = (place.root(), place.outside());
        std::fs::create_dir_all(root.join("a/b"))?;
        std::fs::create_dir(&outside)?;
        std::fs::write(outside.join("secret.txt"), SECRET)?;
        std::fs::write(root.join("inside.txt"), "inside")?;
        std::fs::write(root.join("a/b/inside.txt"), "inside")?;
        std::fs::create_dir(root.join("new"))?;
        symlink("../outside/secret.txt", root.join("link-out"))?;
        symlink(outside.join("secret.txt"), root.join("link-absolute"))?;
        symlink("../outside", root.join("folder-out"))?;
        symlink(&outside, root.join("folder-absolute"))?;
        symlink("loop", root.join("loop"))?;
        symlink("/proc/self/root", root.join("proc-root"))?;
        symlink("/dev/zero", root.join("zero"))?;
        symlink("folder-out", root.join("twice"))?;
        rustix_fifo(&root.join("fifo"))?;
        Ok(place)
    }

    fn root(&self) -> PathBuf {
        self.all.path().join("root")
    }

    fn outside(&self) -> PathBuf {
        self.all.path().join("outside")
    }

    fn grant(&self, access: &str, more: Value) -> Grants {
        let mut bounds = json!({"root": self.root(), "access": access});
        bounds.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        Grants::none().with("filesystem", bounds.as_object().unwrap().clone())
    }

    /// Whether everything beside the folder is as it was.
    fn is_untouched(&self) -> Result<(), String> {
        let names = |folder: &Path| -> Vec<_> {
            let mut names: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        let secret = std::fs::read_to_string(self.outside().join("secret.txt")).map_err(|error| format!("the secret: {error}"))?;
        let beside = names(self.all.path());
        if secret != SECRET || names(&self.outside()) != ["secret.txt"] || beside != ["outside", "root"] {
            return Err(format!("outside changed: {secret:?}, {:?}, {beside:?}", names(&self.outside())));
        }
        Ok(())
    }

    /// Paths that lead out, and a few that only look like it.
    fn paths(&self) -> Vec<String> {
        let outside = self.outside().join("secret.txt").display().to_string();
        let mut paths: Vec<String> = [
            // These two are where they should be: an operation that fails for them too would show nothing.
            "a/b/inside.txt",
            "new/../inside.txt",
            "inside-too.txt",
            "..",
            "../",
            ".",
            "./",
            "",
            "/",
            "//",
            "../outside",
            "../outside/secret.txt",
            "./../outside/secret.txt",
            "a/../../outside/secret.txt",
            "a/b/../../../outside/secret.txt",
            "../root/../outside/secret.txt",
            "../new.txt",
            "a/../../new.txt",
            "link-out",
            "link-out/",
            "link-out/.",
            "link-absolute",
            "folder-out",
            "folder-out/",
            "folder-out/.",
            "folder-out/secret.txt",
            "folder-out/new.txt",
            "folder-out/../outside/secret.txt",
            "folder-absolute/secret.txt",
            "folder-absolute/new.txt",
            "twice/secret.txt",
            "proc-root/etc/passwd",
            "/proc/self/root/etc/passwd",
            "/proc/self/environ",
            "proc/self/fd/0",
            "/dev/fd/0",
            "/etc/passwd",
            "//etc/passwd",
            "fifo",
            "zero",
            "loop",
            "loop/x",
            "inside.txt/",
            "inside.txt/.",
            "inside.txt/..",
            "inside.txt/../../outside/secret.txt",
            "..\\outside\\secret.txt",
            "C:\\Windows\\win.ini",
            "CON",
            "nul",
            "~/x",
            "%2e%2e/outside/secret.txt",
            "\u{ff0e}\u{ff0e}/outside/secret.txt",
            "..\u{2215}outside",
            "INSIDE.TXT",
            "inside.txt\u{0}",
            "\u{0}",
            "../outside/secret.txt\u{0}inside.txt",
            "inside.txt ",
            " ../outside/secret.txt",
            "a/b/c/d/../../../../..",
            "...",
            ".../outside/secret.txt",
        ]
        .map(str::to_owned)
        .to_vec();
        paths.extend([outside.clone(), format!("/{outside}"), format!("/proc/self/root{outside}"), format!("proc-root{outside}")]);
        paths.extend([
            "x".repeat(4_097),
            "a/".repeat(3_000),
            "../".repeat(60) + "etc/passwd",
            "a/../".repeat(600) + "../outside/secret.txt",
        ]);
        paths
    }
}

/// A pipe that nobody writes to.
fn rustix_fifo(path: &Path) -> std::io::Result<()> {
    let made = std::process::Command::new("mkfifo").arg(path).status()?;
    if made.success() { Ok(()) } else { Err(std::io::Error::other("mkfifo failed")) }
}

fn escapes() -> Vec<Variant> {
    let mut variants = Vec::new();
    for access in ["read", "write"] {
        for (name, guest) in deeds() {
            variants.push(Variant::new(format!("{name}, granted to {access}"), move |arena| {
                let guest = guest.clone();
                Box::pin(async move {
                    let place = Place::make().map_err(|error| error.to_string())?;
                    let paths = place.paths();
                    let before = std::fs::read_dir(place.root()).map_err(|error| error.to_string())?.count();
                    let given = answers(arena, &guest, SMALL, place.grant(access, json!({})), &paths).await?;
                    place.is_untouched()?;
                    for (path, answer) in paths.iter().zip(&given) {
                        if answer.contains(SECRET) || answer.contains("root:") {
                            return Err(format!("`{}` gives {answer:?}", path.escape_debug()));
                        }
                        if answer.starts_with("fault") && !answer.contains("trapped") {
                            return Err(format!("`{}` ends with {answer}", path.escape_debug()));
                        }
                    }
                    let after = std::fs::read_dir(place.root()).map_err(|error| error.to_string())?.count();
                    if access == "read" && before != after {
                        return Err("a folder granted to read has changed".to_owned());
                    }
                    // WASI refuses to follow a link in order to link to it.
                    let works = name == "link, following"
                        || given.iter().any(|answer| answer == "yes" || answer == "inside" || name == "read link" && answer == "loop");
                    if works != (access == "write" || name.starts_with("read") || name == "link, following") {
                        return Err(format!("it worked for {} path", if works { "some" } else { "no" }));
                    }
                    Ok(Contained::harmless(format!("{access}: nothing outside")))
                })
            }));
        }
    }
    variants.push(Variant::new("a link that is swapped while it is followed", |arena| Box::pin(racing(arena))));
    variants.push(Variant::new("no folder was granted", |arena| {
        Box::pin(async move {
            let (_, guest) = deeds().remove(0);
            match answers(arena, &guest, SMALL, Grants::none(), &["../outside/secret.txt".to_owned()]).await?.as_slice() {
                [none] if none == "none" => Ok(Contained::harmless("no folder")),
                other => Err(format!("{other:?}")),
            }
        })
    }));
    variants
}

async fn racing(arena: &crate::arena::Arena) -> Ended {
    let place = Place::make().map_err(|error| error.to_string())?;
    let root = place.root();
    let (folder, aside, link) = (root.join("swap"), root.join("aside"), root.join("link"));
    std::fs::create_dir(&folder).and_then(|()| std::fs::write(folder.join("secret.txt"), "inside")).map_err(|error| error.to_string())?;
    symlink("../outside", &link).map_err(|error| error.to_string())?;
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let renamer = std::thread::spawn(move || {
        let mut turns = 0_u32;
        while !stopped.load(Ordering::Relaxed) {
            // A folder, then a link to the outside, then the folder again, under one name.
            for (from, to) in [(&folder, &aside), (&link, &folder), (&folder, &link), (&aside, &folder)] {
                drop(std::fs::rename(from, to));
            }
            turns += 1;
        }
        turns
    });
    let paths = vec!["swap/secret.txt".to_owned(); 2_000];
    let limits = Limits { host_calls_per_second: None, ..SMALL };
    let mut seen = Vec::new();
    for (_, guest) in deeds().into_iter().take(2) {
        seen.push(answers(arena, &guest, limits, place.grant("write", json!({})), &paths).await);
    }
    stop.store(true, Ordering::Relaxed);
    let turns = renamer.join().map_err(|_| "the renamer panicked")?;
    place.is_untouched()?;
    for given in &seen {
        let given = given.as_ref().map_err(Clone::clone)?;
        if !given.iter().any(|answer| answer == "inside" || answer == "yes") {
            return Err(format!("nothing was ever found: {:?}", given.last()));
        }
        if let Some(answer) = given.iter().find(|answer| answer.contains(SECRET)) {
            return Err(format!("after {turns} turns: {answer}"));
        }
    }
    if turns < 50 { Err(format!("only {turns} turns")) } else { Ok(Contained::harmless("never outside")) }
}

/// Bytes and files below a folder.
fn measured(folder: &Path) -> (u64, u64) {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.fold((0, 0), |(bytes, files), path| match path.symlink_metadata().unwrap() {
        data if data.is_dir() => {
            let (more_bytes, more_files) = measured(&path);
            (bytes + more_bytes, files + more_files + 1)
        }
        data => (bytes + if data.is_file() { data.len() } else { 0 }, files + 1),
    })
}

fn filling() -> Vec<Variant> {
    const QUOTA_BYTES: u64 = 200_000;
    const QUOTA_FILES: u64 = 30;
    let at = "(i64.mul (i64.extend_i32_u (local.get $n)) (i64.const 20000))";
    let appends = doing(
        &format!(
            "{} (call $write (local.get $h) (i32.const 0) (i32.const 60000) {at} (i32.const 64)) (call $drop (local.get $h)) {}",
            open(1, 2).replace("(local.get $n) (i32.const 1)", "(i32.const 1) (i32.const 1)"),
            or_fail(72)
        ),
        "",
    );
    let grows = doing(
        &format!(
            "{} (call $set-size (local.get $h) {} (i32.const 64)) (call $drop (local.get $h)) {}",
            open(1, 2),
            "(i64.const 1099511627776)",
            or_fail(65)
        ),
        "",
    );
    let far = doing(
        &format!(
            "{} (call $write (local.get $h) (i32.const 0) (i32.const 3) (i64.const 1099511627776) (i32.const 64)) (call $drop (local.get $h)) {}",
            open(1, 2),
            or_fail(72)
        ),
        "",
    );
    let creates = doing(&format!("{} (call $drop (local.get $h))", open(1, 2)), "");
    let folders = deeds().into_iter().find(|(name, _)| *name == "create folder").unwrap().1;
    let links = deeds().into_iter().find(|(name, _)| *name == "symlink to").unwrap().1;
    let holds = doing(&open(1, 2), "");
    let one_name = |count: usize| (1..=count).map(|length| "x".repeat(length)).collect::<Vec<_>>();
    let filled = |name: &'static str, guest: Guest, inputs: Vec<String>| {
        Variant::new(name, move |arena| {
            let (guest, inputs) = (guest.clone(), inputs.clone());
            Box::pin(async move {
                let place = tempfile::tempdir().map_err(|error| error.to_string())?;
                let root = json!({"root": place.path(), "access": "write", "bytes": QUOTA_BYTES, "files": QUOTA_FILES});
                let grants = Grants::none().with("filesystem", root.as_object().unwrap().clone());
                let given = answers(arena, &guest, SMALL, grants, &inputs).await?;
                let (bytes, files) = measured(place.path());
                if bytes > QUOTA_BYTES || files > QUOTA_FILES {
                    return Err(format!("{bytes} bytes and {files} files"));
                }
                // 06: quota. A handle too many is refused in another word.
                if !given.iter().any(|answer| answer.starts_with("no: ") || answer.starts_with("fault")) {
                    return Err(format!("nothing was refused: {:?}", given.last()));
                }
                Ok(Contained::harmless("quota"))
            })
        })
    };
    let mut variants = vec![
        filled("bytes", appends, one_name(40)),
        filled("a file resized to 1 TiB", grows, one_name(1)),
        filled("three bytes 1 TiB behind the start", far, one_name(1)),
        filled("files", creates, one_name(200)),
        filled("folders", folders, one_name(200)),
        filled("links", links, one_name(200)),
        filled("open handles", holds, vec!["x".to_owned(); 12_000]),
    ];
    variants.extend(super::stores::filling());
    variants
}
