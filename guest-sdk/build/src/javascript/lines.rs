//! Positions in the bundle as positions in the author's files, for stack traces: reads the bundler's source map (version 3).
//!
//! By line only, which is exact enough for people because the bundle is not minified. Kept as runs in which bundle and source advance
//! together, so that a plugin carries some hundred numbers and not a source map. The reader of the table is the SDK's `lines.js`.

use std::path::{Component, Path, PathBuf};

use serde::Deserialize;
use serde_json::json;

use crate::{BuildError, Step};

/// What stands for "no source" in a run: lines that the bundler itself wrote.
const NOWHERE: i64 = -1;

/// Which source line each line of a bundle came from.
pub(super) struct Lines {
    sources: Vec<String>,
    /// First bundle line, source number, source line; lines count from 1. Rising by the first.
    runs: Vec<(i64, i64, i64)>,
}

#[derive(Deserialize)]
struct SourceMap {
    sources: Vec<String>,
    mappings: String,
}

impl Lines {
    /// From the text of a source map that stands in the step's scratch folder.
    pub(super) fn read(map: &[u8], step: &Step<'_>) -> Result<Self, BuildError> {
        let unreadable = |why: String| BuildError::tool_failed("esbuild", format!("its source map cannot be read: {why}"));
        let map: SourceMap = serde_json::from_slice(map).map_err(|error| unreadable(error.to_string()))?;
        let runs = runs(&map.mappings).ok_or_else(|| unreadable("a mapping is not VLQ".to_owned()))?;
        // The bundler follows symbolic links, so both sides are compared without them.
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let (work, project, sdk) = (real(step.work_dir), real(step.project_dir), real(step.sdk_dir));
        let sources = map.sources.iter().map(|source| shown(&plain(&work.join(source)), &project, &sdk)).collect();
        Ok(Self { sources, runs })
    }

    /// The JavaScript statement at the end of the bundle that leaves the table where the SDK looks for it.
    pub(super) fn statement(&self, bundle: &str) -> String {
        let flat: Vec<i64> = self.runs.iter().flat_map(|&(line, source, source_line)| [line, source, source_line]).collect();
        let table = json!({ "bundle": bundle, "sources": self.sources, "runs": flat });
        format!("\nglobalThis[Symbol.for(\"plugwork:lines\")] = {table};\n")
    }

    /// `text` with every position `bundle:line:column` replaced by source and line, where that is known.
    pub(super) fn translate(&self, text: &str, bundle: &str) -> String {
        let mark = format!("{bundle}:");
        let mut translated = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(&mark) {
            let after = &rest[at + mark.len()..];
            let digits = |text: &str| text.find(|character: char| !character.is_ascii_digit()).unwrap_or(text.len());
            let line_end = digits(after);
            let end = match after[line_end..].strip_prefix(':') {
                Some(column) if digits(column) > 0 => line_end + 1 + digits(column),
                _ => line_end,
            };
            match after[..line_end].parse().ok().and_then(|line| self.source_of(line)) {
                Some(position) => {
                    translated.push_str(rest[..at].trim_end_matches('/'));
                    translated.push_str(&position);
                }
                None => translated.push_str(&rest[..at + mark.len() + end]),
            }
            rest = &after[end..];
        }
        translated + rest
    }

    fn source_of(&self, line: i64) -> Option<String> {
        let next = self.runs.partition_point(|run| run.0 <= line);
        let &(first, source, source_line) = self.runs.get(next.checked_sub(1)?)?;
        let name = self.sources.get(usize::try_from(source).ok()?)?;
        Some(format!("{name}:{}", source_line + line - first))
    }
}

