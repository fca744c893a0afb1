//! Guests that do one thing with one path of a granted folder, through `wasi:filesystem`.
//!
//! Not here: the paths, and what must come of them (`files.rs`). Easily got wrong: such a guest is told the number of an error, never the code of a
//! denial.

use crate::guest::Guest;

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
pub(super) fn doing(deed: &str, pair: &str) -> Guest {
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
        // Four places of 128 KiB in turn: the first call also takes the list of folders and a name while its path still lies there.
        "(if (i32.lt_u (memory.size) (i32.const 10)) (then (drop (memory.grow (i32.const 10)))))
         (global.set $next (i32.rem_u (i32.add (global.get $next) (i32.const 131072)) (i32.const 524288)))
         (i32.add (global.get $next) (i32.const 65536))",
    )
}

/// Leaves the block where the result at 64 is an error; its code is a byte at `at`.
pub(super) fn or_fail(at: u32) -> String {
    format!("(if (i32.load8_u (i32.const 64)) (then (local.set $code (i32.load8_u (i32.const {at}))) (br $failed)))")
}

pub(super) fn open(open_flags: u32, flags: u32) -> String {
    format!(
        "(call $open-at (local.get $root) (i32.const 1) (local.get $p) (local.get $n) (i32.const {open_flags}) (i32.const {flags}) (i32.const 64))
         {} (local.set $h (i32.load (i32.const 68)))",
        or_fail(68)
    )
}

/// What can be done with a path.
pub(super) fn deeds() -> Vec<(&'static str, Guest)> {
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
