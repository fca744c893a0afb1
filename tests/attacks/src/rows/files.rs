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

use super::answered::answered;
use super::file_guests::{deeds, doing, open, or_fail};
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
                    let given = answered(arena, &guest, SMALL, place.grant(access, json!({})), &paths).await?;
                    place.is_untouched()?;
                    for (path, answer) in paths.iter().zip(&given.texts) {
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
                        || given
                            .texts
                            .iter()
                            .any(|answer| answer == "yes" || answer == "inside" || name == "read link" && answer == "loop");
                    if works != (access == "write" || name.starts_with("read") || name == "link, following") {
                        return Err(format!("it worked for {} path", if works { "some" } else { "no" }));
                    }
                    let contained = given.contained(format!("{access}: nothing outside"));
                    // What a link says is no path: where it leads to is found out when somebody follows it.
                    let is_judged = name != "symlink to" || access == "read";
                    Ok(contained.on_record(is_judged.then(|| given.denial("E-CAP-FILESYSTEM-"))))
                })
            }));
        }
    }
    variants.push(Variant::new("a link that is swapped while it is followed", |arena| Box::pin(racing(arena))));
    variants.push(Variant::new("no folder was granted", |arena| {
        Box::pin(async move {
            let (_, guest) = deeds().remove(0);
            match answered(arena, &guest, SMALL, Grants::none(), &["../outside/secret.txt".to_owned()]).await?.texts.as_slice() {
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
        seen.push(answered(arena, &guest, limits, place.grant("write", json!({})), &paths).await);
    }
    stop.store(true, Ordering::Relaxed);
    let turns = renamer.join().map_err(|_| "the renamer panicked")?;
    place.is_untouched()?;
    for given in &seen {
        let given = &given.as_ref().map_err(Clone::clone)?.texts;
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
    let links = format!(
        "(call $symlink-at (local.get $root) (i32.const 40) (i32.const 10) (local.get $p) (local.get $n) (i32.const 64)) {}",
        or_fail(65)
    );
    let links = doing(&links, "");
    let holds = doing(&open(1, 2), "");
    let one_name = |count: usize| (1..=count).map(|length| "x".repeat(length)).collect::<Vec<_>>();
    let filled = |name: &'static str, guest: Guest, inputs: Vec<String>| {
        Variant::new(name, move |arena| {
            let (guest, inputs) = (guest.clone(), inputs.clone());
            Box::pin(async move {
                let place = tempfile::tempdir().map_err(|error| error.to_string())?;
                let root = json!({"root": place.path(), "access": "write", "bytes": QUOTA_BYTES, "files": QUOTA_FILES});
                let grants = Grants::none().with("filesystem", root.as_object().unwrap().clone());
                let given = answered(arena, &guest, SMALL, grants, &inputs).await?;
                let (bytes, files) = measured(place.path());
                if bytes > QUOTA_BYTES || files > QUOTA_FILES {
                    return Err(format!("{bytes} bytes and {files} files"));
                }
                // 06: quota. A handle too many is refused in another word.
                if !given.texts.iter().any(|answer| answer.starts_with("no: ") || answer.starts_with("fault")) {
                    return Err(format!("nothing was refused: {:?}", given.texts.last()));
                }
                Ok(given.contained("quota").on_record([given.denial("E-CAP-FILESYSTEM-")]))
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