/// The mappings as runs; none when they are malformed.
fn runs(mappings: &str) -> Option<Vec<(i64, i64, i64)>> {
    let mut runs: Vec<(i64, i64, i64)> = Vec::new();
    let (mut source, mut source_line) = (0, 0);
    for (line, segments) in (1..).zip(mappings.split(';')) {
        let mut first = None;
        for segment in segments.split(',').filter(|segment| !segment.is_empty()) {
            let fields = vlq(segment)?;
            if let [_, source_step, line_step, _, ..] = fields[..] {
                source += source_step;
                source_line += line_step;
                first.get_or_insert((source, source_line + 1));
            }
        }
        let (source, source_line) = first.unwrap_or((NOWHERE, 0));
        let continues = runs.last().is_some_and(|&(run, run_source, run_line)| {
            run_source == source && (source == NOWHERE || run_line + line - run == source_line)
        });
        if !continues {
            runs.push((line, source, source_line));
        }
    }
    Some(runs)
}

/// The numbers of one segment: base 64, six bits each, of which the highest says that more follow and the lowest is the sign.
fn vlq(segment: &str) -> Option<Vec<i64>> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut numbers = Vec::new();
    let (mut value, mut shift) = (0_i64, 0_u32);
    for character in segment.bytes() {
        let digit = i64::try_from(ALPHABET.iter().position(|&known| known == character)?).ok()?;
        value |= (digit & 31).checked_shl(shift)?;
        shift += 5;
        if digit & 32 == 0 {
            numbers.push(if value & 1 == 1 { -(value >> 1) } else { value >> 1 });
            (value, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(numbers)
}

/// The path without `.` and `..`, by its text.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            other => plain.push(other),
        }
    }
    plain
}

/// As an author would name it: below the project, below the SDK, or from its last `node_modules`. Never a path of the building machine.
fn shown(path: &Path, project: &Path, sdk: &Path) -> String {
    if let Ok(inner) = path.strip_prefix(project) {
        return inner.to_string_lossy().into_owned();
    }
    if let Ok(inner) = path.strip_prefix(sdk) {
        return format!("@plugwork/guest/{}", inner.to_string_lossy());
    }
    let text = path.to_string_lossy();
    let name = path.file_name().map_or(text.clone(), |name| name.to_string_lossy());
    text.rsplit_once("node_modules/").map_or_else(|| name.into_owned(), |(_, package)| package.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Lines {
        // Bundle line 1: nothing; 2 and 3: source 0, lines 5 and 6; 4: source 1, line 1.
        let runs = runs(";AAIA;AACA;ACLA").unwrap();
        Lines { sources: vec!["plugin.js".to_owned(), "other.js".to_owned()], runs }
    }

    #[test]
    fn lines_that_advance_together_are_one_run() {
        assert_eq!(lines().runs, [(1, NOWHERE, 0), (2, 0, 5), (4, 1, 1)]);
    }

    #[test]
    fn translates_positions_and_leaves_the_rest() {
        let text = "at push (/bundle.js:3:14)\nat x (bundle.js:4)\nat y (/bundle.js:1:2) other.js:3:1 bundle.js:";
        let expected = "at push (plugin.js:6)\nat x (other.js:1)\nat y (/bundle.js:1:2) other.js:3:1 bundle.js:";
        assert_eq!(lines().translate(text, "bundle.js"), expected);
    }

    #[test]
    fn reads_negative_and_long_numbers() {
        assert_eq!(vlq("D2H"), Some(vec![-1, 123]));
        assert_eq!(vlq("g"), None);
        assert_eq!(vlq("!"), None);
    }

    #[test]
    fn never_shows_a_path_of_the_building_machine() {
        let shown = |path: &str| shown(&plain(Path::new(path)), Path::new("/p"), Path::new("/sdk"));
        assert_eq!(shown("/p/x/../src/a.js"), "src/a.js");
        assert_eq!(shown("/sdk/src/table.js"), "@plugwork/guest/src/table.js");
        assert_eq!(shown("/home/me/node_modules/left/index.js"), "left/index.js");
        assert_eq!(shown("/home/me/scratch/entry.js"), "entry.js");
    }
}
