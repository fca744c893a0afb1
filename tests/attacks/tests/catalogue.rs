//! Every row of the catalogue as a test of its own, once for each profile: `A1::hardened`, `A1::full`.
//!
//! Easily got wrong: they run one after the other, whatever the command line says, because each compares the memory of the whole process.

use libtest_mimic::{Arguments, Trial};
use plugwork_attacks::{PROFILES, arena, block_on, rows};

fn main() {
    plugwork_attacks::prepare();
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let mut trials = Vec::new();
    for row in rows::all() {
        for (profile, name) in PROFILES {
            let row = plugwork_attacks::row::Row { ..row };
            trials.push(Trial::test(format!("{}::{name}", row.id), move || {
                block_on(arena::run(&row, profile)).map(drop).map_err(|complaints| format!("{}: {complaints}", row.title).into())
            }));
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}
