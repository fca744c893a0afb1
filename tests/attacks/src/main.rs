//! `plugwork-attacks [ROW...]`: the catalogue as a program, one line for each row and profile, and at the end how many held.
//!
//! Easily got wrong: a word that names no row is an error, because a run of nothing holds too easily.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program that talks to a person")]

use std::process::ExitCode;

use plugwork_attacks::{PROFILES, arena, block_on, prepare, rows};

fn main() -> ExitCode {
    prepare();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let rows = rows::all();
    if let Some(strange) = words.iter().find(|word| !rows.iter().any(|row| row.id.eq_ignore_ascii_case(word))) {
        eprintln!("error: there is no row `{strange}`");
        return ExitCode::from(2);
    }
    let (mut passed, mut failed) = (0, 0);
    for row in rows.iter().filter(|row| words.is_empty() || words.iter().any(|word| row.id.eq_ignore_ascii_case(word))) {
        for (profile, name) in PROFILES {
            match block_on(arena::run(row, profile)) {
                Ok(outcome) => {
                    passed += 1;
                    println!("{:3} {:58} {name:8}  {outcome}", row.id, row.title);
                }
                Err(complaints) => {
                    failed += 1;
                    println!("{:3} {:58} {name:8}  FAILED\n    {complaints}", row.id, row.title);
                }
            }
        }
    }
    println!("\n{passed} passed, {failed} failed");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
