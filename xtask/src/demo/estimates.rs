//! Reads b-values back from what a pipeline wrote, so that the demo tells what is in the files and not what was in memory.
//!
//! Looks for a table with the columns of `magnitude-frequency`, whatever the file's name: CSV or one JSON object a line.

use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// One row of the table `estimates`.
#[derive(Debug, PartialEq)]
pub(super) struct Estimate {
    /// The network.
    pub(super) group: String,
    b: f64,
    b_uncertainty: f64,
    /// Events at or above the completeness magnitude.
    used: f64,
    completeness: f64,
}

impl fmt::Display for Estimate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, b, b_uncertainty, used, completeness } = self;
        write!(f, "b-value of {group}: {b:.2} ± {b_uncertainty:.2} ({used} events of magnitude {completeness:.1} and above)")
    }
}

/// The estimates in a folder's files; an error when no file has any.
pub(super) fn read(folder: &Path) -> Result<Vec<Estimate>> {
    let doing = || format!("cannot read `{}`", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(doing)? {
        let path = entry.with_context(doing)?.path();
        let ending = path.extension().unwrap_or_default();
        if ending == "csv" || ending == "jsonl" {
            let text = fs::read_to_string(&path).with_context(doing)?;
            found.extend(if ending == "csv" { from_csv(&text) } else { from_json_lines(&text) });
        }
    }
    if found.is_empty() {
        bail!("no file in `{}` has the columns `group`, `b`, `b-uncertainty`, `used` and `completeness`", folder.display());
    }
    Ok(found)
}

fn from_json_lines(text: &str) -> Vec<Estimate> {
    let rows = text.lines().map_while(|line| serde_json::from_str::<Value>(line).ok());
    let estimate = |row: Value| {
        let number = |name: &str| row[name].as_f64();
        Some(Estimate {
            group: row["group"].as_str()?.to_owned(),
            b: number("b")?,
            b_uncertainty: number("b-uncertainty")?,
            used: number("used")?,
            completeness: number("completeness")?,
        })
    };
    rows.filter_map(estimate).collect()
}

fn from_csv(text: &str) -> Vec<Estimate> {
    let mut lines = text.lines();
    let header = cells(lines.next().unwrap_or_default());
    let column = |name: &str| header.iter().position(|cell| cell == name);
    let (Some(group), Some(b), Some(b_uncertainty), Some(used), Some(completeness)) =
        (column("group"), column("b"), column("b-uncertainty"), column("used"), column("completeness"))
    else {
        return Vec::new();
    };
    let estimate = |line: &str| {
        let row = cells(line);
        let number = |index: usize| row.get(index)?.parse().ok();
        // A network with too few events has a row without numbers.
        Some(Estimate {
            group: row.get(group)?.clone(),
            b: number(b)?,
            b_uncertainty: number(b_uncertainty)?,
            used: number(used)?,
            completeness: number(completeness)?,
        })
    };
    lines.filter_map(estimate).collect()
}

/// The cells of one CSV line; a cell may be quoted, but not go on in the next line.
fn cells(line: &str) -> Vec<String> {
    let (mut cells, mut quoted) = (vec![String::new()], false);
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let last = cells.len() - 1;
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => cells[last].extend(letters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted => cells.push(String::new()),
            other => cells[last].push(other),
        }
    }
    cells
}

#[cfg(test)]
mod tests {
    use super::*;

    fn southern_california() -> Estimate {
        Estimate { group: "ci".to_owned(), b: 0.8231, b_uncertainty: 0.0604, used: 168.0, completeness: 0.9 }
    }

    #[test]
    fn reads_both_formats() {
        let csv = "group,events,used,step,completeness,a,b,b-uncertainty,status\r\nci,300,168,0.01,0.9,2.9,0.8231,0.0604,ok\r\nnn,3,,,,,,,\"too few, \"\"3\"\"\"\r\n";
        assert_eq!(from_csv(csv), [southern_california()]);
        let lines =
            "{\"group\":\"ci\",\"b\":0.8231,\"b-uncertainty\":0.0604,\"used\":168,\"completeness\":0.9}\n{\"group\":\"nn\",\"b\":null}\n";
        assert_eq!(from_json_lines(lines), [southern_california()]);
    }

    #[test]
    fn other_tables_have_no_estimates() {
        assert!(from_csv("group,b\nci,1\n").is_empty());
        assert!(from_json_lines("{\"group\":\"ci\"}\n").is_empty());
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("x.csv"), "a,b\n1,2\n").unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("no file in"));
    }

    #[test]
    fn an_estimate_reads_well() {
        assert_eq!(southern_california().to_string(), "b-value of ci: 0.82 ± 0.06 (168 events of magnitude 0.9 and above)");
    }

    #[test]
    fn quoted_cells_keep_their_commas() {
        assert_eq!(cells("a,\"b, \"\"c\"\"\",,d"), ["a", "b, \"c\"", "", "d"]);
    }
}
