//! Any text as an argument, any change to a cache entry: an answer, never a panic, and never somebody else's code.
//!
//! An ordinary test runs each for about a second; `cargo bolero test` runs them for as long as somebody waits.

use std::fs;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use bolero::check;
use plugwork::dynamic::{Argument, Function, Returned};
use plugwork::{Allocation, Error, Plugin, Runtime};
use serde_json::{Value, json};

use crate::world::{Number, plugin};
use crate::{cache, dynamic};

const BUDGET: Duration = Duration::from_secs(1);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// One plugin and all its functions that give their argument back.
struct Bench {
    tokio: tokio::runtime::Runtime,
    plugin: Plugin,
    functions: Vec<Function>,
}

impl Bench {
    // Unwind safe by assertion: after a panic the test is over and nobody looks at it again.
    fn new() -> AssertUnwindSafe<Self> {
        let tokio = runtime();
        let plugin = tokio.block_on(plugin(&dynamic::identities().source()));
        let functions = plugin.functions().into_iter().filter(|function| function.name.starts_with("same-")).collect();
        AssertUnwindSafe(Self { tokio, plugin, functions })
    }

    fn call(&self, function: &Function, argument: Argument) -> Result<Returned, Error> {
        self.tokio.block_on(self.plugin.call_dynamic(function, &[argument]))
    }

    /// What is accepted comes back as WAVE and as JSON that both mean the same value again; anything else is an error with an issue.
    fn check(&self, function: u8, argument: Argument) {
        let function = &self.functions[usize::from(function) % self.functions.len()];
        match self.call(function, argument.clone()) {
            Ok(returned) => {
                let text = returned.to_wave().unwrap();
                for same in [Argument::Wave(text.clone()), Argument::Json(returned.to_json().unwrap())] {
                    assert_eq!(self.call(function, same).unwrap().to_wave().unwrap(), text, "{function} {argument:?}");
                }
            }
            Err(error) => assert!(!error.issues().is_empty() || error.fault().is_some(), "{function} {argument:?}: {error}"),
        }
    }
}

#[test]
fn any_text_as_wave_is_answered() {
    let bench = Bench::new();
    // Pieces that reach deep, and whatever comes.
    let pieces = [
        "{", "}", "[", "]", "(", ")", ",", ":", "some", "none", "ok(", "err", "x", "label", "\"", "'", "\\u{", "1", "-", "nan", "green",
        " ",
    ];
    check!().with_test_time(BUDGET).with_type::<(u8, Vec<u8>, String)>().for_each(|(function, chosen, tail)| {
        let bench = &bench;
        let text: String = chosen.iter().map(|piece| pieces[usize::from(*piece) % pieces.len()]).chain([tail.as_str()]).collect();
        bench.check(*function, Argument::Wave(text));
        bench.check(*function, Argument::Wave(tail.clone()));
    });
}

/// JSON grown from bytes: each byte chooses a kind, the rest fill it.
fn grow(bytes: &mut impl Iterator<Item = u8>, depth: u32) -> Value {
    let names = ["x", "label", "a", "ok", "err", "sized", "named", "empty", "red"];
    let Some(kind) = bytes.next() else { return Value::Null };
    let count = usize::from(kind >> 4) % 4;
    match kind % 9 {
        0 => json!(kind & 16 == 0),
        1 => json!(f64::from(kind) / 4.0),
        2 => json!(i64::from(kind) - 100),
        3 => json!(u64::MAX - u64::from(kind)),
        4 => json!(names[usize::from(kind) % names.len()]),
        5 => json!((u64::from(kind) << 48).to_string()),
        6 if depth > 0 => (0..count).map(|_| grow(bytes, depth - 1)).collect(),
        7 if depth > 0 => {
            Value::Object((0..count).map(|at| (names[(at + count) % names.len()].to_owned(), grow(bytes, depth - 1))).collect())
        }
        _ => Value::Null,
    }
}

#[test]
fn any_json_is_answered() {
    let bench = Bench::new();
    check!().with_test_time(BUDGET).with_type::<(u8, Vec<u8>)>().for_each(|(function, bytes)| {
        let bench = &bench;
        bench.check(*function, Argument::Json(grow(&mut bytes.iter().copied(), 4)));
    });
}

#[test]
fn a_changed_cache_entry_never_loads() {
    let tokio = AssertUnwindSafe(runtime());
    let (state, source, entry) = tokio.block_on(cache::filled());
    let source = AssertUnwindSafe(source);
    let good = fs::read(&entry).unwrap();
    check!().with_test_time(BUDGET).with_type::<(Vec<(u32, u8)>, Option<u32>, Vec<u8>)>().for_each(|(changes, cut, tail)| {
        let tokio = &tokio;
        let mut bytes = good.clone();
        for (place, value) in changes.iter().take(4) {
            // Half of the changes among the first 256 bytes, where the header and its code are.
            let length = if place % 2 == 0 { 256 } else { bytes.len() };
            bytes[usize::try_from(*place / 2).unwrap() % length] = *value;
        }
        if let Some(cut) = cut {
            bytes.truncate(usize::try_from(*cut).unwrap() % (good.len() + 1));
        }
        bytes.extend_from_slice(tail);
        fs::write(&entry, &bytes).unwrap();
        let counts = tokio.block_on(async {
            let runtime = Runtime::builder(state.path()).allocation(Allocation::OnDemand).open().await.unwrap();
            let plugin = runtime.offer(&source).await.unwrap().accept().await.unwrap();
            assert_eq!(plugin.call::<Number>(&9).await.unwrap(), 9);
            runtime.cache_counts()
        });
        let changed = bytes != good;
        assert_eq!((counts.disk_hits, counts.rejected), (u64::from(!changed), u64::from(changed)));
    });
}
