//! Virtual paths: what can be said of a path below a plugin's root by its letters alone.
//!
//! This is the second wall. The first is the folder's handle, which sees links, races and devices; letters see none of them. `/proc` is
//! nothing special here: below the root it is a folder like any other, and no root may hold the real one.

use super::Decision;

/// Bytes of a path.
pub const PATH_BYTES_MAX: usize = 4096;
/// Bytes of one step of a path.
pub const STEP_BYTES_MAX: usize = 255;

/// Whether the path stays below the root and is one that a file system can have.
pub(super) fn decide(path: &str) -> Decision {
    let denied = |code, rule: String| Decision::Deny { code, rule, hint: String::new() };
    let refused = |rule: String| denied("E-CAP-FILESYSTEM-PATH", rule);
    if path.is_empty() {
        return refused("the path is empty".to_owned());
    }
    if path.len() > PATH_BYTES_MAX {
        return refused(format!("the path has {} bytes, more than {PATH_BYTES_MAX}", path.len()));
    }
    if path.chars().any(|letter| letter.is_control() || letter == '\\') {
        // A backslash is a separator elsewhere; what is one name here must not be two there.
        return refused("the path has a control character or a backslash".to_owned());
    }
    let mut depth = 0_usize;
    for step in path.split('/') {
        match step {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(up) => depth = up,
                None => return denied("E-CAP-FILESYSTEM-ESCAPE", "the path leads above the granted folder".to_owned()),
            },
            long if long.len() > STEP_BYTES_MAX => {
                return refused(format!("a step of the path has {} bytes, more than {STEP_BYTES_MAX}", long.len()));
            }
            _ => depth += 1,
        }
    }
    Decision::Allow
}

/// Whether a host's folder is the root of the host, or `/proc`, `/sys` or `/dev` or below one of them, whichever way it is written. Links are
/// not followed here: who opens the folder asks again with the path that they lead to.
pub fn holds_the_system(root: &str) -> bool {
    if !root.starts_with('/') {
        return false;
    }
    let mut steps = Vec::new();
    for step in root.split('/') {
        match step {
            "" | "." => {}
            ".." => drop(steps.pop()),
            step => steps.push(step),
        }
    }
    matches!(steps.first(), None | Some(&("proc" | "sys" | "dev")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_root_holds_the_system() {
        for root in ["/", "//", "/.", "/..", "/srv/..", "/proc", "/proc/self", "//dev/", "/sys/kernel", "/srv/../proc/1", "/dev/shm"] {
            assert!(holds_the_system(root), "{root}");
        }
        for root in ["/srv", "srv", "./proc", "dev", "/srv/proc", "/process", "/home/dev"] {
            assert!(!holds_the_system(root), "{root}");
        }
    }
}
