//! The table of moves stands in the book as it stands in the code. The rules themselves are tested beside the code.

use plugwork_core::lifecycle::{Move, Stage, TABLE};

const PAGE: &str = include_str!("../../../../docs/lifecycle.md");

/// The table as the book shows it.
fn table() -> String {
    let rows = TABLE.iter().map(|row| {
        let who: Vec<&str> = row.who.iter().map(|actor| actor.as_str()).collect();
        format!("| {} | `{}` | {} | {} |\n", row.from, row.by_move, row.to, who.join(", "))
    });
    ["| from | move | to | who may |\n|---|---|---|---|\n".to_owned()].into_iter().chain(rows).collect()
}

#[test]
fn the_table_of_moves_stands_in_the_book_line_by_line() {
    assert!(PAGE.contains(&format!("\n{}\n", table())), "docs/lifecycle.md lacks, between empty lines:\n{}", table());
}

#[test]
fn every_state_and_every_move_is_explained_in_the_book() {
    for stage in Stage::ALL {
        assert!(PAGE.contains(&format!("\n| {stage} | ")), "docs/lifecycle.md does not say what `{stage}` is");
    }
    for wanted in Move::ALL {
        assert!(PAGE.contains(&format!("\n| `{wanted}` | ")), "docs/lifecycle.md does not say what `{wanted}` does");
    }
}
