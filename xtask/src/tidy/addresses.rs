//! No file names the host of a package registry: a clone must build behind anybody's mirror, and lock files are pinned by digest anyway.
//!
//! `Cargo.lock` is the one exception, because Cargo writes its registry's index there and translates it on every use. Easily got wrong: this
//! file may not name them either, so each name is put together from two halves.

use super::Finding;
use crate::tree::File;

const HOSTS: [&str; 7] = [
    concat!("registry.npm", "js.org"),
    concat!("registry.yarn", "pkg.com"),
    concat!("files.python", "hosted.org"),
    concat!("py", "pi.org"),
    concat!("static.", "crates.io"),
    concat!("index.", "crates.io"),
    concat!("deb.deb", "ian.org"),
];

/// Checks every text file.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| !file.path.ends_with("Cargo.lock")) {
        for host in HOSTS {
            let Some(at) = file.text.find(host) else { continue };
            let line = file.text[..at].matches('\n').count() + 1;
            let advice = if file.path.ends_with("package-lock.json") {
                "write `omit-lockfile-registry-resolved=true` into `.npmrc` beside it and make the lock file again"
            } else {
                "leave the address to the tool's own settings"
            };
            findings.push(Finding::error(
                format_args!("{}:{line}", file.path),
                format_args!("names the package registry `{host}`"),
                advice,
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_a_lock_file_is_found_with_its_line() {
        let text = format!("{{\n  \"resolved\": \"https://{}/x.tgz\"\n}}\n", HOSTS[0]);
        let found = check(&[File { path: "a/package-lock.json".to_owned(), text: text.clone() }]);
        assert_eq!(found[0].place, "a/package-lock.json:2");
        assert!(found[0].advice.contains("omit-lockfile-registry-resolved"));
        assert!(check(&[File { path: "Cargo.lock".to_owned(), text }]).is_empty());
    }
}
