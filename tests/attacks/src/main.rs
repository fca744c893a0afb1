//! `plugwork-attacks [--measure [--json FILE]] [ROW...]`: the catalogue as a program, one line for each row and profile, and at the end how many
//! held; with `--measure` also how fast attackers are stopped and what a victim feels, which `--json` keeps in a file.
//!
//! Easily got wrong: a word that names no row is an error, because a run of nothing holds too easily.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a person")]

use std::process::ExitCode;

use plugwork_attacks::{PROFILES, arena, block_on, measure, prepare, rows};
use serde_json::json;

/// What was asked for.
#[derive(Default)]
struct Asked {
    measure: bool,
    json: Option<String>,
    rows: Vec<String>,
}

fn asked() -> Result<Asked, String> {
    let mut asked = Asked::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--measure" => asked.measure = true,
            "--json" => asked.json = Some(words.next().ok_or("`--json` needs a file")?),
            _ => asked.rows.push(word),
        }
    }
    if asked.json.is_some() && !asked.measure {
        return Err("`--json` is for what `--measure` measures: give both".to_owned());
    }
    let rows = rows::all();
    match asked.rows.iter().find(|word| !rows.iter().any(|row| row.id.eq_ignore_ascii_case(word))) {
        Some(strange) => Err(format!("there is no row `{strange}`")),
        None => Ok(asked),
    }
}

fn main() -> ExitCode {
    prepare();
    match asked().and_then(|asked| run(&asked)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
    }
}

/// Whether all of them held.
fn run(asked: &Asked) -> Result<bool, String> {
    let rows = rows::all();
    let (mut passed, mut failed) = (0, 0);
    let mut kept = Vec::new();
    for row in rows.iter().filter(|row| asked.rows.is_empty() || asked.rows.iter().any(|word| row.id.eq_ignore_ascii_case(word))) {
        for (profile, name) in PROFILES {
            match block_on(arena::run(row, profile)) {
                Ok(outcome) => {
                    passed += 1;
                    println!("{:3} {:72} {name:8}  {outcome}", row.id, row.title);
                    kept.push(json!({"row": row.id, "profile": name, "grown_bytes": outcome.grown_bytes, "longest_ms": outcome.longest.as_millis()}));
                }
                Err(complaints) => {
                    failed += 1;
                    println!("{:3} {:72} {name:8}  FAILED\n    {complaints}", row.id, row.title);
                }
            }
        }
    }
    if asked.measure {
        let measured = block_on(measure::everything())?;
        println!("\n{measured}");
        if let Some(file) = &asked.json {
            let whole = json!({"stops": measured.stops, "victims": measured.victims, "rows": kept});
            std::fs::write(file, format!("{whole:#}\n")).map_err(|error| format!("cannot write `{file}`: {error}"))?;
        }
    }
    println!("\n{passed} passed, {failed} failed");
    Ok(failed == 0)
}
